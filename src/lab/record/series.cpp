#include "lab/record/series.h"

#include <cmath>
#include <numeric>

namespace crucible::lab {
namespace {

constexpr Duration kFineFor = std::chrono::hours(1);

/// Without what follows the last one that is not `Point{}`.
template <typename Point>
std::vector<Point> used(std::vector<Point> points) {
    while (!points.empty() && points.back() == Point{}) points.pop_back();
    return points;
}

}  // namespace

CoarseHistogram& CoarseHistogram::operator+=(const CoarseHistogram& other) noexcept {
    for (std::size_t i = 0; i < kSize; ++i) counts_[i] += other.counts_[i];
    return *this;
}

std::uint64_t CoarseHistogram::count() const noexcept {
    return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

std::uint64_t CoarseHistogram::count_up_to(Duration value) const noexcept {
    return std::accumulate(counts_.begin(), counts_.begin() + index_of(value) + 1,
                           std::uint64_t{0});
}

std::uint64_t CoarseHistogram::count_below(Duration value) const noexcept {
    return count_up_to(value) - counts_[index_of(value)];
}

Duration CoarseHistogram::quantile(double p) const noexcept {
    const std::uint64_t total = count();
    if (total == 0) return {};
    const auto wanted = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(p * static_cast<double>(total))));
    std::uint64_t seen = 0;
    std::size_t index = 0;
    for (; index < kSize - 1; ++index) {
        seen += counts_[index];
        if (seen >= wanted) break;
    }
    if (index < 2 * kSteps) return Duration(static_cast<std::int64_t>(index));
    const auto shift = static_cast<int>(index / kSteps) - 1;
    const auto step = static_cast<std::int64_t>(index % kSteps + kSteps);
    return Duration((step << shift) + (std::int64_t{1} << shift) / 2);
}

SeriesPoint& SeriesPoint::operator+=(const SeriesPoint& other) noexcept {
    sent += other.sent;
    handled += other.handled;
    refused += other.refused;
    latency_sum += other.latency_sum;
    latency_max = std::max(latency_max, other.latency_max);
    lateness_max = std::max(lateness_max, other.lateness_max);
    return *this;
}

Series::Series(Duration load, Duration drain) {
    const Duration planned = load + drain;
    const auto growth = std::max<std::int64_t>(1, (planned + kFineFor - Duration(1)) / kFineFor);
    fine_ = kFine * growth;
    // Divisors of a second, so that whole ones can be made of them.
    coarse_ = kFine;
    for (const Duration interval : {2 * kFine, 5 * kFine, kCoarse})
        if (load >= kCoarseMin * interval) coarse_ = interval;
    if (growth > 1) coarse_ = kCoarse * growth;
    const auto places = [planned](Duration interval) {
        return static_cast<std::size_t>(std::max(planned, Duration::zero()) / interval) + 1;
    };
    sent_.resize(places(fine_));
    ended_.resize(places(fine_));
    latencies_.resize(places(coarse_));
}

std::vector<SeriesPoint> Series::points() const {
    auto points = sent_;
    for (std::size_t i = 0; i < points.size(); ++i) points[i] += ended_[i];
    return used(std::move(points));
}

std::vector<CoarseHistogram> Series::latencies() const {
    return used(latencies_);
}

}  // namespace crucible::lab
