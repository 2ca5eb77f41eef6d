#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <utility>

#include "app/crucible/command.h"
#include "app/crucible/interrupt.h"
#include "app/crucible/load_options.h"
#include "app/crucible/output.h"
#include "app/crucible/parse_arguments.h"
#include "app/crucible/progress.h"
#include "app/crucible/version.h"
#include "base/clock.h"
#include "lab/compare/comparison.h"

namespace crucible::app {
namespace {

constexpr Duration kSteadyDuration = std::chrono::seconds(10);

constexpr const char* kRunFooter = R"(Examples:
  crucible run daemon: --rate 5000 --duration 10s
  crucible run 'coordinator:?durability=full' --rate max --window 32
  crucible run http://127.0.0.1:8080/events --pattern spike:100,2000,5s,60s
  crucible run 'synthetic:?service=1ms&workers=1' --rate 500 --arrivals poisson

Exit codes: 0 done, 2 bad usage, 3 the environment made the measurement invalid,
5 the target failed (partial result kept), 130 interrupted (partial result kept).)";

/// The trials of one run and, after each, the harness alone under the same load.
struct Trials {
    std::vector<lab::TrialResult> target;
    std::vector<lab::TrialResult> harness;
};

/// Drives one scenario. Stops at the first trial that fails or is interrupted: the last of
/// `target` says so, and what was measured is kept.
class ScenarioRun {
public:
    ScenarioRun(const lab::TargetUrl& target, const lab::Scenario& scenario, std::size_t index,
                const std::stop_token& stop, ProgressLine& progress)
        : target_(target),
          harness_(*lab::parse_target("null:")),
          scenario_(scenario),
          index_(index),
          stop_(stop),
          progress_(progress) {}

    Trials run(std::uint32_t rounds) {
        Trials trials;
        for (std::uint32_t round = 0; round < rounds; ++round) {
            lab::Plan plan = scenario_.plan;
            plan.workload.seed = lab::round_seed(plan.workload.seed, index_, round);
            // The target first: who interrupts a run keeps what was measured of it.
            trials.target.push_back(trial(target_, target_.text, plan));
            auto& measured = trials.target.back();
            if (measured.failure || measured.interrupted) break;
            auto harness = trial(harness_, "harness alone", plan);
            measured.interrupted = harness.interrupted;
            if (harness.failure) {
                measured.failure =
                    Error{harness.failure->code, "the harness alone: " + harness.failure->message};
            }
            if (measured.failure || measured.interrupted) break;
            trials.harness.push_back(std::move(harness));
        }
        return trials;
    }

private:
    /// One trial; one that could not even begin is a failed one, so that the result tells of it.
    lab::TrialResult trial(const lab::TargetUrl& url, const std::string& shown,
                           const lab::Plan& plan) {
        lab::TrialOptions options;
        options.stop = stop_;
        options.on_progress = [&](const lab::TrialProgress& at) { progress_.show(shown, at); };
        auto result = lab::run_trial(url, scenario_.system, plan, options);
        if (result) return *std::move(result);
        lab::TrialResult failed;
        failed.target = url.text;
        failed.interrupted = stop_.stop_requested();
        if (!failed.interrupted) failed.failure = result.error();
        return failed;
    }

    const lab::TargetUrl& target_;
    const lab::TargetUrl harness_;
    const lab::Scenario& scenario_;
    const std::size_t index_;
    const std::stop_token& stop_;
    ProgressLine& progress_;
};

/// What all scenarios of the run came to.
struct RunEnd {
    nlohmann::json result;
    bool interrupted = false;
    std::optional<Error> failure;
    bool valid = true;
};

/// Adds the scenario measured last to `end`.
void add_scenario(nlohmann::json measured, const Trials& trials, RunEnd& end) {
    const auto& last = trials.target.back();
    end.interrupted = last.interrupted;
    end.failure = last.failure;
    for (const auto& trial : trials.target) end.valid = end.valid && trial.valid();
    if (end.result.is_null()) {
        end.result = std::move(measured);
        return;
    }
    end.result["scenarios"].push_back(std::move(measured["scenarios"][0]));
    for (const auto* member : {"interrupted", "failure", "duration_seconds"})
        end.result[member] = measured[member];
}

}  // namespace

int run_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err) {
    CLI::App command("Drives one system and measures it.", "run");
    std::string target_text;
    LoadOptions load;
    command
        .add_option("target", target_text, "the system, a target URL (see crucible compare --help)")
        ->required()
        ->type_name("URL");
    add_load_options(command, load);
    command.footer(kRunFooter);
    if (const auto ended = parse_arguments(command, args, out, err)) return *ended;
    const auto target = resolve_target(target_text, load);
    if (!target) return usage_error(err, target.error().message);
    const auto seed = resolve_seed(load);
    if (!seed) return usage_error(err, seed.error().message);
    const auto rounds = resolve_rounds(load, 1);
    if (!rounds) return usage_error(err, rounds.error().message);
    auto scenarios = resolve_scenarios(
        load, {.capacity_phase = false, .steady_duration = kSteadyDuration}, *seed);
    if (!scenarios) return usage_error(err, scenarios.error().message);
    if (const auto applied = apply_client_option({&*target}, *scenarios); !applied)
        return usage_error(err, applied.error().message);
    if (const auto fitting = check_targets({&*target}, *scenarios); !fitting)
        return usage_error(err, fitting.error().message);
    const auto awake = begin_realtime(load);
    if (!awake) return usage_error(err, awake.error().message);
    const auto directory = prepare_output(load.out, "run");
    if (!directory) return usage_error(err, directory.error().message);

    auto facts = run_facts("run", args, *seed);
    const InterruptGuard interrupt;
    const auto stop = interrupt.token();
    const TimePoint started = base::monotonic_now();
    RunEnd end;
    {
        ProgressLine progress(err, load.quiet);
        for (std::size_t i = 0; i < scenarios->size() && !end.interrupted && !end.failure; ++i) {
            const auto& scenario = (*scenarios)[i];
            const auto trials = ScenarioRun(*target, scenario, i, stop, progress).run(*rounds);
            facts.duration_seconds =
                std::chrono::duration<double>(base::monotonic_now() - started).count();
            add_scenario(lab::run_json(facts, *target, scenario, trials.target, trials.harness),
                         trials, end);
        }
    }
    if (const auto shown = show_result(out, end.result, *directory, load.json); !shown) {
        err << "crucible: " << shown.error().message << '\n';
        return kBadUsage;
    }
    if (end.interrupted) return kInterrupted;
    if (end.failure) {
        err << "crucible: " << end.failure->message << "; the partial result is kept\n";
        return kTargetFailed;
    }
    if (!end.valid) {
        err << "crucible: a check that the measurement rests on failed; its figures are not "
               "valid\n";
        return kEnvironmentInvalid;
    }
    return kDone;
}

}  // namespace crucible::app
