#pragma once

#include <cstdint>
#include <optional>

#include "alloc/stacks.h"

namespace crucible::lab {

/// What was allocated on one stack, or at one place: since a process began, or between two moments,
/// and then what is live at the later one. Where every allocation has its stack all of it is exact
/// and variances are 0. Else it is what samples stand for, each p of which is known: sums of n/p
/// (Horvitz and Thompson), whose variances are sums of n²(1-p)/p². Blocks are sampled independently
/// of each other, so that variances of disjoint sets of blocks add up: those of two stacks, threads
/// or processes, and of what came before a moment and after it.
struct StackSums {
    std::uint64_t samples = 0;       ///< allocations whose stacks were taken
    std::uint64_t live_samples = 0;  ///< blocks of those that are live
    alloc::Estimate allocations;
    alloc::Estimate bytes;
    alloc::Estimate live_blocks;
    alloc::Estimate live_bytes;
    /// Bytes times how long they were live, of what was freed. Its variance is not known.
    double freed_byte_seconds = 0;

    explicit StackSums(const alloc::SampledCounts& counts) noexcept;
    StackSums() = default;

    /// Of other blocks.
    StackSums& operator+=(const StackSums& other) noexcept;
    /// Whether no sample was allocated or freed between the two. Seconds alone differ by how
    /// exactly the clock is known.
    bool same_blocks(const StackSums& other) const noexcept {
        return samples == other.samples && live_samples == other.live_samples;
    }
};

/// What was allocated on a stack after `before`, of which everything is in `after` too: the samples
/// of both cancel out, so that the variance is that of the rest. What is live is that of `after`.
StackSums between(const StackSums& before, const StackSums& after) noexcept;

/// A figure of stacks; without an interval it is exact.
struct SampledFigure {
    double value = 0;
    std::optional<double> low;
    std::optional<double> high;
};

/// The 95 % interval of the sampling: alloc::Estimate::interval95(); where there is no sample, from
/// 0 to what would have one in 97.5 % of all cases. `samples` that `estimate` is of, `mean_bytes`
/// apart; 0: every allocation is one. Of bytes alone: in how many blocks these were the samples do
/// not tell where small blocks stand beside large ones, of which hardly any small one is sampled.
SampledFigure bytes_figure(const alloc::Estimate& estimate, std::uint64_t samples,
                           std::uint64_t mean_bytes) noexcept;

}  // namespace crucible::lab
