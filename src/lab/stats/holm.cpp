#include "lab/stats/holm.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "base/assert.h"

namespace crucible::lab::stats {

std::vector<double> holm_adjust(std::span<const double> p_values) {
    for (const double p : p_values) CRUCIBLE_ASSERT(p >= 0 && p <= 1);
    std::vector<std::size_t> order(p_values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
    std::vector<double> adjusted(p_values.size());
    double largest = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
        // The i-th smallest competes with those not yet rejected; a later one is never surer than
        // an earlier.
        largest = std::max(largest, static_cast<double>(order.size() - i) * p_values[order[i]]);
        adjusted[order[i]] = std::min(1.0, largest);
    }
    return adjusted;
}

}  // namespace crucible::lab::stats
