#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crucible/time.h"

namespace crucible::lab {

/// What is read of a process, of the machine, or of a cgroup. docs/guides/resources.md says where
/// each comes from.
enum class ResourceMetric : std::uint8_t {
    cpu,
    cpu_user,
    cpu_system,
    memory_pss,
    memory_rss,
    memory_swap,
    faults_minor,
    faults_major,
    switches_voluntary,
    switches_involuntary,
    threads,
    descriptors,
    read,
    written,
    storage_read,
    storage_written,
    run_queue_delay,
    cycles,
    instructions,
    cache_misses,
    branch_misses,
    pressure_cpu_some,
    pressure_cpu_full,
    pressure_memory_some,
    pressure_memory_full,
    pressure_io_some,
    pressure_io_full,
    cgroup_memory,
    cgroup_pids,
    throttled_periods,
    throttled,
};

/// How to read a metric's numbers.
struct ResourceMetricKind {
    std::string_view name;  ///< the enumerator's own
    std::string_view unit;  ///< "s", "B" or "1"; of a counter's rates: that per second
    bool counter = false;   ///< only grows: its rate is what matters. Otherwise a gauge
    /// Steps in which it grows, where those are coarse.
    Duration resolution{};
};

const ResourceMetricKind& kind_of(ResourceMetric metric) noexcept;

/// What is known of an interval of time.
struct ResourcePoint {
    Duration end{};   ///< since the start of the monitor; it begins where the one before it ends
    double mean = 0;  ///< over the interval; of a counter: its rate per second
    double peak = 0;  ///< the largest reading in it; of a counter: the largest rate

    friend bool operator==(const ResourcePoint&, const ResourcePoint&) = default;
};

/// A figure in short, over the time in which it was read.
struct ResourceSummary {
    double first = 0;  ///< readings; those of a counter since whenever the kernel began to count
    double last = 0;
    double mean = 0;  ///< over time; of a counter: (last - first) / time, per second
    double peak = 0;  ///< the largest reading; of a counter: the largest rate between two readings
    std::uint64_t samples = 0;
    Duration begin{};  ///< of the first reading, since the start of the monitor
    Duration end{};    ///< of the last
};

/// One figure over time.
struct ResourceFigure {
    ResourceMetric metric{};
    std::optional<ResourceSummary> summary;
    std::string why_absent;             ///< set where there is no summary
    std::vector<ResourcePoint> points;  ///< at most ResourceSeries::kPointsMax + 1

    /// Of a counter: what it grew by while it was watched.
    double total() const { return summary ? summary->last - summary->first : 0; }
    /// The same in at most `points_max` points: neighbours are joined, which keeps means and peaks.
    std::vector<ResourcePoint> condensed(std::size_t points_max) const;
};

/// Takes a figure's readings. Its memory does not grow with time: when there are kPointsMax points,
/// neighbours are joined in pairs, and from then on each new point stands for twice as many
/// readings. Joining keeps the time-weighted mean and the peak, so that the summary does not depend
/// on it.
class ResourceSeries {
public:
    static constexpr std::size_t kPointsMax = 2'000;

    /// Readings come every `interval` or more seldom. A counter's rate is taken over half of that
    /// at least, and over twenty of its steps: between two readings close to each other it would be
    /// chance.
    ResourceSeries(ResourceMetric metric, Duration interval);

    /// At a time since the start of the monitor, which never goes back.
    void add(Duration at, double reading);
    /// Why it could not be read now.
    void miss(std::string why) { why_absent_ = std::move(why); }

    ResourceFigure figure() const;
    /// Room for points, in bytes; made with the first reading.
    std::size_t memory_bytes() const noexcept { return points_.capacity() * sizeof(ResourcePoint); }

private:
    /// Ends an interval of known `sum`: the integral of a gauge, the growth of a counter.
    void close_interval(Duration end, double sum, double peak);

    ResourceMetric metric_;
    bool counter_;
    Duration span_min_;
    std::string why_absent_;
    ResourceSummary summary_;  ///< mean and peak follow in figure()
    double integral_ = 0;      ///< of a gauge
    Duration closed_{};        ///< end of the last closed interval
    double closed_value_ = 0;  ///< reading there
    double peak_ = 0;          ///< of a gauge

    double pending_sum_ = 0;  ///< of closed intervals that are not a point yet
    double pending_peak_ = 0;
    std::size_t pending_ = 0;
    std::size_t stride_ = 1;  ///< intervals that a point stands for
    std::vector<ResourcePoint> points_;
};

}  // namespace crucible::lab
