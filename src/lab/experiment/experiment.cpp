#include "lab/experiment/experiment.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "lab/experiment/warmup.h"
#include "lab/record/surroundings.h"

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
    Duration elapsed;
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
            experiment_.scenarios.push_back({options_.scenarios[i], {}});
            if (i < options_.done.size()) take_done(i);
            const std::size_t rounds =
                options_.rounds -
                std::min<std::size_t>(options_.rounds, experiment_.scenarios[i].rounds.size());
            planned_ += planned_duration(scenario(i).plan) *
                        static_cast<std::int64_t>(rounds * kArmCount + discarded_trials(i).size());
        }
        for (std::size_t i = 0; i < options_.scenarios.size() && going(); ++i) warm_up(i);
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

    Scenario& scenario(std::size_t index) { return experiment_.scenarios[index].scenario; }

    /// Rounds of an earlier run, and the warm-ups that it found.
    void take_done(std::size_t index) {
        auto& rounds = experiment_.scenarios[index].rounds;
        rounds = options_.done[index];
        if (rounds.empty()) return;
        measured_ = true;
        const auto& phases = rounds.front()[Arm::baseline].phases;
        auto& planned = scenario(index).plan.phases;
        for (std::size_t i = 0; i < std::min(phases.size(), planned.size()); ++i)
            planned[i].warmup = phases[i].phase.warmup;
    }

    /// The arms whose targets run a trial of a scenario that is discarded: in the first each
    /// distinct one, in the others the systems where a rule finds their warm-up.
    std::vector<Arm> discarded_trials(std::size_t index) {
        const bool by_rule =
            scenario(index).warmup_by_rule && experiment_.scenarios[index].rounds.empty();
        std::vector<Arm> arms;
        if (index == 0 || by_rule) arms = {Arm::baseline, Arm::candidate};
        if (index == 0) arms.push_back(Arm::harness);
        std::vector<Arm> distinct;
        for (const Arm arm : arms) {
            const bool known = std::ranges::any_of(
                distinct, [&](Arm other) { return target_of(other).text == target_of(arm).text; });
            if (!known) distinct.push_back(arm);
        }
        return distinct;
    }

    void warm_up(std::size_t index) {
        const bool by_rule =
            scenario(index).warmup_by_rule && experiment_.scenarios[index].rounds.empty();
        std::vector<Duration> warmups;
        for (const auto& phase : scenario(index).plan.phases) warmups.push_back(phase.warmup);
        for (const Arm arm : discarded_trials(index)) {
            // A round number no round has: what warms up is never measured again.
            const auto result =
                run_arm(scenario(index), arm, 0, round_seed(options_.seed, index, UINT32_MAX));
            if (!result) {
                fail(target_of(arm), result.error());
            } else if (result->failure) {
                fail(target_of(arm), *result->failure);
            } else if (result->interrupted) {
                experiment_.interrupted = true;
            }
            if (!going()) return;
            if (!by_rule || arm == Arm::harness) continue;
            const auto asked = warmups_asked(result->phases);
            for (std::size_t i = 0; i < std::min(asked.size(), warmups.size()); ++i)
                warmups[i] = std::max(warmups[i], asked[i]);
        }
        for (std::size_t i = 0; i < warmups.size(); ++i)
            scenario(index).plan.phases[i].warmup = warmups[i];
    }

    /// A round of every scenario that wants one. False when none did.
    bool run_pass() {
        std::vector<bool> wanted(options_.scenarios.size(), true);
        if (options_.needs_more) wanted = options_.needs_more(experiment_);
        bool any = false;
        for (std::size_t i = 0; i < options_.scenarios.size() && going(); ++i) {
            auto& rounds = experiment_.scenarios[i].rounds;
            if (!wanted[i] || rounds.size() >= options_.rounds) continue;
            if (!rounds.empty() && !in_time(scenario(i))) {
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
        auto round = run_round(scenario(index), index, number);
        const bool any = std::ranges::any_of(
            round.arms, [](const ArmResult& arm) { return !arm.target.empty(); });
        if (!any) return;
        rounds.push_back(std::move(round));
        if (!going() || !options_.on_round) return;
        if (const auto kept = options_.on_round(index, rounds.back()); !kept) {
            experiment_.failure = kept.error();
        }
    }

    bool in_time(const Scenario& of) const {
        if (options_.time_budget <= Duration::zero()) return true;
        using Seconds = std::chrono::duration<double>;
        const auto round = Seconds(planned_duration(of.plan) * kArmCount) * stretch();
        return Seconds(clock_.now() - started_) + round <= Seconds(options_.time_budget);
    }

    /// How much longer than planned the trials so far took.
    double stretch() const {
        using Seconds = std::chrono::duration<double>;
        return planned_done_ > Duration::zero() ? Seconds(spent_) / Seconds(planned_done_) : 1.0;
    }

    Round run_round(const Scenario& of, std::size_t index, std::uint32_t number) {
        Round round{.index = number,
                    .order = arm_order(options_.seed, index, number),
                    .machine = machine_,
                    .arms = {}};
        std::vector<ArmTrial> trials;
        for (const Arm arm : round.order) {
            if (options_.stop.stop_requested()) experiment_.interrupted = true;
            if (!going()) break;
            const TimePoint began = clock_.now();
            auto result = run_arm(of, arm, number + 1, round_seed(options_.seed, index, number));
            if (!result) {
                fail(target_of(arm), result.error());
                round[arm].target = target_of(arm).text;
                round[arm].failure = result.error();
                break;
            }
            measured_ = true;
            if (result->failure) fail(target_of(arm), *result->failure);
            if (result->interrupted) experiment_.interrupted = true;
            trials.push_back({arm, *std::move(result), clock_.now() - began});
        }
        keep(round, trials);
        return round;
    }

    /// Reduces the trials of a round. Last, because every arm's net cost needs the harness's.
    static void keep(Round& round, std::vector<ArmTrial>& trials) {
        const auto harness = std::ranges::find(trials, Arm::harness, &ArmTrial::arm);
        for (auto& [arm, trial, elapsed] : trials) {
            const bool net = harness != trials.end() && arm != Arm::harness;
            auto& kept = round[arm];
            kept.target = trial.target;
            kept.valid = trial.valid() && !trial.interrupted;
            kept.metrics = trial_metrics(trial, net ? &harness->trial : nullptr);
            kept.checks = trial.checks;
            kept.surroundings = trial.surroundings;
            kept.elapsed = elapsed;
            kept.failure = trial.failure;
        }
        for (auto& kept : trials) round[kept.arm].phases = std::move(kept.trial.phases);
    }

    Result<TrialResult> run_arm(const Scenario& of, Arm arm, std::uint32_t round,
                                std::uint64_t seed) {
        const auto& target = target_of(arm);
        auto system = of.system;
        auto plan = of.plan;
        system.seed = seed;
        plan.workload.seed = seed;
        const TimePoint trial_started = clock_.now();
        const auto report = [&](const TrialProgress& trial) {
            if (!options_.on_progress) return;
            options_.on_progress({.scenario = of.name,
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
        planned_done_ += planned_duration(of.plan);
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
    std::string machine_ = machine_identity();
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
