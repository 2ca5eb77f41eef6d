#include "lab/experiment/experiment.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace crucible::lab {
namespace {

/// Start and end of a trial's processes, as long as no trial has shown how long they take.
constexpr Duration kTrialOverhead = std::chrono::seconds(1);

Duration planned_duration(const Plan& plan) {
    Duration total = kTrialOverhead;
    for (const auto& phase : plan.phases) {
        total += phase.warmup + phase.duration();
    }
    return total;
}

/// A finished arm before its round's harness is known.
struct ArmTrial {
    Arm arm;
    TrialResult trial;
};

class Runner {
public:
    explicit Runner(const ExperimentOptions& options)
        : options_(options),
          clock_(options.clock ? *options.clock : steady_),
          run_(options.run ? options.run : TrialFunction(run_trial)),
          harness_{.scheme = "null", .path = {}, .options = {}, .text = "null:"},
          started_(clock_.now()) {}

    Result<Experiment> run() {
        for (const auto& scenario : options_.scenarios) {
            planned_ += planned_duration(scenario.plan) * (options_.rounds * kArmCount);
        }
        const auto warm_targets = distinct_targets();
        planned_ += planned_duration(options_.scenarios.front().plan) * warm_targets.size();

        for (const auto& [arm, target] : warm_targets) {
            if (!warm_up(arm, *target)) break;
        }
        for (std::size_t i = 0; i < options_.scenarios.size() && going(); ++i) run_scenario(i);
        if (!measured_ && experiment_.failure) return std::unexpected(*experiment_.failure);
        return std::move(experiment_);
    }

private:
    bool going() const { return !experiment_.failure && !experiment_.interrupted; }

    const TargetUrl& target_of(Arm arm) const {
        if (arm == Arm::harness) return harness_;
        return arm == Arm::candidate ? options_.candidate : options_.baseline;
    }

    std::vector<std::pair<Arm, const TargetUrl*>> distinct_targets() const {
        std::vector<std::pair<Arm, const TargetUrl*>> targets;
        for (const Arm arm : {Arm::baseline, Arm::candidate, Arm::harness}) {
            const auto& target = target_of(arm);
            const bool known = std::ranges::any_of(
                targets, [&target](const auto& seen) { return seen.second->text == target.text; });
            if (!known) targets.emplace_back(arm, &target);
        }
        return targets;
    }

    bool warm_up(Arm arm, const TargetUrl& target) {
        const auto& scenario = options_.scenarios.front();
        // A round number no round has: what warms up is never measured again.
        const auto result = run_arm(scenario, arm, 0, round_seed(options_.seed, 0, UINT32_MAX));
        if (!result) {
            fail(target, result.error());
        } else if (result->failure) {
            fail(target, *result->failure);
        } else if (result->interrupted) {
            experiment_.interrupted = true;
        }
        return going();
    }

    void run_scenario(std::size_t index) {
        const auto& scenario = options_.scenarios[index];
        experiment_.scenarios.push_back({scenario, {}});
        auto& rounds = experiment_.scenarios.back().rounds;
        for (std::uint32_t r = 0; r < options_.rounds && going(); ++r) {
            auto round = run_round(scenario, index, r);
            const bool any = std::ranges::any_of(
                round.arms, [](const ArmResult& arm) { return !arm.target.empty(); });
            if (any) rounds.push_back(std::move(round));
        }
    }

    Round run_round(const Scenario& scenario, std::size_t index, std::uint32_t number) {
        Round round{.index = number, .order = arm_order(options_.seed, index, number), .arms = {}};
        std::vector<ArmTrial> trials;
        for (const Arm arm : round.order) {
            if (options_.stop.stop_requested()) experiment_.interrupted = true;
            if (!going()) break;
            auto result =
                run_arm(scenario, arm, number + 1, round_seed(options_.seed, index, number));
            if (!result) {
                fail(target_of(arm), result.error());
                round[arm].target = target_of(arm).text;
                round[arm].failure = result.error();
                break;
            }
            measured_ = true;
            if (result->failure) fail(target_of(arm), *result->failure);
            if (result->interrupted) experiment_.interrupted = true;
            trials.push_back({arm, *std::move(result)});
        }
        keep(round, trials);
        return round;
    }

    /// Reduces the trials of a round. Last, because every arm's net cost needs the harness's.
    static void keep(Round& round, std::vector<ArmTrial>& trials) {
        const auto harness = std::ranges::find(trials, Arm::harness, &ArmTrial::arm);
        for (auto& [arm, trial] : trials) {
            const bool net = harness != trials.end() && arm != Arm::harness;
            auto& kept = round[arm];
            kept.target = trial.target;
            kept.valid = trial.valid() && !trial.interrupted;
            kept.metrics = trial_metrics(trial, net ? &harness->trial : nullptr);
            kept.checks = trial.checks;
            kept.failure = trial.failure;
        }
        for (auto& [arm, trial] : trials) round[arm].phases = std::move(trial.phases);
    }

    Result<TrialResult> run_arm(const Scenario& scenario, Arm arm, std::uint32_t round,
                                std::uint64_t seed) {
        const auto& target = target_of(arm);
        auto system = scenario.system;
        auto plan = scenario.plan;
        system.seed = seed;
        plan.workload.seed = seed;
        const TimePoint trial_started = clock_.now();
        const auto report = [&](const TrialProgress& trial) {
            if (!options_.on_progress) return;
            options_.on_progress({.scenario = scenario.name,
                                  .round = round,
                                  .rounds = options_.rounds,
                                  .arm = arm,
                                  .target = target.text,
                                  .trial = trial,
                                  .elapsed = clock_.now() - started_,
                                  .remaining = remaining(trial_started)});
        };
        report({});
        auto result = run_(target, system, plan,
                           {.on_progress = report, .stop = options_.stop, .before_stop = nullptr});
        planned_done_ += planned_duration(scenario.plan);
        spent_ += clock_.now() - trial_started;
        if (result && result->target.empty()) result->target = target.text;
        return result;
    }

    /// The plan's remaining time, stretched by how much longer than planned the trials so far took.
    Duration remaining(TimePoint trial_started) const {
        using Seconds = std::chrono::duration<double>;
        const double stretch =
            planned_done_ > Duration::zero() ? Seconds(spent_) / Seconds(planned_done_) : 1.0;
        const auto left =
            Seconds(planned_ - planned_done_) * stretch - Seconds(clock_.now() - trial_started);
        return std::max(Duration::zero(), std::chrono::duration_cast<Duration>(left));
    }

    void fail(const TargetUrl& target, const Error& error) {
        experiment_.failure = Error{error.code, target.text + ": " + error.message};
    }

    const ExperimentOptions& options_;
    base::SteadyClock steady_;
    base::Clock& clock_;
    TrialFunction run_;
    TargetUrl harness_;
    TimePoint started_;
    Duration planned_{};       ///< of all trials
    Duration planned_done_{};  ///< of the trials that ended
    Duration spent_{};         ///< what those really took
    bool measured_ = false;
    Experiment experiment_;
};

}  // namespace

Result<Experiment> run_experiment(const ExperimentOptions& options) {
    if (options.scenarios.empty()) {
        return std::unexpected(Error{Errc::invalid_argument, "no scenario to run"});
    }
    if (options.rounds == 0) {
        return std::unexpected(Error{Errc::invalid_argument, "rounds must be at least 1"});
    }
    return Runner(options).run();
}

}  // namespace crucible::lab
