#include "support/micro_bench.h"

#include <fmt/format.h>

#include <cstdio>
#include <vector>

#include "base/clock.h"
#include "support/result_file.h"

namespace crucible::bench {
namespace {

constexpr int kDone = 0;
constexpr int kUsage = 2;
constexpr int kTargetFailed = 5;

void print_help(const MicroBench& bench) {
    fmt::print(
        "Usage: {} [--smoke] [--json FILE] [--benchmark_...]\n"
        "{}\n\n{}\n"
        "  --smoke      one short pass over a part of them\n"
        "  --json FILE  write the result as crucible.run/1\n"
        "  --help       show this\n\n"
        "Examples:\n{}\n"
        "Google Benchmark's own options:\n",
        bench.name, bench.title, bench.suites, bench.examples);
    std::fflush(stdout);
    benchmark::PrintDefaultHelp();
}

struct Arguments {
    std::string json_path;
    bool smoke = false;
    bool help = false;
    bool valid = true;
    std::vector<std::string> others;  ///< Google Benchmark's
};

Arguments parse(int argc, char** argv, std::string_view name) {
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--smoke") {
            arguments.smoke = true;
        } else if (argument == "--help" || argument == "-h") {
            arguments.help = true;
        } else if (argument == "--json" && i + 1 < argc) {
            arguments.json_path = argv[++i];
        } else if (argument.starts_with("--json=")) {
            arguments.json_path = argument.substr(7);
        } else {
            arguments.others.emplace_back(argument);
        }
    }
    for (const auto& other : arguments.others) {
        if (other.starts_with("--benchmark_") || other.starts_with("--v=")) continue;
        fmt::print(stderr, "{}: unknown argument '{}'; see --help\n", name, other);
        arguments.valid = false;
    }
    return arguments;
}

}  // namespace

int run_micro_bench(int argc, char** argv, const MicroBench& bench) {
    const Arguments arguments = parse(argc, argv, bench.name);
    if (arguments.help) {
        print_help(bench);
        return kDone;
    }
    if (!arguments.valid) return kUsage;

    // Before the given ones, which therefore win.
    std::vector<std::string> words{argv[0]};
    if (arguments.smoke) {
        words.push_back(fmt::format("--benchmark_filter={}", bench.smoke));
        words.emplace_back("--benchmark_min_time=0.001");
    }
    words.insert(words.end(), arguments.others.begin(), arguments.others.end());
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    int count = static_cast<int>(pointers.size());
    benchmark::Initialize(&count, pointers.data());
    if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return kUsage;

    bench.register_benchmarks();
    RecordingReporter reporter;
    const auto started = base::wall_now();
    const auto begin = base::monotonic_now();
    if (benchmark::RunSpecifiedBenchmarks(&reporter) == 0) return kUsage;
    benchmark::Shutdown();

    if (!arguments.json_path.empty()) {
        const std::vector<std::string> command(argv, argv + argc);
        const auto written = write_result_file(arguments.json_path, reporter, command, started,
                                               base::monotonic_now() - begin);
        if (!written) {
            fmt::print(stderr, "{}: {}\n", bench.name, written.error().message);
            return kUsage;
        }
    }
    if (const auto failure = reporter.failure(); !failure.empty()) {
        fmt::print(stderr, "{}: {}\n", bench.name, failure);
        return kTargetFailed;
    }
    return kDone;
}

void report_events(benchmark::State& state, std::uint64_t events, const Allocations& used) {
    const auto per_event = [events](std::uint64_t total) {
        return events == 0 ? 0.0 : static_cast<double>(total) / static_cast<double>(events);
    };
    state.counters["events"] = static_cast<double>(events);
    state.counters["allocations_per_event"] = per_event(used.count);
    state.counters["allocated_bytes_per_event"] = per_event(used.bytes);
}

}  // namespace crucible::bench
