#include "lab/stats/effect.h"

#include "lab/stats/bootstrap.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab::stats {

std::optional<LocationEstimate> paired_effect(std::span<const double> differences, double level,
                                              std::uint64_t seed) {
    auto effect = hodges_lehmann(differences, level);
    if (!effect) return std::nullopt;
    const auto resampled = bootstrap_interval(differences, level, kBootstrapReplicates, seed);
    if (resampled) effect->interval = hull(effect->interval, resampled->interval);
    return effect;
}

}  // namespace crucible::lab::stats
