#include "lab/memory/stack_sums.h"

#include <algorithm>

namespace crucible::lab {
namespace {

/// -ln(0.025): so many mean distances hold no sample point in 2.5 % of all cases.
constexpr double kUnseenDistances = 3.688879454;

}  // namespace

StackSums::StackSums(const alloc::SampledCounts& counts) noexcept
    : samples(counts.allocations),
      live_samples(counts.allocations - std::min(counts.frees, counts.allocations)),
      allocations(counts.all_allocations),
      bytes(counts.all_bytes),
      live_blocks(counts.live_blocks),
      live_bytes(counts.live_bytes),
      freed_byte_seconds(counts.freed_byte_seconds) {}

StackSums& StackSums::operator+=(const StackSums& other) noexcept {
    samples += other.samples;
    live_samples += other.live_samples;
    allocations += other.allocations;
    bytes += other.bytes;
    live_blocks += other.live_blocks;
    live_bytes += other.live_bytes;
    freed_byte_seconds += other.freed_byte_seconds;
    return *this;
}

StackSums between(const StackSums& before, const StackSums& after) noexcept {
    StackSums done = after;
    done.samples -= std::min(before.samples, after.samples);
    done.allocations = after.allocations - before.allocations;
    done.bytes = after.bytes - before.bytes;
    done.freed_byte_seconds = std::max(after.freed_byte_seconds - before.freed_byte_seconds, 0.0);
    // Where no sample was allocated, what is left of the sums is rounding.
    if (done.samples == 0) done.allocations = done.bytes = {};
    return done;
}

SampledFigure bytes_figure(const alloc::Estimate& estimate, std::uint64_t samples,
                           std::uint64_t mean_bytes) noexcept {
    if (mean_bytes == 0) return {estimate.value, {}, {}};
    if (samples == 0 || estimate.value <= 0)
        return {0, 0, kUnseenDistances * static_cast<double>(mean_bytes)};
    const auto [low, high] = estimate.interval95();
    return {estimate.value, low, high};
}

}  // namespace crucible::lab
