#pragma once

#include <bit>
#include <cstdint>

#include "alloc/stack_file.h"

/// Sampling an allocation stream by bytes: sample points lie in sample_stream() at random, in the
/// mean `mean_bytes` apart and each independent of the others (a Poisson process), and an
/// allocation is sampled that at least one falls into. Without the C library's mathematics, which a
/// program may not have.
namespace crucible::alloc {

/// SplitMix64 (Steele, Lea and Flood 2014).
class SampleRandom {
public:
    explicit constexpr SampleRandom(std::uint64_t seed = 0) noexcept : state_(seed) {}
    constexpr std::uint64_t next() noexcept {
        state_ += 0x9e3779b97f4a7c15;
        return mixed(state_);
    }
    static constexpr std::uint64_t mixed(std::uint64_t z) noexcept {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

private:
    std::uint64_t state_;
};

/// The natural logarithm of a positive normal number; its error is below 1e-9.
constexpr double natural_log(double x) noexcept {
    constexpr double kLn2 = 0.693147180559945309;
    constexpr double kSqrtHalf = 0.707106781186547524;
    const auto bits = std::bit_cast<std::uint64_t>(x);
    auto exponent = static_cast<int>(bits >> 52) - 1022;
    double m = std::bit_cast<double>((bits & 0xfffffffffffff) | 0x3fe0000000000000);  // [1/2, 1)
    if (m < kSqrtHalf) {
        m *= 2;
        --exponent;
    }
    const double s = (m - 1) / (m + 1);  // at most 0.172
    const double s2 = s * s;
    const double series =
        1 + s2 * (1.0 / 3 + s2 * (1.0 / 5 + s2 * (1.0 / 7 + s2 * (1.0 / 9 + s2 / 11))));
    return exponent * kLn2 + 2 * s * series;
}

/// 1 - exp(-x), for x of 0 and above, to 14 digits also where it is small.
constexpr double chance(double x) noexcept {
    if (x > 40) return 1;
    int doublings = 0;
    while (x > 0.0625) {
        x /= 2;
        ++doublings;
    }
    double sum = x;
    double term = x;
    for (int i = 2; i <= 9; ++i) {
        term *= -x / i;
        sum += term;
    }
    for (; doublings > 0; --doublings) sum *= 2 - sum;  // 1-exp(-2x) = p(2-p)
    return sum;
}

/// Bytes up to the next sample point: of the exponential distribution, rounded down.
constexpr std::uint64_t gap_bytes(SampleRandom& random, double mean_bytes) noexcept {
    constexpr double kUnit = 1.0 / (std::uint64_t{1} << 53);
    const double uniform = (static_cast<double>(random.next() >> 11) + 0.5) * kUnit;
    return static_cast<std::uint64_t>(-natural_log(uniform) * mean_bytes);
}

/// What a sample of `bytes` stands for.
struct SampleWeight {
    double count = 1;           ///< 1/p
    double count_variance = 0;  ///< (1-p)/p²
};
constexpr SampleWeight weight_of(std::uint64_t bytes, double mean_bytes) noexcept {
    const double p = chance(static_cast<double>(sample_stream(bytes, 1)) / mean_bytes);
    return {1 / p, (1 - p) / (p * p)};
}

/// Where the next sample point lies in a thread's sample_stream().
class SamplePoints {
public:
    constexpr SamplePoints() noexcept = default;
    constexpr SamplePoints(std::uint64_t seed, double mean_bytes) noexcept
        : random_(seed), mean_bytes_(mean_bytes) {}

    /// An allocation is sampled when the stream with it has at least so many bytes; from where the
    /// stream is now. Asked again after each sample: what follows a point does not depend on what
    /// was before it, so nor on how far behind it the allocation ends.
    constexpr std::uint64_t next_after(std::uint64_t stream_bytes) noexcept {
        return stream_bytes + gap_bytes(random_, mean_bytes_) + 1;
    }

private:
    SampleRandom random_;
    double mean_bytes_ = 1;
};

}  // namespace crucible::alloc
