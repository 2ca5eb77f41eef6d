#include <fmt/format.h>

#include <CLI/CLI.hpp>
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
#include "base/units.h"
#include "lab/compare/comparison.h"

namespace crucible::app {
namespace {

constexpr std::uint32_t kRounds = 10;

constexpr const char* kFooter = R"(Targets:
  coordinator:  router:  daemon:  daemon:/path.sock  null:
  synthetic:?service=1ms&workers=2   each takes options behind '?', joined by '&'
  http://host/path#connections=8     https: too; here options stand behind '#'
  nats://host/subject?mode=core      core, request, jetstream
  redis://host/stream?mode=stream    stream, pubsub
  exec:./program args                a program that speaks lines of JSON

Examples:
  crucible compare coordinator: daemon:
  crucible compare coordinator: daemon: --scenario light --scenario heavy
  crucible compare 'daemon:?workers=1' 'daemon:?workers=4' --rate max
  crucible compare coordinator: daemon: --durability full --rounds 20 --json

Exit codes: 0 done, 2 bad usage, 3 the environment made the measurement invalid,
5 a target failed, 130 interrupted (partial result kept).)";

struct CompareArguments {
    std::string baseline;
    std::string candidate;
    std::string margin = "5%";
    LoadOptions load;
};

struct ComparePlan {
    lab::ExperimentOptions experiment;
    lab::CompareOptions compare;
};

Result<double> parse_margin(const std::string& text) {
    const auto margin = base::parse_fraction(text);
    if (!margin)
        return std::unexpected(
            Error{Errc::invalid_argument, "--margin: " + margin.error().message});
    if (!(*margin > 0 && *margin <= 1)) {
        return std::unexpected(Error{Errc::invalid_argument,
                                     fmt::format("--margin '{}': above 0 and at most 100%", text)});
    }
    return margin;
}

Result<ComparePlan> make_plan(const CompareArguments& arguments) {
    auto baseline = resolve_target(arguments.baseline, arguments.load);
    if (!baseline) return std::unexpected(baseline.error());
    auto candidate = resolve_target(arguments.candidate, arguments.load);
    if (!candidate) return std::unexpected(candidate.error());
    const auto margin = parse_margin(arguments.margin);
    if (!margin) return std::unexpected(margin.error());
    const auto seed = resolve_seed(arguments.load);
    if (!seed) return std::unexpected(seed.error());
    const auto rounds = resolve_rounds(arguments.load, kRounds);
    if (!rounds) return std::unexpected(rounds.error());
    auto scenarios = resolve_scenarios(arguments.load, {.capacity_phase = true}, *seed);
    if (!scenarios) return std::unexpected(scenarios.error());
    const auto applied = apply_client_option({&*baseline, &*candidate}, *scenarios);
    if (!applied) return std::unexpected(applied.error());
    if (const auto fitting = check_targets({&*baseline, &*candidate}, *scenarios); !fitting)
        return std::unexpected(fitting.error());
    return ComparePlan{.experiment = {.baseline = std::move(*baseline),
                                      .candidate = std::move(*candidate),
                                      .scenarios = std::move(*scenarios),
                                      .rounds = *rounds,
                                      .seed = *seed},
                       .compare = {.margin = *margin, .seed = *seed}};
}

/// Fewer than half of the rounds could be compared: this machine, now, is no place to measure.
bool environment_invalid(const lab::Experiment& experiment) {
    std::size_t rounds = 0;
    std::size_t valid = 0;
    for (const auto& scenario : experiment.scenarios) {
        for (const auto& round : scenario.rounds) {
            ++rounds;
            if (round.valid()) ++valid;
        }
    }
    return rounds > 0 && valid * 2 < rounds;
}

}  // namespace

int compare_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err) {
    CLI::App command("Compares two systems under the same load and says which to ship.", "compare");
    CompareArguments arguments;
    command.add_option("baseline", arguments.baseline, "today's system, a target URL")
        ->required()
        ->type_name("URL");
    command.add_option("candidate", arguments.candidate, "what might replace it, a target URL")
        ->required()
        ->type_name("URL");
    command
        .add_option("--margin", arguments.margin,
                    "differences within ± this do not matter (default 5%)")
        ->type_name("P%");
    add_load_options(command, arguments.load);
    command.footer(kFooter);
    if (const auto ended = parse_arguments(command, args, out, err)) return *ended;
    auto plan = make_plan(arguments);
    if (!plan) return usage_error(err, plan.error().message);
    const auto awake = begin_realtime(arguments.load);
    if (!awake) return usage_error(err, awake.error().message);
    const auto directory = prepare_output(arguments.load.out, "compare");
    if (!directory) return usage_error(err, directory.error().message);

    auto facts = run_facts("compare", args, plan->experiment.seed);
    const InterruptGuard interrupt;
    const TimePoint started = base::monotonic_now();
    Result<lab::Experiment> experiment;
    {
        ProgressLine progress(err, arguments.load.quiet);
        plan->experiment.on_progress = [&](const lab::ExperimentProgress& at) {
            progress.show(at);
        };
        plan->experiment.stop = interrupt.token();
        experiment = lab::run_experiment(plan->experiment);
    }
    if (!experiment) {
        // Nothing could be measured: the result says so, and why.
        lab::Experiment nothing;
        nothing.interrupted = interrupt.token().stop_requested();
        if (!nothing.interrupted) nothing.failure = experiment.error();
        experiment = std::move(nothing);
    }
    facts.duration_seconds = std::chrono::duration<double>(base::monotonic_now() - started).count();
    const auto comparison = lab::compare(*experiment, plan->compare);
    const auto result =
        lab::comparison_json(facts, plan->experiment, plan->compare, *experiment, comparison);
    if (const auto shown = show_result(out, result, *directory, arguments.load.json); !shown) {
        err << "crucible: " << shown.error().message << '\n';
        return kBadUsage;
    }
    if (experiment->interrupted) return kInterrupted;
    if (experiment->failure) {
        err << "crucible: " << experiment->failure->message << "; the partial result is kept\n";
        return kTargetFailed;
    }
    if (environment_invalid(*experiment)) {
        err << "crucible: most rounds are invalid on this machine now; see the failed checks\n";
        return kEnvironmentInvalid;
    }
    return kDone;
}

}  // namespace crucible::app
