#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace crucible::lab {

/// How small a leak the rules of leak.h see: by planting leaks, from small to large, until they do.
/// Nothing is assumed of the noise, it is the run's own.
class VisibleLeak {
public:
    /// `events` handled up to each iteration, rising; `hypotheses`: Holm's family, at least 1.
    /// `events` outlives this.
    VisibleLeak(std::span<const double> events, std::size_t hypotheses, double alpha);

    /// The smallest visible leak in bytes per event beneath `noise`: a course of live bytes without
    /// its own slope. To 10 %; nullopt where none is seen up to 1 GB per event.
    std::optional<double> beneath(std::span<const double> noise) const;

private:
    bool sees(double bytes_per_event, std::span<const double> noise) const;

    std::span<const double> events_;
    double alpha_;  ///< Holm's for the smallest p-value
};

}  // namespace crucible::lab
