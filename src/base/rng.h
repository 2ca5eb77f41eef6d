#pragma once

#include <array>
#include <cstdint>

namespace crucible::base {

/// xoshiro256** 1.0 (Blackman & Vigna 2018), seeded through splitmix64. The same seed gives the
/// same numbers on every machine and with every standard library, unlike the distributions of
/// <random>.
class Rng {
public:
    explicit Rng(std::uint64_t seed) noexcept;

    /// An independent generator for item `index` of stream `stream`: lets item i be made without
    /// making the items before it.
    static Rng at(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) noexcept;

    std::uint64_t next() noexcept;

    /// Uniform in [0, bound), without bias (Lemire 2019). `bound` is at least 1.
    std::uint64_t below(std::uint64_t bound) noexcept;

    /// Uniform in [0, 1), a multiple of 2^-53.
    double uniform() noexcept;

    /// Exponential with mean 1, by inversion.
    double exponential() noexcept;

private:
    std::array<std::uint64_t, 4> state_;
};

}  // namespace crucible::base
