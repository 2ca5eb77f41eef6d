#pragma once

#include <optional>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

/// What a stretch of a run summed up to.
struct Batch {
    double weight = 0;  ///< e.g. events in it
    double total = 0;   ///< e.g. their latencies' sum
};

/// Interval of Σ total / Σ weight over consecutive stretches of one run, whose values may depend on
/// each other: the method of batch means (Law, Simulation Modeling and Analysis, 9.5.3) for the
/// ratio estimator (Cochran, Sampling Techniques, 6.4), Student's t. Neighbours that still depend
/// on each other would make it too narrow, so batches of 1, 2, 4, … stretches are tried as long as
/// there are kBatchesMin of them, and the widest interval is given. nullopt below that many, or
/// where all weights are 0.
std::optional<LocationEstimate> batch_means(std::span<const Batch> stretches, double level);
inline constexpr std::size_t kBatchesMin = 8;

}  // namespace crucible::lab::stats
