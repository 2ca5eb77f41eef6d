#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "crucible/time.h"

namespace crucible::lab {

/// Counts of durations by size, coarser and a hundred times smaller than a Histogram, so that one
/// can be kept for every second: 16 steps for each doubling, so that a quantile is within 3.2 % of
/// the value (the middle of its step is taken).
class CoarseHistogram {
public:
    static constexpr std::size_t kSteps = 16;
    static constexpr std::size_t kSize = 39 * kSteps;  ///< up to 1 h 13 min; more counts as that

    void record(Duration value) noexcept { ++counts_[index_of(value)]; }
    void add(std::size_t index, std::uint32_t count) noexcept { counts_[index] += count; }
    CoarseHistogram& operator+=(const CoarseHistogram& other) noexcept;
    std::uint64_t count() const noexcept;
    /// Of those not above `value`'s step, and of those below it.
    std::uint64_t count_up_to(Duration value) const noexcept;
    std::uint64_t count_below(Duration value) const noexcept;
    /// Nearest rank; zero when empty.
    Duration quantile(double p) const noexcept;
    const std::array<std::uint32_t, kSize>& counts() const noexcept { return counts_; }
    friend bool operator==(const CoarseHistogram&, const CoarseHistogram&) = default;

private:
    /// Values below 16 ns have a step each; [2^k, 2^(k+1)) has 16 steps of 2^(k-4).
    static constexpr std::size_t index_of(Duration value) noexcept {
        const std::int64_t given = value.count();
        if (given < 0) return 0;
        const auto ns = static_cast<std::uint64_t>(given);
        const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - 5);
        const auto index = static_cast<std::size_t>(shift) * kSteps + (ns >> shift);
        return index < kSize ? index : kSize - 1;
    }

    std::array<std::uint32_t, kSize> counts_{};
};

/// What happened in one interval of a phase.
struct SeriesPoint {
    std::uint64_t sent = 0;     ///< in it
    std::uint64_t handled = 0;  ///< ended in it; their latencies are below
    std::uint64_t refused = 0;  ///< ended otherwise in it
    Duration latency_sum{};
    Duration latency_max{};
    Duration lateness_max{};

    SeriesPoint& operator+=(const SeriesPoint& other) noexcept;
    friend bool operator==(const SeriesPoint&, const SeriesPoint&) = default;
};

/// The course of one phase, from its start: counts and extremes for every 100 ms, latencies for
/// every second, or more often where that would be fewer than 30 times. Its memory is made at once
/// for the length planned, so that a run's memory does not grow with its time: 0.25 MiB for 10 s,
/// 2 MiB for 10 min, at most 13 MiB; beyond an hour the intervals grow instead. What comes later
/// than planned is counted in the last interval.
///
/// sent() comes from one thread and ended() from another; they may run at once.
class Series {
public:
    static constexpr Duration kFine = std::chrono::milliseconds(100);
    static constexpr Duration kCoarse = std::chrono::seconds(1);
    static constexpr int kCoarseMin = 30;  ///< intervals of latencies in a load of 3 s or more

    Series() = default;
    /// Of a load of that length, whose last events may take `drain` longer.
    explicit Series(Duration load, Duration drain = {});

    /// An event left `at` after the phase's start.
    void sent(Duration at, Duration lateness) noexcept {
        auto& point = sent_[fine_index(at)];
        ++point.sent;
        point.lateness_max = std::max(point.lateness_max, lateness);
    }
    /// An event was handled, or ended otherwise.
    void handled(Duration at, Duration latency) noexcept {
        auto& point = ended_[fine_index(at)];
        ++point.handled;
        point.latency_sum += latency;
        point.latency_max = std::max(point.latency_max, latency);
        latencies_[coarse_index(at)].record(latency);
    }
    void refused(Duration at) noexcept { ++ended_[fine_index(at)].refused; }
    /// It was refused at the send itself; from the sending thread.
    void refused_at_send(Duration at) noexcept { ++sent_[fine_index(at)].refused; }

    /// Both sides together, up to the last interval in which something happened.
    std::vector<SeriesPoint> points() const;
    std::vector<CoarseHistogram> latencies() const;
    Duration fine() const noexcept { return fine_; }
    Duration coarse() const noexcept { return coarse_; }

private:
    static std::size_t index(Duration at, Duration interval, std::size_t size) noexcept {
        const auto index = at < Duration::zero() ? 0 : static_cast<std::size_t>(at / interval);
        return std::min(index, size - 1);
    }
    std::size_t fine_index(Duration at) const noexcept { return index(at, fine_, sent_.size()); }
    std::size_t coarse_index(Duration at) const noexcept {
        return index(at, coarse_, latencies_.size());
    }

    Duration fine_ = kFine;
    Duration coarse_ = kCoarse;
    // Each side writes its own.
    std::vector<SeriesPoint> sent_;
    std::vector<SeriesPoint> ended_;
    std::vector<CoarseHistogram> latencies_;
};

}  // namespace crucible::lab
