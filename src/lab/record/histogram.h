#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::lab {

/// Counts of durations in the bucket layout of HdrHistogram: 3 significant decimal digits from 1 ns to 1 h, so
/// every recorded value is off by less than 0.1 %. Merging adds counts exactly. Single-writer; copyable.
class Histogram {
public:
    static constexpr Duration kLowest{1};
    static constexpr Duration kHighest = std::chrono::hours(1);
    static constexpr int kSignificantDigits = 3;

    Histogram();

    /// Adds one value; below 1 ns it counts as 1 ns (a negative one too, see clamped()), above 1 h as 1 h.
    void record(Duration value) noexcept;
    void merge(const Histogram& other) noexcept;

    std::uint64_t count() const noexcept { return count_; }
    /// Values that were outside [0, 1 h] and were recorded at the end they exceeded.
    std::uint64_t clamped() const noexcept { return clamped_; }
    Duration min() const noexcept;  ///< exact; zero when empty
    Duration max() const noexcept;  ///< exact; zero when empty
    double mean_ns() const noexcept;    ///< of the exact values
    double stddev_ns() const noexcept;  ///< of the bucket midpoints

    /// Nearest-rank quantile, `p` in [0, 1]: the highest value equivalent to the ceil(p n)-th smallest
    /// (HdrHistogram's convention), never above max(). Zero when empty.
    Duration quantile(double p) const noexcept;

    /// Nearest-rank value of order statistic `rank`, 1..count().
    Duration value_at_rank(std::uint64_t rank) const noexcept;

    /// HdrHistogram V2 compressed encoding in base64, as in a line of its log format.
    std::string encode() const;
    /// - Errc::corrupt: not such an encoding, or of another layout.
    static Result<Histogram> decode(std::string_view text);

    friend bool operator==(const Histogram&, const Histogram&) = default;

private:
    std::vector<std::uint64_t> counts_;
    std::uint64_t count_ = 0;
    std::uint64_t clamped_ = 0;
    std::int64_t min_ns_;
    std::int64_t max_ns_ = 0;
    double sum_ns_ = 0;
};

}  // namespace crucible::lab
