#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::lab {

/// Counts of durations in the bucket layout of HdrHistogram: 3 significant decimal digits from 1 ns
/// to 1 h, so every recorded value is off by less than 0.1 %. Merging adds counts exactly, in any
/// order with the same result. Single-writer, lock-free; any thread may take a snapshot().
/// Copyable. An empty one owns no memory; one that records owns 264 KiB.
class Histogram {
public:
    static constexpr Duration kLowest{1};
    static constexpr Duration kHighest = std::chrono::hours(1);
    static constexpr int kSignificantDigits = 3;

    Histogram() = default;

    /// Allocates and touches all memory that record() will need: call before measuring, so that the
    /// first value does not pay for it.
    void reserve();

    /// Adds one value; below 1 ns it counts as 1 ns (a negative one too, see clamped()), above 1 h
    /// as 1 h. About 2 ns; the very first call allocates unless reserve() did.
    void record(Duration value) noexcept {
        const std::int64_t given = value.count();
        const std::int64_t ns = std::clamp(given, kLowest.count(), kHighest.count());
        clamped_ += static_cast<std::uint64_t>((given < 0) | (given > kHighest.count()));
        const std::size_t index = index_of(ns);
        if (index >= counts_.size()) [[unlikely]]
            reserve();
        // One writer: no addition in one step is needed, only that readers see whole numbers.
        const std::atomic_ref bucket(counts_[index]);
        bucket.store(bucket.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        ++count_;
        sum_ns_ += static_cast<std::uint64_t>(ns);
        min_ns_ = std::min(min_ns_, ns);
        max_ns_ = std::max(max_ns_, ns);
    }
    /// What has been recorded so far, from any thread while another one records, once reserve() has
    /// been called. As from an encoding its extremes and mean are those of the buckets, and
    /// clamped() is 0. The writer is not held up.
    Histogram snapshot() const;

    void merge(const Histogram& other);

    std::uint64_t count() const noexcept { return count_; }
    /// Values that were outside [0, 1 h] and were recorded at the end they exceeded.
    std::uint64_t clamped() const noexcept { return clamped_; }
    Duration min() const noexcept;      ///< exact; zero when empty
    Duration max() const noexcept;      ///< exact; zero when empty
    double mean_ns() const noexcept;    ///< of the exact values; zero when empty
    double stddev_ns() const noexcept;  ///< of the bucket midpoints, divisor n; zero when empty

    /// Nearest-rank quantile, `p` in [0, 1]: the highest value equivalent to the ceil(p n)-th
    /// smallest (HdrHistogram's convention), never above max(). Zero when empty.
    Duration quantile(double p) const noexcept;

    /// Nearest-rank value of order statistic `rank`, 1..count().
    Duration value_at_rank(std::uint64_t rank) const noexcept;

    /// HdrHistogram V2 compressed encoding in base64, as in a line of its log format. It holds the
    /// buckets alone: decoding it gives min, max and mean to the buckets' precision, and clamped()
    /// 0.
    std::string encode() const;

    /// encode() followed by what it cannot hold, so that decode() gives an equal histogram:
    /// `<base64>;<min ns>;<max ns>;<sum ns, high word>;<sum ns, low word>;<clamped>`, decimal.
    std::string encode_exact() const;

    /// Reads both encodings. Takes any range, as long as the digits and the lowest value are ours
    /// and every value counted fits. - Errc::corrupt: not such an encoding, or of another layout.
    static Result<Histogram> decode(std::string_view text);

    /// Equal when they answer every question alike.
    friend bool operator==(const Histogram& a, const Histogram& b) noexcept;

private:
    __extension__ using WideSum =
        unsigned __int128;  // 1 h in ns needs 42 bits: 64 would hold 5 million of them

    static constexpr int kHalfMagnitude = 10;  // 2048 sub-buckets: the power of two above 2 * 10^3
    static constexpr std::int64_t kSubBuckets = std::int64_t{2} << kHalfMagnitude;
    static constexpr std::int64_t kHalf = kSubBuckets / 2;
    static constexpr std::size_t kBuckets =
        std::bit_width(static_cast<std::uint64_t>(kHighest.count() / kSubBuckets)) + 1;
    static constexpr std::size_t kCountsSize = (kBuckets + 1) * kHalf;
    static constexpr std::int64_t kNoMin = INT64_MAX;

    /// Bucket 0 covers [0, 2048) in steps of 1; bucket b >= 1 covers [1024 * 2^b, 2048 * 2^b) in
    /// 1024 steps of 2^b.
    static constexpr std::size_t index_of(std::int64_t ns) noexcept {
        const int bucket = 63 - kHalfMagnitude -
                           std::countl_zero(static_cast<std::uint64_t>(ns | (kSubBuckets - 1)));
        return static_cast<std::size_t>((std::int64_t{bucket} << kHalfMagnitude) + (ns >> bucket));
    }
    static std::int64_t lowest_at(std::size_t index) noexcept;
    static std::int64_t width_at(std::size_t index) noexcept;
    /// An empty one takes `counts` and what they say of the rest. False when they do not fit.
    bool take_counts(std::vector<std::uint64_t> counts);
    bool restore_facts(std::string_view facts);

    std::vector<std::uint64_t> counts_;  // as long as needed so far; what is not there is zero
    std::uint64_t count_ = 0;
    std::uint64_t clamped_ = 0;
    std::int64_t min_ns_ = kNoMin;
    std::int64_t max_ns_ = 0;
    WideSum sum_ns_ = 0;
};

}  // namespace crucible::lab
