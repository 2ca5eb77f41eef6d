#include "lab/record/resource_figure.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace crucible::lab {
namespace {

constexpr int kStepsMin = 20;  // of a coarse counter, in the interval that a rate is taken over
constexpr Duration kTick = std::chrono::milliseconds(10);

// In the order of ResourceMetric.
constexpr auto kKinds = std::to_array<ResourceMetricKind>({
    {"cpu", "s", true, {}},
    {"cpu_user", "s", true, kTick},
    {"cpu_system", "s", true, kTick},
    {"memory_pss", "B", false, {}},
    {"memory_rss", "B", false, {}},
    {"memory_swap", "B", false, {}},
    {"faults_minor", "1", true, {}},
    {"faults_major", "1", true, {}},
    {"switches_voluntary", "1", true, {}},
    {"switches_involuntary", "1", true, {}},
    {"threads", "1", false, {}},
    {"descriptors", "1", false, {}},
    {"read", "B", true, {}},
    {"written", "B", true, {}},
    {"storage_read", "B", true, {}},
    {"storage_written", "B", true, {}},
    {"run_queue_delay", "s", true, {}},
    {"cycles", "1", true, {}},
    {"instructions", "1", true, {}},
    {"cache_misses", "1", true, {}},
    {"branch_misses", "1", true, {}},
    {"pressure_cpu_some", "s", true, {}},
    {"pressure_cpu_full", "s", true, {}},
    {"pressure_memory_some", "s", true, {}},
    {"pressure_memory_full", "s", true, {}},
    {"pressure_io_some", "s", true, {}},
    {"pressure_io_full", "s", true, {}},
    {"cgroup_memory", "B", false, {}},
    {"cgroup_pids", "1", false, {}},
    {"throttled_periods", "1", true, {}},
    {"throttled", "s", true, {}},
});
static_assert(kKinds.size() == static_cast<std::size_t>(ResourceMetric::throttled) + 1);

double span_seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// `group` neighbours to one, the last of them perhaps fewer.
std::vector<ResourcePoint> joined(const std::vector<ResourcePoint>& points, Duration begin,
                                  std::size_t group) {
    std::vector<ResourcePoint> result;
    for (std::size_t first = 0; first < points.size(); first += group) {
        const std::size_t last = std::min(first + group, points.size()) - 1;
        double sum = 0;
        ResourcePoint whole{points[last].end, 0, points[first].peak};
        Duration from = begin;
        for (std::size_t i = first; i <= last; ++i) {
            sum += points[i].mean * span_seconds(points[i].end - from);
            whole.peak = std::max(whole.peak, points[i].peak);
            from = points[i].end;
        }
        whole.mean = sum / span_seconds(whole.end - begin);
        begin = whole.end;
        result.push_back(whole);
    }
    return result;
}

}  // namespace

const ResourceMetricKind& kind_of(ResourceMetric metric) noexcept {
    return kKinds[static_cast<std::size_t>(metric)];
}

std::vector<ResourcePoint> ResourceFigure::condensed(std::size_t points_max) const {
    if (points.size() <= points_max || points_max == 0 || !summary) return points;
    return joined(points, summary->begin, (points.size() + points_max - 1) / points_max);
}

ResourceSeries::ResourceSeries(ResourceMetric metric, Duration interval)
    : metric_(metric),
      counter_(kind_of(metric).counter),
      span_min_(std::max(interval / 2, kStepsMin * kind_of(metric).resolution)) {}

void ResourceSeries::close_interval(Duration end, double sum, double peak) {
    pending_sum_ += sum;
    pending_peak_ = pending_ == 0 ? peak : std::max(pending_peak_, peak);
    closed_ = end;
    if (++pending_ < stride_) return;
    if (points_.size() == kPointsMax) {
        auto halved = joined(points_, summary_.begin, 2);
        points_.assign(halved.begin(), halved.end());  // keeps its room
        stride_ *= 2;
        return;  // what is pending becomes half of the next point
    }
    const Duration from = points_.empty() ? summary_.begin : points_.back().end;
    points_.push_back({end, pending_sum_ / span_seconds(end - from), pending_peak_});
    pending_sum_ = 0;
    pending_ = 0;
}

void ResourceSeries::add(Duration at, double reading) {
    if (summary_.samples == 0) {
        // All of it now, written to: whoever watches this process's memory shall not see it grow.
        points_.resize(kPointsMax);
        points_.clear();
        summary_.begin = closed_ = at;
        summary_.first = closed_value_ = reading;
        peak_ = reading;
    } else if (!counter_ && at > closed_) {
        const double sum = span_seconds(at - closed_) * (closed_value_ + reading) / 2;
        integral_ += sum;
        close_interval(at, sum, std::max(closed_value_, reading));
    } else if (counter_ && at > closed_ && at - closed_ >= span_min_) {
        const double growth = reading - closed_value_;
        close_interval(at, growth, growth / span_seconds(at - closed_));
        closed_value_ = reading;
    }
    if (!counter_) closed_value_ = reading;
    peak_ = std::max(peak_, reading);
    summary_.last = reading;
    summary_.end = at;
    ++summary_.samples;
}

ResourceFigure ResourceSeries::figure() const {
    ResourceFigure figure{metric_, {}, why_absent_, {}};
    const double seconds = span_seconds(summary_.end - summary_.begin);
    if (summary_.samples == 0) {
        if (figure.why_absent.empty()) figure.why_absent = "not read";
        return figure;
    }
    if (counter_ && seconds <= 0) {
        figure.why_absent = "read only once: no rate";
        return figure;
    }
    figure.why_absent.clear();
    figure.summary = summary_;
    figure.summary->mean = counter_      ? (summary_.last - summary_.first) / seconds
                           : seconds > 0 ? integral_ / seconds
                                         : summary_.last;
    figure.points = points_;
    // What is left since the last point, and since the last interval long enough for a rate.
    const Duration from = points_.empty() ? summary_.begin : points_.back().end;
    if (summary_.end > from) {
        const double left = counter_ ? summary_.last - closed_value_ : 0;
        const double mean = (pending_sum_ + left) / span_seconds(summary_.end - from);
        const double peak = pending_ > 0 ? std::max(pending_peak_, mean) : mean;
        figure.points.push_back({summary_.end, mean, peak});
        // No rate of its own, where that would be one over too short a time.
        if (pending_ == 0 && !points_.empty()) {
            const auto begin =
                points_.size() > 1 ? points_[points_.size() - 2].end : summary_.begin;
            auto& last = figure.points[points_.size() - 1];
            const double before = last.peak;
            last = joined({last, figure.points.back()}, begin, 2).front();
            last.peak = std::max(before, last.mean);
            figure.points.pop_back();
        }
    }
    figure.summary->peak = peak_;
    if (counter_)
        figure.summary->peak =
            std::ranges::max_element(figure.points, {}, &ResourcePoint::peak)->peak;
    return figure;
}

}  // namespace crucible::lab
