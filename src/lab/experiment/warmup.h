#pragma once

#include <vector>

#include "lab/run/trial.h"

namespace crucible::lab {

/// How long the warm-up of each phase should be, from the course of one trial: where MSER-5 cuts
/// the series of 100 ms from the phase's start, of throughput in a closed loop and of mean latency
/// in an open one. Zero where the course says nothing: a rate that changes, saturation, fewer than
/// 10 points. At most half of the phase, warm-up and all.
std::vector<Duration> warmups_asked(const std::vector<PhaseResult>& phases);

}  // namespace crucible::lab
