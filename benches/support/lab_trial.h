#pragma once

#include <string>
#include <string_view>

#include "app/crucible/load_options.h"
#include "lab/run/trial.h"
#include "support/options.h"

namespace crucible::bench {

/// A shipped scenario with the bench's lengths; what `load` names replaces the scenario's.
Result<lab::Scenario> scenario_named(std::string_view name, const Options& options,
                                     app::LoadOptions load);

/// One trial of the lab. - Errc::failed: an event was not handled. - the errors of run_trial().
Result<lab::TrialResult> run_lab_trial(const std::string& target, const lab::Scenario& scenario,
                                       const lab::TrialOptions& trial = {});

}  // namespace crucible::bench
