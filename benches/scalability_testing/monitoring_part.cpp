#include "scalability_testing/monitoring_part.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "lab/run/trial.h"
#include "lab/scale/insight.h"
#include "support/estimate.h"
#include "support/lab_trial.h"

namespace crucible::bench {
namespace {

constexpr double kShareOfMaximum = 1.0 / 3;
constexpr std::uint32_t kPairs = 2;  ///< of phases in a trial
/// Real coordinators and a real daemon, whose rounds differ by much, and a system whose events each
/// take 200 us of a processor and nothing else, of which little is hidden by chance.
constexpr std::array kTargets{"coordinator:", "daemon:", "synthetic:?fault=cpu:200us&workers=2"};
/// Shorter phases, as of --smoke, may end before the first samples, 10 ms apart.
constexpr Duration kSampledLeast = std::chrono::milliseconds(300);

double seconds_of(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Trials of two kinds of phases in turn on one system, those whose threads are sampled and those
/// whose are not: whatever differs between two starts of a system differs for neither. The two arms
/// of a round share a trial; the first that is asked for runs it.
class AlternatingTrials {
public:
    AlternatingTrials(std::string target, lab::Scenario scenario, const lab::Phase& phase,
                      std::uint32_t pairs, std::uint64_t seed)
        : target_(std::move(target)), scenario_(std::move(scenario)), pairs_(pairs), rng_(seed) {
        scenario_.plan.phases.assign(std::size_t{2} * pairs, phase);
    }

    /// The phases of one kind of this round.
    Result<std::vector<lab::PhaseResult>> take(bool sampled) {
        auto& mine = kept_[sampled ? 1 : 0];
        if (mine.empty()) {
            if (auto ran = run(); !ran) return std::unexpected(ran.error());
        }
        return std::exchange(mine, {});
    }

private:
    /// Chance decides which of each pair is sampled.
    Result<> run() {
        kept_ = {};
        lab::TrialOptions options;
        options.activity = true;
        for (std::uint32_t pair = 0; pair < pairs_; ++pair)
            options.activity_phases.push_back(2 * pair + static_cast<std::uint32_t>(rng_.below(2)));
        auto trial = run_lab_trial(target_, scenario_, options);
        if (!trial) return std::unexpected(trial.error());
        for (auto& phase : trial->phases) kept_[phase.activity ? 1 : 0].push_back(std::move(phase));
        if (kept_[1].size() == pairs_) return {};
        return std::unexpected(Error{
            Errc::failed, fmt::format("{} of {} phases were sampled", kept_[1].size(), pairs_)});
    }

    std::string target_;
    lab::Scenario scenario_;
    std::uint32_t pairs_;
    base::Rng rng_;
    std::array<std::vector<lab::PhaseResult>, 2> kept_;  ///< without sampling, with
};

double throughput_of(std::span<const lab::PhaseResult> phases) {
    double sum = 0;
    for (const auto& phase : phases) sum += phase.throughput;
    return sum / static_cast<double>(phases.size());
}

double p99_of(std::span<const lab::PhaseResult> phases) {
    lab::Histogram latency;
    for (const auto& phase : phases) latency.merge(phase.latency);
    return seconds_of(latency.quantile(0.99));
}

/// What sampling took and gave, where there was any: share of a core, processor time of a sample,
/// samples of a phase.
std::vector<double> with_cost(double value, std::span<const lab::PhaseResult> phases) {
    double core_share = 0;
    double cpu = 0;
    double samples = 0;
    for (const auto& phase : phases) {
        if (!phase.activity) return {value, kNoValue, kNoValue, kNoValue};
        core_share += phase.activity->cost.core_share;
        cpu += seconds_of(phase.activity->cost.cpu_per_sample);
        samples += static_cast<double>(phase.activity->samples);
    }
    const auto count = static_cast<double>(phases.size());
    return {value, core_share / count, cpu / count, samples / count};
}

std::vector<Measure> with_cost_measures(Measure first) {
    const std::string none = "nothing is sampled";
    return {std::move(first),
            {"sampling_core_share", "1", "lower", "% of a core", 100, none},
            {"sampling_cpu", "s", "lower", "us a sample", 1e6, none},
            {"samples", "1", "higher", "samples of a phase", 1, none}};
}

/// Arms that differ in nothing but the sampling.
std::vector<Arm> arms_of(const std::string& target,
                         const std::shared_ptr<AlternatingTrials>& trials,
                         double (*value)(std::span<const lab::PhaseResult>)) {
    const auto arm = [=](std::string name, bool sampled) {
        return Arm{
            std::move(name),
            fmt::format("{} {} samples of every thread", target, sampled ? "with" : "without"),
            [=]() -> Result<std::vector<double>> {
                const auto phases = trials->take(sampled);
                if (!phases) return std::unexpected(phases.error());
                return with_cost(value(*phases), *phases);
            }};
    };
    return {arm("without", false), arm("sampled", true)};
}

void ask_about(const std::string& target, const lab::Scenario& scenario, const Options& options,
               Rounds& rounds) {
    const auto warmup = options.trial_length() / 5;
    const auto length = std::max(lab::scale::kLookTimes * options.trial_length(), kSampledLeast);
    const std::uint32_t pairs = options.smoke ? 1 : kPairs;
    const auto trials = [&](const lab::Phase& phase) {
        return std::make_shared<AlternatingTrials>(target, scenario, phase, pairs, options.seed);
    };
    const auto maximum = lab::maximum_phase(length, warmup);
    const auto fastest = trials(maximum)->take(false);
    if (!fastest) return rounds.fail("monitoring, " + target, fastest.error());
    rounds.ask({.part = "monitoring",
                .text = fmt::format("{} as fast as acknowledged", target),
                .measures = with_cost_measures(throughput_measure()),
                .arms = arms_of(target, trials(maximum), throughput_of),
                .first_to_other = false});
    const double rate = kShareOfMaximum * throughput_of(*fastest);
    const auto steady =
        lab::steady_phase(*base::Rate::per_second(rate),
                          static_cast<std::uint64_t>(rate * seconds_of(length)), warmup);
    rounds.ask({.part = "monitoring",
                .text = fmt::format("{} at {:.0f} events/s, a third of that", target, rate),
                .measures = with_cost_measures(latency_measure("latency_p99")),
                .arms = arms_of(target, trials(steady), p99_of),
                .first_to_other = false});
}

}  // namespace

void monitoring_part(const Options& options, Rounds& rounds) {
    for (const std::string target : kTargets) {
        const auto scenario = scenario_named("medium", options, {});
        if (!scenario) return rounds.fail("monitoring", scenario.error());
        ask_about(target, *scenario, options, rounds);
    }
}

}  // namespace crucible::bench
