#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>

#include "app/crucible/command.h"
#include "app/crucible/compare_stored.h"
#include "app/crucible/interrupt.h"
#include "app/crucible/journal.h"
#include "app/crucible/load_options.h"
#include "app/crucible/output.h"
#include "app/crucible/parse_arguments.h"
#include "app/crucible/progress.h"
#include "app/crucible/version.h"
#include "base/clock.h"
#include "base/units.h"
#include "lab/compare/comparison.h"
#include "lab/compare/evidence.h"

namespace crucible::app {
namespace {

/// With --rounds auto: no machine is so noisy that more would help.
constexpr std::uint32_t kRoundsMost = 1000;
constexpr Duration kTimeBudget = std::chrono::minutes(5);
/// Histograms hold three significant digits.
constexpr double kMarginMin = 0.001;

constexpr const char* kCompareFooter = R"(Targets:
  coordinator:  router:  daemon:  daemon:/path.sock  null:
  synthetic:?service=1ms&workers=2   each takes options behind '?', joined by '&'
  http://host/path#connections=8     https: too; here options stand behind '#'
  nats://host/subject?mode=core      core, request, jetstream
  redis://host/stream?mode=stream    stream, pubsub
  exec:./program args                a program that speaks lines of JSON

Two stored results instead: directories or files of crucible run, Google
Benchmark's JSON or k6's summaries. What differs between them is observed, not
proven, and of the options only --margin, --json, --out and --quiet apply.

Examples:
  crucible compare coordinator: daemon:
  crucible compare coordinator: daemon: --scenario light --scenario heavy
  crucible compare 'daemon:?workers=1' 'daemon:?workers=4' --rate max
  crucible compare coordinator: daemon: --durability full --rounds 20 --json
  crucible compare --resume benchmark_results/20260131T120000Z-compare
  crucible compare benchmark_results/monday benchmark_results/tuesday
  crucible compare before.json after.json --margin 5%

Exit codes: 0 done, 2 bad usage, 3 the environment made the measurement invalid,
5 a target failed, 130 interrupted (partial result kept).)";

struct CompareArguments {
    std::string baseline;
    std::string candidate;
    std::string margin;
    std::string time_budget;
    std::string resume;
    LoadOptions load;
};

struct ComparePlan {
    lab::ExperimentOptions experiment;
    lab::CompareOptions compare;
    bool auto_rounds = false;
};

Result<double> parse_margin(const std::string& text) {
    if (text.empty()) return lab::kDefaultMargin;
    const auto margin = base::parse_fraction(text);
    if (!margin)
        return std::unexpected(
            Error{Errc::invalid_argument, "--margin: " + margin.error().message});
    if (!(*margin >= kMarginMin && *margin <= 1)) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("--margin '{}': from {:g}%, the resolution of recorded latencies, to "
                              "100%",
                              text, kMarginMin * 100)});
    }
    return margin;
}

Result<Duration> parse_time_budget(const CompareArguments& arguments, bool auto_rounds) {
    if (arguments.time_budget.empty()) return auto_rounds ? kTimeBudget : Duration::zero();
    const auto budget = base::parse_duration(arguments.time_budget);
    if (!budget)
        return std::unexpected(
            Error{Errc::invalid_argument, "--time-budget: " + budget.error().message});
    if (*budget <= Duration::zero()) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("--time-budget '{}': above 0", arguments.time_budget)});
    }
    return budget;
}

/// What the daemon's designers promise of it against embedded coordinators, where a scenario says
/// nothing else.
void add_default_expectations(const lab::TargetUrl& baseline, const lab::TargetUrl& candidate,
                              std::vector<lab::Scenario>& scenarios) {
    if (baseline.scheme != "coordinator" || candidate.scheme != "daemon") return;
    const std::vector<lab::Expectation> promised{
        {.metric = lab::find_metric("throughput"), .low = 0.10, .high = 0.30},
        {.metric = lab::find_metric("memory_peak"), .low = -0.25, .high = -0.15},
        {.metric = lab::find_metric("latency_p50"), .low = -0.20, .high = -0.05},
        {.metric = lab::find_metric("latency_p99"), .low = -0.20, .high = -0.05}};
    for (auto& scenario : scenarios) {
        if (scenario.expectations.empty()) scenario.expectations = promised;
    }
}

Result<ComparePlan> make_plan(const CompareArguments& arguments) {
    for (const auto& [url, name] : {std::pair(&arguments.baseline, "baseline"),
                                    std::pair(&arguments.candidate, "candidate")}) {
        if (!url->empty()) continue;
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("{} is required; see crucible compare --help", name)});
    }
    auto baseline = resolve_target(arguments.baseline, arguments.load);
    if (!baseline) return std::unexpected(baseline.error());
    auto candidate = resolve_target(arguments.candidate, arguments.load);
    if (!candidate) return std::unexpected(candidate.error());
    const auto margin = parse_margin(arguments.margin);
    if (!margin) return std::unexpected(margin.error());
    const auto seed = resolve_seed(arguments.load);
    if (!seed) return std::unexpected(seed.error());
    const bool auto_rounds = arguments.load.rounds.empty() || arguments.load.rounds == "auto";
    const auto rounds =
        auto_rounds ? Result<std::uint32_t>(kRoundsMost) : resolve_rounds(arguments.load, 1);
    if (!rounds) return std::unexpected(rounds.error());
    const auto budget = parse_time_budget(arguments, auto_rounds);
    if (!budget) return std::unexpected(budget.error());
    auto scenarios = resolve_scenarios(arguments.load, {.capacity_phase = true}, *seed);
    if (!scenarios) return std::unexpected(scenarios.error());
    const auto applied = apply_client_option({&*baseline, &*candidate}, *scenarios);
    if (!applied) return std::unexpected(applied.error());
    if (const auto fitting = check_targets({&*baseline, &*candidate}, *scenarios); !fitting)
        return std::unexpected(fitting.error());
    add_default_expectations(*baseline, *candidate, *scenarios);
    for (auto& scenario : *scenarios) scenario.warmup_by_rule = arguments.load.warmup.empty();
    return ComparePlan{.experiment = {.baseline = std::move(*baseline),
                                      .candidate = std::move(*candidate),
                                      .scenarios = std::move(*scenarios),
                                      .rounds = *rounds,
                                      .time_budget = *budget,
                                      .seed = *seed},
                       .compare = {.margin = *margin, .seed = *seed},
                       .auto_rounds = auto_rounds};
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

void add_options(CLI::App& command, CompareArguments& arguments) {
    command
        .add_option("baseline", arguments.baseline,
                    "today's system, a target URL; or a stored result")
        ->type_name("URL|PATH");
    command.add_option("candidate", arguments.candidate, "what might replace it, likewise")
        ->type_name("URL|PATH");
    command
        .add_option("--margin", arguments.margin,
                    fmt::format("differences within ± this do not matter (default {:g}%)",
                                lab::kDefaultMargin * 100))
        ->type_name("P%");
    command
        .add_option("--time-budget", arguments.time_budget,
                    "begin no round that would end later (default 5m with --rounds auto)")
        ->type_name("TIME");
    command
        .add_option("--resume", arguments.resume,
                    "go on with the interrupted comparison in this directory; takes no other "
                    "option but --json and --quiet")
        ->type_name("DIR");
    add_load_options(command, arguments.load);
    command.footer(kCompareFooter);
}

std::vector<std::string_view> views(const std::vector<std::string>& words) {
    return {words.begin(), words.end()};
}

/// Takes the arguments of the comparison that is to go on; how it is shown stays the caller's.
Result<Journal> resume(CompareArguments& arguments, std::span<const std::string_view> args,
                       std::ostream& err) {
    const bool joined = std::ranges::any_of(
        args, [](std::string_view word) { return word.starts_with("--resume="); });
    const std::size_t own = joined ? 1 : 2;
    const std::size_t shown = (arguments.load.json ? 1u : 0u) + (arguments.load.quiet ? 1u : 0u);
    if (args.size() > own + shown) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  "--resume takes everything else from the comparison it goes on with; beside it "
                  "only --json and --quiet"});
    }
    auto journal = Journal::open(arguments.resume);
    if (!journal) return journal;
    CLI::App command("", "compare");
    CompareArguments begun;
    add_options(command, begun);
    std::ostringstream ignored;
    if (parse_arguments(command, views(journal->words()), ignored, err)) {
        return std::unexpected(Error{
            Errc::corrupt,
            fmt::format("--resume '{}': the command in its journal is not one", arguments.resume)});
    }
    begun.load.json = arguments.load.json;
    begun.load.quiet = arguments.load.quiet;
    begun.load.out = arguments.resume;
    begun.resume = arguments.resume;
    arguments = std::move(begun);
    return journal;
}

/// The rounds are the journal's from now on: those it has are not run again, new ones go there.
Result<> attach(const Journal& journal, ComparePlan& plan) {
    auto done = journal.rounds(plan.experiment.scenarios.size());
    if (!done) return std::unexpected(done.error());
    plan.experiment.done = *std::move(done);
    plan.experiment.on_round = [&journal](std::size_t scenario, const lab::Round& round) {
        return journal.keep(scenario, round);
    };
    if (plan.auto_rounds) {
        plan.experiment.needs_more = [options = plan.compare](const lab::Experiment& experiment) {
            return lab::needs_more_rounds(experiment, options);
        };
    }
    return {};
}

/// Of results that exist already: the exit code.
int compare_results(const CLI::App& command, const CompareArguments& arguments,
                    std::span<const std::string_view> args, std::ostream& out, std::ostream& err) {
    if (const auto fitting = check_stored_options(command); !fitting)
        return usage_error(err, fitting.error().message);
    const auto margin = parse_margin(arguments.margin);
    if (!margin) return usage_error(err, margin.error().message);
    return compare_stored({.baseline = arguments.baseline,
                           .candidate = arguments.candidate,
                           .out = arguments.load.out,
                           .margin = *margin,
                           .json = arguments.load.json},
                          args, out, err);
}

/// What the program ends with once the result is shown.
int outcome(const lab::Experiment& experiment, const lab::Comparison& comparison,
            const std::filesystem::path& directory, std::ostream& err) {
    if (experiment.interrupted) {
        err << "crucible: interrupted; go on with: crucible compare --resume " << directory.string()
            << '\n';
        return kInterrupted;
    }
    if (experiment.failure) {
        err << "crucible: " << experiment.failure->message << "; the partial result is kept\n";
        return kTargetFailed;
    }
    if (comparison.voided) {
        err << "crucible: the comparison is void: " << comparison.reasons.front() << '\n';
        return kEnvironmentInvalid;
    }
    if (environment_invalid(experiment)) {
        err << "crucible: most rounds are invalid on this machine now; see the failed checks\n";
        return kEnvironmentInvalid;
    }
    return kDone;
}

}  // namespace

int compare_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err) {
    CLI::App command("Compares two systems under the same load and says which to ship.", "compare");
    CompareArguments arguments;
    add_options(command, arguments);
    if (const auto ended = parse_arguments(command, args, out, err)) return *ended;
    const auto stored = name_stored_results(arguments.baseline, arguments.candidate);
    if (!stored) return usage_error(err, stored.error().message);
    if (*stored) return compare_results(command, arguments, args, out, err);
    std::optional<Journal> resumed;
    if (!arguments.resume.empty()) {
        auto journal = resume(arguments, args, err);
        if (!journal) return usage_error(err, journal.error().message);
        resumed = *std::move(journal);
    }
    auto plan = make_plan(arguments);
    if (!plan) return usage_error(err, plan.error().message);
    const auto awake = begin_realtime(arguments.load);
    if (!awake) return usage_error(err, awake.error().message);
    const auto directory = prepare_output(arguments.load.out, "compare");
    if (!directory) return usage_error(err, directory.error().message);
    const auto identity = experiment_identity(plan->experiment, plan->compare.margin);
    if (resumed) {
        const auto same = resumed->check_identity(identity);
        if (!same) return usage_error(err, same.error().message);
    }
    const auto journal =
        resumed ? Result<Journal>(*resumed) : Journal::begin(*directory, args, identity);
    if (!journal) return usage_error(err, journal.error().message);
    if (const auto attached = attach(*journal, *plan); !attached)
        return usage_error(err, attached.error().message);

    const auto words =
        resumed ? views(resumed->words()) : std::vector<std::string_view>(args.begin(), args.end());
    if (plan->experiment.rounds < lab::kRoundsMin && !arguments.load.quiet) {
        err << fmt::format("crucible: {} rounds decide nothing: an interval needs at least {}\n",
                           plan->experiment.rounds, lab::kRoundsMin);
    }
    auto facts = run_facts("compare", words, plan->experiment.seed);
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
    if (!experiment->interrupted && !experiment->failure) journal->remove();
    return outcome(*experiment, comparison, *directory, err);
}

}  // namespace crucible::app
