#include "lab/record/histogram.h"

#include <cmath>

#include "base/assert.h"

namespace crucible::lab {

void Histogram::reserve() {
    counts_.resize(kCountsSize);
}

std::int64_t Histogram::lowest_at(std::size_t index) noexcept {
    const int bucket = std::max(0, static_cast<int>(index >> kHalfMagnitude) - 1);
    return (static_cast<std::int64_t>(index) - (std::int64_t{bucket} << kHalfMagnitude)) << bucket;
}

std::int64_t Histogram::width_at(std::size_t index) noexcept {
    return std::int64_t{1} << std::max(0, static_cast<int>(index >> kHalfMagnitude) - 1);
}

void Histogram::merge(const Histogram& other) {
    if (other.counts_.size() > counts_.size()) counts_.resize(other.counts_.size());
    for (std::size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    clamped_ += other.clamped_;
    sum_ns_ += other.sum_ns_;
    min_ns_ = std::min(min_ns_, other.min_ns_);
    max_ns_ = std::max(max_ns_, other.max_ns_);
}

bool Histogram::take_counts(std::vector<std::uint64_t> counts) {
    counts_ = std::move(counts);
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        const std::uint64_t count = counts_[i];
        if (count == 0) continue;
        const std::int64_t lowest = lowest_at(i);
        if (lowest > kHighest.count() || __builtin_add_overflow(count_, count, &count_))
            return false;
        min_ns_ = std::min(min_ns_, std::max(lowest, kLowest.count()));
        max_ns_ = std::min(lowest + width_at(i) - 1, kHighest.count());
        sum_ns_ += static_cast<WideSum>(lowest + width_at(i) / 2) * count;
    }
    return true;
}

Histogram Histogram::snapshot() const {
    std::vector<std::uint64_t> counts(counts_.size());
    for (std::size_t i = 0; i < counts.size(); ++i) {
        // atomic_ref of C++23 knows no constant object; nothing is written.
        counts[i] =
            std::atomic_ref(const_cast<std::uint64_t&>(counts_[i])).load(std::memory_order_relaxed);
    }
    Histogram copy;
    CRUCIBLE_ASSERT(copy.take_counts(std::move(counts)));
    return copy;
}

Duration Histogram::min() const noexcept {
    return Duration(count_ == 0 ? 0 : min_ns_);
}

Duration Histogram::max() const noexcept {
    return Duration(max_ns_);
}

double Histogram::mean_ns() const noexcept {
    if (count_ == 0) return 0;
    return static_cast<double>(sum_ns_) / static_cast<double>(count_);
}

double Histogram::stddev_ns() const noexcept {
    if (count_ == 0) return 0;
    const auto midpoint = [](std::size_t i) {
        return static_cast<double>(lowest_at(i) + width_at(i) / 2);
    };
    const auto n = static_cast<double>(count_);
    double mean = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        if (counts_[i] != 0) mean += midpoint(i) * (static_cast<double>(counts_[i]) / n);
    }
    double variance = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        if (counts_[i] == 0) continue;
        const double deviation = midpoint(i) - mean;
        variance += deviation * deviation * (static_cast<double>(counts_[i]) / n);
    }
    return std::sqrt(variance);
}

Duration Histogram::quantile(double p) const noexcept {
    if (count_ == 0) return Duration::zero();
    CRUCIBLE_ASSERT(p >= 0 && p <= 1);
    // One step down first: 0.07 * 100 is 7.000000000000001 in doubles, and its rank is 7.
    const double position = std::ceil(std::nextafter(p, 0.0) * static_cast<double>(count_));
    return value_at_rank(
        std::clamp<std::uint64_t>(static_cast<std::uint64_t>(position), 1, count_));
}

Duration Histogram::value_at_rank(std::uint64_t rank) const noexcept {
    CRUCIBLE_ASSERT(rank >= 1 && rank <= count_);
    std::uint64_t seen = 0;
    std::size_t index = 0;
    while ((seen += counts_[index]) < rank) ++index;
    return Duration(std::min(lowest_at(index) + width_at(index) - 1, max_ns_));
}

bool operator==(const Histogram& a, const Histogram& b) noexcept {
    if (a.count_ != b.count_ || a.clamped_ != b.clamped_ || a.min_ns_ != b.min_ns_ ||
        a.max_ns_ != b.max_ns_ || a.sum_ns_ != b.sum_ns_) {
        return false;
    }
    const auto& shorter = a.counts_.size() < b.counts_.size() ? a.counts_ : b.counts_;
    const auto& longer = a.counts_.size() < b.counts_.size() ? b.counts_ : a.counts_;
    const auto common = longer.begin() + static_cast<std::ptrdiff_t>(shorter.size());
    return std::equal(shorter.begin(), shorter.end(), longer.begin()) &&
           std::all_of(common, longer.end(), [](std::uint64_t count) { return count == 0; });
}

}  // namespace crucible::lab
