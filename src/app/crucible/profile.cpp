#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
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
#include "base/units.h"
#include "lab/memory/memory_profile.h"

namespace crucible::app {
namespace {

constexpr const char* kProfileFooter = R"(Examples:
  crucible profile coordinator: daemon:
  crucible profile coordinator: daemon: --scenario heavy --clients 8
  crucible profile coordinator: daemon: --ladder none --categories all
  crucible profile daemon: --ladder none --rounds 6 --leaks 24
  crucible profile daemon: --ladder none --rounds 1 --soak 2h --rate 1000
  crucible profile 'exec:./my-system --port 7'

Owners are the parts of the system that have allocated what is counted. Memory (memory_peak,
memory_mean) is measured in trials of their own, without counting; where memory is allocated in
others, with stacks. Beside the report are flame graphs, folded stacks and profiles for pprof.

Exit codes: 0 done, 1 a leak was found or a check failed, 2 bad usage, 3 the environment made the
measurement invalid, 5 the target failed (partial result kept), 130 interrupted (partial result
kept).)";

/// What is judged takes memory and time with the square of them.
constexpr std::uint64_t kIterationsMax = 1'000;
constexpr std::string_view kLadder = "1,4,8,16";
/// A soak has as many iterations as that, however long it is: it needs no more memory for more
/// time.
constexpr std::uint32_t kSoakIterations = 40;
constexpr Duration kSoakMin = std::chrono::seconds(10);
/// So that no iteration is longer than a pattern may be.
constexpr Duration kSoakMax = std::chrono::hours(24 * 29);
/// Long enough for a thousand events at the usual rates; memory does not need more.
constexpr const char* kDuration = "1s";

/// "1,4,8,16", or "none".
Result<std::vector<std::uint32_t>> parse_ladder(std::string_view text) {
    std::vector<std::uint32_t> ladder;
    if (text == "none") return ladder;
    for (std::string_view rest = text;;) {
        const auto comma = rest.find(',');
        const auto count = parse_count("ladder", rest.substr(0, comma), lab::kClientsMax);
        if (!count) {
            return std::unexpected(Error{
                Errc::invalid_argument,
                fmt::format("--ladder '{}': 'none', or whole numbers from 1 to {} with commas "
                            "between them",
                            text, lab::kClientsMax)});
        }
        ladder.push_back(static_cast<std::uint32_t>(*count));
        if (comma == std::string_view::npos) return ladder;
        rest.remove_prefix(comma + 1);
    }
}

/// "512,2048", or "none".
Result<std::optional<lab::InFlightSizes>> parse_in_flight(std::string_view text,
                                                          std::uint32_t clients) {
    if (text == "none") return std::optional<lab::InFlightSizes>();
    const auto comma = text.find(',');
    const auto few = parse_count("in flight", text.substr(0, comma), lab::kInFlightMax);
    const auto rest = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    const auto many = parse_count("in flight", rest, lab::kInFlightMax);
    if (!few || !many || *many < 2 * *few || *many % *few != 0) {
        return std::unexpected(Error{
            Errc::invalid_argument,
            fmt::format("--in-flight '{}': 'none', or two numbers of events from 1 to {} with "
                        "a comma between them, the second a multiple of the first, e.g. "
                        "512,2048",
                        text, lab::kInFlightMax)});
    }
    if (*few < clients) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("--in-flight '{}': {} clients need as many events at least", text,
                              clients)});
    }
    return std::optional(lab::InFlightSizes{.few = static_cast<std::uint32_t>(*few),
                                            .many = static_cast<std::uint32_t>(*many)});
}

/// "all", "none", or names with commas between them; those that `mix` has, in its order.
Result<std::vector<Category>> parse_categories(std::string_view text, const lab::Mix& mix) {
    std::vector<Category> all;
    for (const Category category : mix.block())
        if (std::ranges::find(all, category) == all.end()) all.push_back(category);
    if (text == "all") return all;
    if (text == "none") return std::vector<Category>();
    std::vector<Category> asked;
    for (std::string_view rest = text;;) {
        const auto comma = rest.find(',');
        const auto category = parse_category(rest.substr(0, comma));
        if (!category || std::ranges::find(all, *category) == all.end()) {
            return std::unexpected(
                Error{Errc::invalid_argument,
                      fmt::format("--categories '{}': 'all', 'none', or categories of the mix {} "
                                  "with commas between them",
                                  text, mix.text())});
        }
        if (std::ranges::find(asked, *category) == asked.end()) asked.push_back(*category);
        if (comma == std::string_view::npos) return asked;
        rest.remove_prefix(comma + 1);
    }
}

/// What the command line asks for.
struct Asked {
    std::vector<std::string> targets;
    std::string ladder{kLadder};
    std::string in_flight = "512,2048";
    std::string categories = "none";
    std::string stacks = "all";
    std::string leaks;
    std::string soak;
    LoadOptions load;
};

/// "all", "none", or how many bytes lie between samples.
Result<std::optional<std::uint64_t>> parse_stacks(const std::string& text) {
    if (text == "none") return std::optional<std::uint64_t>();
    if (text == "all") return std::optional<std::uint64_t>(0);
    const auto bytes = base::parse_bytes(text);
    if (!bytes || *bytes == 0 || *bytes > lab::kStackDistanceMax) {
        return std::unexpected(Error{
            Errc::invalid_argument,
            fmt::format("--stacks '{}': 'all', 'none', or the mean distance of samples from 1B "
                        "to 1TiB, e.g. 512KiB",
                        text)});
    }
    return std::optional(*bytes);
}

/// How targets are watched for leaks, with --leaks or --soak; the scenario is the profile's, or as
/// long as an iteration of a soak.
Result<std::optional<lab::LeakWatchOptions>> leak_options(const Asked& asked,
                                                          const lab::Scenario& scenario,
                                                          std::uint64_t seed) {
    if (!asked.leaks.empty() && !asked.soak.empty()) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  "--leaks and --soak: one of them; a soak is as long as it says, --leaks has so "
                  "many iterations"});
    }
    lab::LeakWatchOptions watch{.scenario = scenario};
    if (!asked.leaks.empty()) {
        const auto iterations = parse_count("--leaks", asked.leaks, kIterationsMax);
        if (!iterations || *iterations < lab::kLeakIterationsMin) {
            return std::unexpected(Error{
                Errc::invalid_argument,
                fmt::format("--leaks '{}': a whole number from {} to {}; fewer iterations say "
                            "nothing",
                            asked.leaks, lab::kLeakIterationsMin, kIterationsMax)});
        }
        watch.iterations = static_cast<std::uint32_t>(*iterations);
        return std::optional(std::move(watch));
    }
    if (asked.soak.empty()) return std::optional<lab::LeakWatchOptions>();
    const auto length = base::parse_duration(asked.soak);
    if (!length || *length < kSoakMin || *length > kSoakMax) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("--soak '{}': a duration from 10s to 696h, e.g. 2h", asked.soak)});
    }
    if (!asked.load.events.empty() || !asked.load.pattern.empty()) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  "--soak: says how long the load is; --events and --pattern do so too"});
    }
    LoadOptions load = asked.load;
    const auto each = *length / (lab::kLeakWarmUp + kSoakIterations);
    load.duration =
        fmt::format("{}ms", std::chrono::duration_cast<std::chrono::milliseconds>(each).count());
    load.warmup = "0s";
    auto scenarios = resolve_scenarios(load, {.capacity_phase = false}, seed);
    if (!scenarios) return std::unexpected(scenarios.error());
    watch.scenario = std::move(scenarios->front());
    watch.iterations = kSoakIterations;
    return std::optional(std::move(watch));
}

Result<lab::ProfileOptions> profile_options(Asked& asked) {
    lab::ProfileOptions options;
    for (const auto& text : asked.targets) {
        auto target = resolve_target(text, asked.load);
        if (!target) return std::unexpected(target.error());
        options.targets.push_back(*std::move(target));
    }
    const auto ladder = parse_ladder(asked.ladder);
    if (!ladder) return std::unexpected(ladder.error());
    options.ladder = *ladder;
    const auto stacks = parse_stacks(asked.stacks);
    if (!stacks) return std::unexpected(stacks.error());
    options.stack_distance = *stacks;
    const auto seed = resolve_seed(asked.load);
    if (!seed) return std::unexpected(seed.error());
    options.seed = *seed;
    const auto rounds = resolve_rounds(asked.load, options.rounds);
    if (!rounds) return std::unexpected(rounds.error());
    options.rounds = *rounds;
    if (asked.load.scenarios.size() > 1)
        return std::unexpected(
            Error{Errc::invalid_argument, "--scenario: a profile has one scenario"});
    if (asked.load.duration.empty() && asked.load.events.empty() && asked.load.pattern.empty())
        asked.load.duration = kDuration;
    auto scenarios = resolve_scenarios(asked.load, {.capacity_phase = false}, *seed);
    if (!scenarios) return std::unexpected(scenarios.error());
    for (const auto& target : options.targets) {
        if (target.option("clients") != nullptr) {
            return std::unexpected(
                Error{Errc::invalid_argument,
                      fmt::format("{}: clients: a profile changes the number of clients; give it "
                                  "with --clients and --ladder",
                                  target.text)});
        }
        if (const auto fitting = check_targets({&target}, *scenarios); !fitting)
            return std::unexpected(fitting.error());
    }
    options.scenario = std::move(scenarios->front());
    const auto in_flight = parse_in_flight(asked.in_flight, options.scenario.plan.clients);
    if (!in_flight) return std::unexpected(in_flight.error());
    options.in_flight = *in_flight;
    auto categories = parse_categories(asked.categories, options.scenario.plan.workload.mix);
    if (!categories) return std::unexpected(categories.error());
    options.categories = *std::move(categories);
    auto leaks = leak_options(asked, options.scenario, *seed);
    if (!leaks) return std::unexpected(leaks.error());
    options.leaks = *std::move(leaks);
    auto tracker = lab::find_tracker();
    if (!tracker) return std::unexpected(tracker.error());
    options.tracker = *std::move(tracker);
    return options;
}

/// What was judged and found wrong, a line each.
std::vector<std::string> faults(const lab::MemoryProfile& profile) {
    std::vector<std::string> lines;
    for (const auto& check : profile.checks)
        if (!check.passed) lines.push_back(fmt::format("{}: {}", check.name, check.detail));
    for (const auto& target : profile.targets) {
        if (!target.leak || target.leak->judgement.verdict != lab::LeakVerdict::leak) continue;
        // Those that leak come first.
        const auto& worst = target.leak->judgement.growing.front();
        lines.push_back(fmt::format("{}: leaks: {}, {:.3g} bytes an event sent", target.target,
                                    worst.site, worst.slope.value));
    }
    return lines;
}

}  // namespace

int profile_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err) {
    CLI::App command(
        "Counts the allocations of one system, or of two and compares them: every byte "
        "with its owner.",
        "profile");
    Asked asked;
    add_targets(command, asked.targets, "the system, or baseline and candidate", 2);
    command
        .add_option("--ladder", asked.ladder,
                    "numbers of clients at which memory is measured besides --clients, or none "
                    "(default 1,4,8,16)")
        ->type_name("N,N,...");
    command
        .add_option("--in-flight", asked.in_flight,
                    "what an event in flight takes: bursts of so few events and of so many, as "
                    "many in all, or none (default 512,2048)")
        ->type_name("FEW,MANY");
    command
        .add_option("--categories", asked.categories,
                    "measure events of one category alone as well: all of the mix, some, or none "
                    "(the default)")
        ->type_name("all|none|NAME,...");
    command
        .add_option(
            "--leaks", asked.leaks,
            "watch each target for leaks, over so many iterations (at least 20) of 1/2 to 3/2 of "
            "the load's length, after the rounds")
        ->type_name("N");
    command
        .add_option("--soak", asked.soak,
                    "watch each target for leaks for so long, e.g. 2h, after the rounds, in 44 "
                    "iterations without --warmup, of which the first 4 warm up")
        ->type_name("TIME");
    command
        .add_option("--stacks", asked.stacks,
                    "where memory is allocated: of each allocation (all, the default), of samples "
                    "so many bytes apart in the mean (e.g. 512KiB), or none")
        ->type_name("all|none|SIZE");
    add_load_options(command, asked.load);
    command.get_option("--scenario")
        ->description("light, medium, heavy, stress, a pattern such as spike, or a TOML file");
    command.get_option("--rounds")->description("rounds of all trials (default 10)");
    command.footer(kProfileFooter);
    if (const auto ended = parse_arguments(command, args, out, err)) return *ended;
    auto options = profile_options(asked);
    if (!options) return usage_error(err, options.error().message);
    const auto awake = begin_realtime(asked.load);
    if (!awake) return usage_error(err, awake.error().message);
    const auto directory = prepare_output(asked.load.out, "profile");
    if (!directory) return usage_error(err, directory.error().message);

    auto facts = run_facts("profile", args, options->seed);
    const InterruptGuard interrupt;
    options->stop = interrupt.token();
    const TimePoint started = base::monotonic_now();
    lab::MemoryProfile profile;
    {
        ProgressLine progress(err, asked.load.quiet);
        options->on_progress = [&](const lab::ProfileProgress& at) {
            progress.show(fmt::format("round {}/{} {}", at.round, at.rounds, at.what), at.trial);
        };
        profile = lab::run_memory_profile(*options);
    }
    facts.duration_seconds = std::chrono::duration<double>(base::monotonic_now() - started).count();
    const auto result = lab::memory_json(facts, *options, profile);
    if (const auto shown = show_result(out, result, *directory, asked.load.json); !shown) {
        err << "crucible: " << shown.error().message << '\n';
        return kBadUsage;
    }
    // Last: what else was measured is kept whatever becomes of these.
    if (const auto written = lab::write_stacks(*directory, profile); !written) {
        err << "crucible: " << written.error().message << "; the result is kept without it\n";
        return kBadUsage;
    }
    if (profile.interrupted) return kInterrupted;
    if (profile.failure) {
        err << "crucible: " << profile.failure->message << "; the partial result is kept\n";
        return kTargetFailed;
    }
    for (const auto& target : profile.targets) {
        if (target.failed_trials.empty()) continue;
        err << "crucible: " << target.target << ' ' << target.failed_trials.front()
            << "; the partial result is kept\n";
        return kTargetFailed;
    }
    for (const auto& target : profile.targets) {
        if (target.cells.contains(profile.clients)) continue;
        err << "crucible: no trial of " << target.target
            << " was valid: a check that the measurement rests on failed in each\n";
        return kEnvironmentInvalid;
    }
    const auto wrong = faults(profile);
    for (const auto& line : wrong) err << "crucible: " << line << '\n';
    return wrong.empty() ? kDone : kJudgedFailed;
}

}  // namespace crucible::app
