// bench_allocation_overhead: what the allocation tracker costs the programs that it watches.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocation_overhead/arms.h"
#include "allocation_overhead/options.h"
#include "allocation_overhead/programs.h"
#include "allocation_overhead/rounds.h"
#include "base/clock.h"
#include "base/file.h"
#include "crucible_version.h"
#include "lab/compare/json_parts.h"
#include "runtime/event/rfc3339.h"

namespace crucible::bench {
namespace {

constexpr int kDone = 0;
constexpr int kUsage = 2;
constexpr int kTargetFailed = 5;

constexpr std::string_view kHelp =
    R"(Usage: bench_allocation_overhead [options]
What the allocation tracker (libcrucible_alloc.so) costs the programs that it
watches: rounds in which the same program runs with and without it, each time in
a process of its own, in random order. Medians over rounds, and differences and
ratios within rounds, with 95 % intervals (from 6 rounds on), held against goals.

  --part LIST      some of these parts; default all, about 15 minutes
     pairs         a malloc and a free: 64 B at a time, and in a ring of 1,024
                   blocks of 16 B to 4 KiB; exact counters, and sampled stacks
     scopes        an event's allocations by the thread's counters; a change of
                   owner
     program       20 million allocations of two threads that keep and query
                   maps of strings; exact counters
     event_loop    p99 of a light event loop; sampled stacks. Three times as
                   many rounds
     all           each allocation with its stack, in a program of two threads
                   that does little else
     tools         the same beside DHAT and heaptrack
  --rounds N       default 20
  --tool-rounds N  of the part tools, default 6
  --seed N         of the order, default 1
  --json FILE      all of it, as crucible.allocation_overhead/1
  --smoke          one round of short runs: shows that it works, measures
                   nothing
  --help           show this

Stacks are sampled each 512 KiB in the mean. A goal is met where the whole
interval keeps it, missed where all of it does not, else not decided. What is
not installed, or fails, says so in its place.
Exit codes: 0 done, 2 bad usage, 5 a program failed, or the tracker did not do
in it what was asked.

Examples:
  bench_allocation_overhead --part pairs,scopes
  bench_allocation_overhead --part event_loop --rounds 40
)";

/// How much each program is asked for.
struct Amounts {
    std::uint64_t pairs = 4'000'000;
    std::uint64_t scopes = 20'000'000;
    std::uint64_t program_allocations = 20'000'000;
    std::uint64_t events = 3'000;
    std::uint64_t all_allocations = 20'000'000;
    std::uint64_t dhat_allocations = 2'000'000;
    /// Debian's heaptrack 1.4 aborts beyond some 400,000.
    std::uint64_t heaptrack_allocations = 300'000;
};
constexpr Amounts kSmokeAmounts{.pairs = 40'000,
                                .scopes = 40'000,
                                .program_allocations = 60'000,
                                .events = 50,
                                .all_allocations = 20'000,
                                .dhat_allocations = 2'000,
                                .heaptrack_allocations = 2'000};

struct Part {
    std::string_view name;
    void (*ask)(const OverheadOptions& options, const Amounts& amounts, OverheadRounds& rounds);
};

std::vector<WatchedArm> arms_of(std::string_view program, std::uint64_t amount,
                                std::initializer_list<Watch> watches) {
    std::vector<WatchedArm> arms;
    for (const Watch watch : watches) arms.push_back({{std::string(program), amount}, watch, ""});
    return arms;
}

void ask_pairs(const OverheadOptions& options, const Amounts& amounts, OverheadRounds& rounds) {
    struct Pairs {
        std::string_view program;
        std::string_view figure;
    };
    for (const auto& [program, figure] : {Pairs{"small_pairs", "64 B pair"},
                                          Pairs{"ring_pairs", "pair in a ring of 1,024 blocks"}}) {
        rounds.ask({.part = "pairs",
                    .text = fmt::format("malloc and free, {}", figure),
                    .name = "time_per_pair",
                    .unit = "s",
                    .shown_unit = "ns",
                    .shown_per_unit = 1e9,
                    .rounds = options.rounds,
                    .arms = arms_of(program, amounts.pairs,
                                    {Watch::glibc, Watch::counters, Watch::sampled}),
                    .goals = {{.figure = fmt::format("{}: counters", figure),
                               .of = Goal::Of::difference,
                               .arm = 1,
                               .limit = 5e-9},
                              {.figure = fmt::format("{}: sampled", figure),
                               .of = Goal::Of::difference,
                               .arm = 2,
                               .limit = 6e-9}}});
    }
}

void ask_scopes(const OverheadOptions& options, const Amounts& amounts, OverheadRounds& rounds) {
    rounds.ask({.part = "scopes",
                .text = "a scope, with exact counters",
                .name = "time_per_scope",
                .unit = "s",
                .shown_unit = "ns",
                .shown_per_unit = 1e9,
                .rounds = options.rounds,
                .arms = {{{"counter_scopes", amounts.scopes}, Watch::counters, "thread's counters"},
                         {{"owner_scopes", amounts.scopes}, Watch::counters, "AllocationScope"}},
                .goals = {{.figure = "an event by its thread's counters", .arm = 0, .limit = 4e-9},
                          {.figure = "an AllocationScope", .arm = 1, .limit = 4e-9}}});
}

/// Of a program that says how long it took, or its p99: the second arm to the first.
OverheadQuestion ratio_question(std::string_view part, std::string text, std::uint32_t rounds,
                                std::vector<WatchedArm> arms, Goal goal) {
    goal.of = Goal::Of::ratio;
    return {.part = std::string(part),
            .text = std::move(text),
            .name = "run_time",
            .unit = "s",
            .shown_unit = "s",
            .shown_per_unit = 1,
            .rounds = rounds,
            .arms = std::move(arms),
            .goals = {std::move(goal)}};
}

void ask_program(const OverheadOptions& options, const Amounts& amounts, OverheadRounds& rounds) {
    rounds.ask(ratio_question(
        "program",
        fmt::format("{} allocations, two threads that query maps", amounts.program_allocations),
        options.rounds,
        arms_of("queried_maps", amounts.program_allocations, {Watch::glibc, Watch::counters}),
        {.figure = "a program at work: counters / glibc", .arm = 1, .limit = 1.03}));
}

void ask_event_loop(const OverheadOptions& options, const Amounts& amounts,
                    OverheadRounds& rounds) {
    // What is rare varies more from run to run.
    const std::uint32_t rounds_of_it = options.smoke ? options.rounds : 3 * options.rounds;
    auto question = ratio_question(
        "event_loop", fmt::format("p99 of an event loop, {} events at 1,000/s", amounts.events),
        rounds_of_it, arms_of("event_loop", amounts.events, {Watch::glibc, Watch::sampled}),
        {.figure = "p99 of a light event loop: sampled / glibc", .arm = 1, .limit = 1.03});
    question.name = "latency_p99";
    question.shown_unit = "us";
    question.shown_per_unit = 1e6;
    rounds.ask(question);
}

void ask_all(const OverheadOptions& options, const Amounts& amounts, OverheadRounds& rounds) {
    rounds.ask(ratio_question(
        "all", fmt::format("{} allocations, two threads that churn maps", amounts.all_allocations),
        options.rounds,
        arms_of("churned_maps", amounts.all_allocations, {Watch::glibc, Watch::all}),
        {.figure = "all stacks / glibc", .arm = 1, .limit = 1.7}));
}

void ask_tools(const OverheadOptions& options, const Amounts& amounts, OverheadRounds& rounds) {
    struct Tool {
        Watch watch;
        std::uint64_t allocations;
        double times;
    };
    for (const auto& [tool, allocations, times] :
         {Tool{Watch::dhat, amounts.dhat_allocations, 20},
          Tool{Watch::heaptrack, amounts.heaptrack_allocations, 12}}) {
        rounds.ask(ratio_question("tools", fmt::format("{} allocations of the same", allocations),
                                  options.tool_rounds,
                                  arms_of("churned_maps", allocations, {Watch::all, tool}),
                                  {.figure = fmt::format("{} / all stacks", name_of(tool)),
                                   .arm = 1,
                                   .limit = times,
                                   .at_most = false}));
    }
}

constexpr std::array kParts{
    Part{"pairs", ask_pairs},           Part{"scopes", ask_scopes}, Part{"program", ask_program},
    Part{"event_loop", ask_event_loop}, Part{"all", ask_all},       Part{"tools", ask_tools},
};

int complain(std::string_view what) {
    fmt::print(stderr, "bench_allocation_overhead: {}\n", what);
    return kUsage;
}

Result<> write_overhead_result(const OverheadOptions& options, std::span<char* const> words,
                               WallTime started, double seconds, const OverheadRounds& rounds) {
    auto result =
        lab::header_json("crucible.allocation_overhead/1", {.version = kCrucibleVersion,
                                                            .commit = kCrucibleCommit,
                                                            .command = {words.begin(), words.end()},
                                                            .started = runtime::to_rfc3339(started),
                                                            .duration_seconds = seconds,
                                                            .seed = options.seed});
    result["sample_bytes"] = kSampleBytes;
    result["failed_runs"] = rounds.failures();
    result["questions"] = rounds.questions();
    return base::write_file(options.json_path, result.dump(1) + "\n");
}

int run(std::span<char* const> words) {
    const auto arguments = words.subspan(1);
    for (const std::string_view word : arguments) {
        if (word != "--help" && word != "-h") continue;
        fmt::print("{}", kHelp);
        return kDone;
    }
    std::vector<std::string_view> names;
    for (const auto& part : kParts) names.push_back(part.name);
    const auto options = parse_overhead_options(arguments, names);
    if (!options) return complain(options.error().message);
    const auto arms = Arms::make();
    if (!arms) return complain(arms.error().message);
    if (!options->json_path.empty()) {
        // What cannot be written is better said before than after.
        const auto emptied = base::write_file(options->json_path, "");
        if (!emptied) return complain(emptied.error().message);
    }
    const auto started = base::wall_now();
    const auto begin = base::monotonic_now();
    OverheadRounds rounds(*arms, options->seed);
    for (const auto& part : kParts)
        if (options->wants(part.name))
            part.ask(*options, options->smoke ? kSmokeAmounts : Amounts{}, rounds);
    rounds.show_goals();
    const std::chrono::duration<double> spent = base::monotonic_now() - begin;
    if (!options->json_path.empty()) {
        const auto written = write_overhead_result(*options, words, started, spent.count(), rounds);
        if (!written) return complain(written.error().message);
    }
    if (rounds.failures() == 0) return kDone;
    fmt::print(stderr, "bench_allocation_overhead: {} runs failed\n", rounds.failures());
    return kTargetFailed;
}

}  // namespace
}  // namespace crucible::bench

int main(int argc, char** argv) {
    using namespace crucible::bench;
    const std::span<char*> words(argv, static_cast<std::size_t>(argc));
    if (words.size() > 1 && words[1] == kProgramWord) return program_main(words.subspan(2));
    return run(words);
}
