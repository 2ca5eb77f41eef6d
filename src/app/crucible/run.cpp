#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

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

constexpr const char* kFooter = R"(Examples:
  crucible run daemon: --rate 5000 --duration 10s
  crucible run 'coordinator:?durability=full' --rate max --window 32
  crucible run 'synthetic:?service=1ms&workers=1' --rate 500 --arrivals poisson

Exit codes: 0 done, 2 bad usage, 3 the environment made the measurement invalid,
5 the target failed (partial result kept), 130 interrupted (partial result kept).)";

/// The trials of one run and, after each, the harness alone under the same load.
struct Trials {
    std::vector<lab::TrialResult> target;
    std::vector<lab::TrialResult> harness;
};

/// Stops at the first trial that fails or is interrupted; what was measured is in `trials`.
Result<> run_trials(const lab::TargetUrl& target, const lab::Scenario& scenario,
                    std::uint32_t rounds, const std::stop_token& stop, ProgressLine& progress,
                    Trials& trials) {
    const auto null_target = lab::parse_target("null:");
    for (std::uint32_t round = 0; round < rounds; ++round) {
        lab::Plan plan = scenario.plan;
        plan.workload.seed = lab::round_seed(scenario.plan.workload.seed, 0, round);
        // The target first: who interrupts a run keeps what was measured of it.
        for (const bool harness : {false, true}) {
            const auto& url = harness ? *null_target : target;
            lab::TrialOptions options;
            options.stop = stop;
            options.on_progress = [&](const lab::TrialProgress& at) {
                progress.show(harness ? "harness alone" : url.text, at);
            };
            auto trial = lab::run_trial(url, scenario.system, plan, options);
            if (!trial) return std::unexpected(trial.error());
            if (harness) {
                if (trial->interrupted) return {};
                if (trial->failure) {
                    return std::unexpected(
                        Error{Errc::failed, "the harness alone: " + trial->failure->message});
                }
                trials.harness.push_back(std::move(*trial));
                continue;
            }
            const bool ended = trial->failure || trial->interrupted;
            trials.target.push_back(std::move(*trial));
            if (ended) return {};
        }
    }
    return {};
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
    command.footer(kFooter);
    if (const auto ended = parse_arguments(command, args, out, err)) return *ended;
    const auto target = resolve_target(target_text, load);
    if (!target) return usage_error(err, target.error().message);
    const auto seed = resolve_seed(load);
    if (!seed) return usage_error(err, seed.error().message);
    const auto rounds = resolve_rounds(load, 1);
    if (!rounds) return usage_error(err, rounds.error().message);
    if (load.scenarios.size() > 1) return usage_error(err, "crucible run takes one --scenario");
    const auto scenarios = resolve_scenarios(
        load, {.capacity_phase = false, .steady_duration = kSteadyDuration}, *seed);
    if (!scenarios) return usage_error(err, scenarios.error().message);
    const auto directory = prepare_output(load.out, "run");
    if (!directory) return usage_error(err, directory.error().message);

    const auto& scenario = scenarios->front();
    auto facts = run_facts("run", args, *seed);
    const InterruptGuard interrupt;
    const TimePoint started = base::monotonic_now();
    Trials trials;
    Result<> driven;
    {
        ProgressLine progress(err, load.quiet);
        driven = run_trials(*target, scenario, *rounds, interrupt.token(), progress, trials);
    }
    if (!driven) err << "crucible: " << driven.error().message << '\n';
    if (trials.target.empty())
        return interrupt.token().stop_requested() ? kInterrupted : kTargetFailed;
    facts.duration_seconds = std::chrono::duration<double>(base::monotonic_now() - started).count();
    const auto result = lab::run_json(facts, *target, scenario, trials.target, trials.harness);
    if (const auto shown = show_result(out, result, *directory, load.json); !shown) {
        err << "crucible: " << shown.error().message << '\n';
        return kBadUsage;
    }
    const auto& last = trials.target.back();
    if (last.interrupted || interrupt.token().stop_requested()) return kInterrupted;
    if (last.failure) {
        err << "crucible: " << last.failure->message << "; the partial result is kept\n";
        return kTargetFailed;
    }
    if (!driven) return kTargetFailed;
    if (std::ranges::any_of(trials.target, [](const auto& trial) { return !trial.valid(); })) {
        err << "crucible: a check that the measurement rests on failed; its figures are not "
               "valid\n";
        return kEnvironmentInvalid;
    }
    return kDone;
}

}  // namespace crucible::app
