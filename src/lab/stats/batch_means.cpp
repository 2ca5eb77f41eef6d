#include "lab/stats/batch_means.h"

#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <cstddef>

namespace crucible::lab::stats {
namespace {

/// Half the width of the interval from batches of `length` stretches; those left over at the end
/// are left out.
double half_width(std::span<const Batch> stretches, std::size_t length, double ratio,
                  double level) {
    const std::size_t count = stretches.size() / length;
    double weight = 0;
    double squares = 0;
    for (std::size_t i = 0; i < count; ++i) {
        Batch batch;
        for (const auto& stretch : stretches.subspan(i * length, length)) {
            batch.weight += stretch.weight;
            batch.total += stretch.total;
        }
        const double off = batch.total - ratio * batch.weight;
        weight += batch.weight;
        squares += off * off;
    }
    if (weight == 0) return 0;
    const auto n = static_cast<double>(count);
    const boost::math::students_t t(n - 1);
    return boost::math::quantile(t, 0.5 + level / 2) * std::sqrt(squares * n / (n - 1)) / weight;
}

}  // namespace

std::optional<LocationEstimate> batch_means(std::span<const Batch> stretches, double level) {
    require_level(level);
    Batch all;
    for (const auto& [weight, total] : stretches) {
        CRUCIBLE_ASSERT(std::isfinite(weight) && weight >= 0 && std::isfinite(total));
        all.weight += weight;
        all.total += total;
    }
    if (stretches.size() < kBatchesMin || all.weight == 0) return std::nullopt;
    const double ratio = all.total / all.weight;
    double widest = 0;
    for (std::size_t length = 1; stretches.size() / length >= kBatchesMin; length *= 2)
        widest = std::max(widest, half_width(stretches, length, ratio, level));
    return LocationEstimate{ratio, {ratio - widest, ratio + widest}, level};
}

}  // namespace crucible::lab::stats
