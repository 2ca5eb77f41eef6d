#pragma once

#include <string>

#include "lab/run/trial.h"
#include "lab/scale/bottleneck.h"

namespace crucible::lab::scale {

/// What a phase of a trial with TrialOptions::activity says about its bottleneck. `limit`: which
/// objective the phase broke, and by how much ("latency_p99 25.3 ms, allowed 10 ms"); empty where
/// it broke none. A saturated phase, one whose load was not offered as planned and a closed loop
/// have reached a limit without that.
BottleneckEvidence bottleneck_evidence(const PhaseResult& phase, std::string limit = {});

}  // namespace crucible::lab::scale
