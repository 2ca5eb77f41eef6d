#include "lab/stats/mser5.h"

#include <numeric>
#include <vector>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {
namespace {

constexpr std::size_t kBatch = 5;

double criterion(std::span<const double> batches) {
    const auto n = static_cast<double>(batches.size());
    const double mean = std::accumulate(batches.begin(), batches.end(), 0.0) / n;
    double squares = 0;
    for (const double batch : batches) squares += (batch - mean) * (batch - mean);
    return squares / (n * n);
}

}  // namespace

Truncation mser5(std::span<const double> values) {
    require_finite(values);
    CRUCIBLE_ASSERT(values.size() >= 2 * kBatch);
    std::vector<double> batches;
    for (std::size_t first = 0; first + kBatch <= values.size(); first += kBatch) {
        const auto batch = values.subspan(first, kBatch);
        batches.push_back(std::accumulate(batch.begin(), batch.end(), 0.0) / kBatch);
    }
    Truncation best;
    best.error = best.error_at_start = criterion(batches);
    const std::size_t bound = batches.size() / 2;
    for (std::size_t d = 1; d <= bound; ++d) {
        const double error = criterion(std::span(batches).subspan(d));
        if (error >= best.error) continue;
        best.error = error;
        best.values = d * kBatch;
        best.steady = d < bound;
    }
    return best;
}

}  // namespace crucible::lab::stats
