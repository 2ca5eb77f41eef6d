#include "lab/memory/iterations.h"

#include <cmath>
#include <utility>

#include "base/rng.h"

namespace crucible::lab {
namespace {

constexpr std::uint64_t kLengthStream = 0x4c454e47;

Duration stretched(Duration duration, double factor) {
    return Duration(std::llround(static_cast<double>(duration.count()) * factor));
}

}  // namespace

std::vector<double> iteration_lengths(std::size_t count, std::uint64_t seed) {
    auto random = base::Rng::at(seed, kLengthStream, 0);
    std::vector<double> lengths;
    for (std::size_t i = 0; i < count; ++i) {
        const double part = static_cast<double>(i) + random.uniform();
        lengths.push_back(0.5 + part / static_cast<double>(count));
    }
    for (std::size_t i = count; i > 1; --i) std::swap(lengths[i - 1], lengths[random.below(i)]);
    return lengths;
}

Result<std::vector<Phase>> unequal_iterations(std::span<const Phase> once, std::size_t count,
                                              std::uint64_t seed) {
    std::vector<Phase> phases;
    for (const double length : iteration_lengths(count, seed)) {
        for (Phase phase : once) {
            if (phase.pattern) {
                auto pattern = phase.pattern->stretched(length);
                if (!pattern) return std::unexpected(pattern.error());
                phase.pattern = *std::move(pattern);
            }
            phase.closed_duration = stretched(phase.closed_duration, length);
            phase.warmup = stretched(phase.warmup, length);
            phases.push_back(std::move(phase));
        }
    }
    return phases;
}

}  // namespace crucible::lab
