#include "lab/stats/multiple_comparisons.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {
namespace {

/// What the i-th smallest (0-based) of m p-values is multiplied by.
double factor(Adjustment adjustment, std::size_t i, std::size_t m) {
    const auto rank = static_cast<double>(i + 1);
    const auto count = static_cast<double>(m);
    switch (adjustment) {
        case Adjustment::bonferroni:
            return count;
        case Adjustment::holm:
        case Adjustment::hochberg:
            return count - rank + 1;  // it competes with those not yet rejected
        case Adjustment::benjamini_hochberg:
            return count / rank;
        case Adjustment::benjamini_yekutieli: {
            double harmonic = 0;
            for (std::size_t k = 1; k <= m; ++k) harmonic += 1 / static_cast<double>(k);
            return harmonic * count / rank;
        }
    }
    return count;
}

bool steps_up(Adjustment adjustment) {
    return adjustment != Adjustment::bonferroni && adjustment != Adjustment::holm;
}

}  // namespace

std::vector<double> adjust(std::span<const double> p_values, Adjustment adjustment) {
    for (const double p : p_values) CRUCIBLE_ASSERT(p >= 0 && p <= 1);
    const std::size_t m = p_values.size();
    std::vector<std::size_t> order(m);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return p_values[i]; });
    std::vector<double> adjusted(m);
    const auto scaled = [&](std::size_t i) {
        return factor(adjustment, i, m) * p_values[order[i]];
    };
    if (steps_up(adjustment)) {
        // From the largest down: a smaller p-value is never less sure than a larger one.
        double smallest = 1;
        for (std::size_t i = m; i-- > 0;) {
            smallest = std::min(smallest, scaled(i));
            adjusted[order[i]] = smallest;
        }
    } else {
        double largest = 0;
        for (std::size_t i = 0; i < m; ++i) {
            largest = std::max(largest, scaled(i));
            adjusted[order[i]] = std::min(1.0, largest);
        }
    }
    return adjusted;
}

std::vector<std::size_t> e_benjamini_hochberg(std::span<const double> e_values, double alpha) {
    for (const double e : e_values) CRUCIBLE_ASSERT(e >= 0);
    CRUCIBLE_ASSERT(alpha > 0 && alpha < 1);
    const std::size_t m = e_values.size();
    std::vector<std::size_t> order(m);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return e_values[i]; });
    std::size_t rejected = 0;
    for (std::size_t k = 1; k <= m; ++k) {
        if (e_values[order[k - 1]] * static_cast<double>(k) * alpha >= static_cast<double>(m)) {
            rejected = k;
        }
    }
    order.resize(rejected);
    std::ranges::sort(order);
    return order;
}

}  // namespace crucible::lab::stats
