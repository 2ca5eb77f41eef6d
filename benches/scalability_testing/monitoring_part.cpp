#include "scalability_testing/monitoring_part.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lab/run/trial.h"
#include "support/estimate.h"
#include "support/lab_trial.h"

namespace crucible::bench {
namespace {

constexpr double kShareOfMaximum = 0.5;
/// Shorter ones, as of --smoke, may end before the first samples, 10 ms apart.
constexpr Duration kSampledLeast = std::chrono::milliseconds(300);

double seconds_of(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Of one trial with one phase, with sampling or without.
Result<lab::PhaseResult> sampled_trial(const std::string& target, const lab::Scenario& scenario,
                                       const lab::Phase& phase, bool sampled) {
    auto one = scenario;
    one.plan.phases = {phase};
    lab::TrialOptions options;
    options.activity = sampled;
    auto trial = run_lab_trial(target, one, options);
    if (!trial) return std::unexpected(trial.error());
    if (sampled && !trial->phases.front().activity)
        return std::unexpected(Error{Errc::failed, "nothing was sampled"});
    return std::move(trial->phases.front());
}

/// What sampling took, where there was any: share of a core, and processor time of a sample.
std::vector<double> with_cost(std::vector<double> values, const lab::PhaseResult& phase) {
    if (!phase.activity) {
        values.insert(values.end(), {kNoValue, kNoValue});
    } else {
        const auto& cost = phase.activity->cost;
        values.insert(values.end(), {cost.core_share, seconds_of(cost.cpu_per_sample)});
    }
    return values;
}

std::vector<Measure> with_cost_measures(Measure first) {
    const std::string none = "nothing is sampled";
    return {std::move(first),
            {"sampling_core_share", "1", "lower", "% of a core", 100, none},
            {"sampling_cpu", "s", "lower", "us a sample", 1e6, none}};
}

/// Arms that differ in nothing but the sampling.
std::vector<Arm> arms_of(const std::string& target, const lab::Scenario& scenario,
                         const lab::Phase& phase, auto value) {
    const auto arm = [=](std::string name, bool sampled) {
        return Arm{std::move(name),
                   fmt::format("{} {} samples of every thread", target,
                               sampled ? "with 100 Hz" : "without"),
                   [=]() -> Result<std::vector<double>> {
                       const auto result = sampled_trial(target, scenario, phase, sampled);
                       if (!result) return std::unexpected(result.error());
                       return with_cost({value(*result)}, *result);
                   }};
    };
    return {arm("without", false), arm("sampled", true)};
}

void ask_about(const std::string& target, const lab::Scenario& scenario, const Options& options,
               Rounds& rounds) {
    const auto length = std::max(options.trial_length(), kSampledLeast);
    const auto maximum = lab::maximum_phase(length, length / 5);
    rounds.ask({.part = "monitoring",
                .text = fmt::format("{} as fast as acknowledged", target),
                .measures = with_cost_measures(throughput_measure()),
                .arms = arms_of(target, scenario, maximum,
                                [](const lab::PhaseResult& phase) { return phase.throughput; }),
                .first_to_other = false});
    const auto fastest = sampled_trial(target, scenario, maximum, false);
    if (!fastest) return rounds.fail("monitoring, " + target, fastest.error());
    const double rate = kShareOfMaximum * fastest->throughput;
    const auto steady =
        lab::steady_phase(*base::Rate::per_second(rate),
                          static_cast<std::uint64_t>(rate * seconds_of(length)), length / 5);
    rounds.ask({.part = "monitoring",
                .text = fmt::format("{} at {:.0f} events/s, half of that", target, rate),
                .measures = with_cost_measures(latency_measure("latency_p99")),
                .arms = arms_of(target, scenario, steady,
                                [](const lab::PhaseResult& phase) {
                                    return seconds_of(phase.latency.quantile(0.99));
                                }),
                .first_to_other = false});
}

}  // namespace

void monitoring_part(const Options& options, Rounds& rounds) {
    for (const std::string target : {"coordinator:", "daemon:"}) {
        const auto scenario = scenario_named("medium", options, {});
        if (!scenario) return rounds.fail("monitoring", scenario.error());
        ask_about(target, *scenario, options, rounds);
    }
}

}  // namespace crucible::bench
