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
        for (std::size_t i = 0; i < options_.scenarios.size(); ++i) {
            const std::size_t done = i < options_.done.size() ? options_.done[i].size() : 0;
            measured_ |= done > 0;
            const std::size_t rounds =
                options_.rounds - std::min<std::size_t>(options_.rounds, done);
            planned_ += planned_duration(options_.scenarios[i].plan) *
                        static_cast<std::int64_t>(rounds * kArmCount);
        }
        const auto warm_targets = distinct_targets();
        planned_ += planned_duration(options_.scenarios.front().plan) * warm_targets.size();

        for (const auto& [arm, target] : warm_targets) {
            if (!warm_up(arm, *target)) break;
        }
        for (std::size_t i = 0; i < options_.scenarios.size(); ++i) {
            experiment_.scenarios.push_back({options_.scenarios[i], {}});
            if (i < options_.done.size()) experiment_.scenarios[i].rounds = options_.done[i];
        }
        while (going() && run_pass()) {
        }
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

    /// A round of every scenario that wants one. False when none did.
    bool run_pass() {
        std::vector<bool> wanted(options_.scenarios.size(), true);
        if (options_.needs_more) wanted = options_.needs_more(experiment_);
        bool any = false;
        for (std::size_t i = 0; i < options_.scenarios.size() && going(); ++i) {
            auto& rounds = experiment_.scenarios[i].rounds;
            if (!wanted[i] || rounds.size() >= options_.rounds) continue;
            if (!rounds.empty() && !in_time(options_.scenarios[i])) {
                experiment_.out_of_time = true;
                continue;
            }
            run_scenario_round(i);
            any = true;
        }
        return any;
    }

    void run_scenario_round(std::size_t index) {
        auto& rounds = experiment_.scenarios[index].rounds;
        const auto number = static_cast<std::uint32_t>(rounds.size());
        auto round = run_round(options_.scenarios[index], index, number);
        const bool any = std::ranges::any_of(
            round.arms, [](const ArmResult& arm) { return !arm.target.empty(); });
        if (!any) return;
        rounds.push_back(std::move(round));
        if (!going() || !options_.on_round) return;
        if (const auto kept = options_.on_round(index, rounds.back()); !kept) {
            experiment_.failure = kept.error();
        }
    }

    bool in_time(const Scenario& scenario) const {
        if (options_.time_budget <= Duration::zero()) return true;
        using Seconds = std::chrono::duration<double>;
        const auto round = Seconds(planned_duration(scenario.plan) * kArmCount) * stretch();
        return Seconds(clock_.now() - started_) + round <= Seconds(options_.time_budget);
    }

    /// How much longer than planned the trials so far took.
    double stretch() const {
        using Seconds = std::chrono::duration<double>;
        return planned_done_ > Duration::zero() ? Seconds(spent_) / Seconds(planned_done_) : 1.0;
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
                                  .rounds = options_.needs_more ? 0 : options_.rounds,
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

    /// The plan's remaining time, stretched by how much longer than planned the trials so far took,
    /// and within the budget.
    Duration remaining(TimePoint trial_started) const {
        using Seconds = std::chrono::duration<double>;
        const TimePoint now = clock_.now();
        auto left = Seconds(planned_ - planned_done_) * stretch() - Seconds(now - trial_started);
        if (options_.time_budget > Duration::zero()) {
            left = std::min(left, Seconds(options_.time_budget - (now - started_)));
        }
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
    CRUCIBLE_ASSERT(options.done.empty() || options.done.size() == options.scenarios.size());
    return Runner(options).run();
}

}  // namespace crucible::lab
