#include "support/lab_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace crucible::bench {
namespace {

std::string milliseconds(double seconds) {
    return fmt::format("{:.0f}ms", std::max(1.0, seconds * 1000));
}

}  // namespace

Result<lab::Scenario> scenario_named(std::string_view name, const Options& options,
                                     app::LoadOptions load) {
    load.scenarios = {std::string(name)};
    load.duration = milliseconds(options.seconds);
    load.warmup = milliseconds(options.seconds / 5);
    auto resolved = app::resolve_scenarios(load, {}, options.seed);
    if (!resolved) return std::unexpected(resolved.error());
    return std::move(resolved->front());
}

Result<lab::TrialResult> run_lab_trial(const std::string& target, const lab::Scenario& scenario,
                                       const lab::TrialOptions& trial) {
    const auto url = lab::parse_target(target);
    if (!url) return std::unexpected(url.error());
    auto result = lab::run_trial(*url, scenario.system, scenario.plan, trial);
    if (!result) return result;
    if (result->failure) return std::unexpected(*result->failure);
    for (const auto& phase : result->phases) {
        const auto& delivery = phase.delivery;
        if (delivery.handled == delivery.sent) continue;
        return std::unexpected(
            Error{Errc::failed, fmt::format("{} of {} events were handled in {}", delivery.handled,
                                            delivery.sent, phase.phase.name)});
    }
    return result;
}

}  // namespace crucible::bench
