// bench_basic_performance: what routing, publishing and requesting cost within one process.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "basic_performance/result_file.h"
#include "basic_performance/suites.h"

namespace {

constexpr int kDone = 0;
constexpr int kUsage = 2;
constexpr int kTargetFailed = 5;

constexpr std::string_view kSmokeFilter =
    "--benchmark_filter=^(route/payload:2048|(publish|handle)/.*/events:100/payload:512|"
    "request/.*/payload:512|concurrent_.*(threads|workers):(2|8))";

void print_help() {
    fmt::print(
        "Usage: bench_basic_performance [--smoke] [--json FILE] [--benchmark_...]\n"
        "What routing, publishing and requesting cost within one process.\n\n"
        "  route               finding the service of an event\n"
        "  publish             until publish() has returned for a batch\n"
        "  handle              until a batch is acknowledged: its work is done\n"
        "  request             one request and its response\n"
        "  concurrent_request  the same from 1 to 8 threads at once\n"
        "  concurrent_handle   a batch with 1 to 8 workers\n\n"
        "  --smoke      one short pass over a part of them\n"
        "  --json FILE  write the result as crucible.run/1\n"
        "  --help       show this\n\n"
        "Examples:\n"
        "  bench_basic_performance --benchmark_filter=work:real\n"
        "  bench_basic_performance --benchmark_repetitions=10 --json basic.json\n\n"
        "Google Benchmark's own options:\n");
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

Arguments parse(int argc, char** argv) {
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
        fmt::print(stderr, "bench_basic_performance: unknown argument '{}'; see --help\n", other);
        arguments.valid = false;
    }
    return arguments;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace crucible;
    const Arguments arguments = parse(argc, argv);
    if (arguments.help) {
        print_help();
        return kDone;
    }
    if (!arguments.valid) return kUsage;

    // Before the given ones, which therefore win.
    std::vector<std::string> words{argv[0]};
    if (arguments.smoke) {
        words.emplace_back(kSmokeFilter);
        words.emplace_back("--benchmark_min_time=0.001");
    }
    words.insert(words.end(), arguments.others.begin(), arguments.others.end());
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    int count = static_cast<int>(pointers.size());
    benchmark::Initialize(&count, pointers.data());
    if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return kUsage;

    bench::register_benchmarks();
    bench::RecordingReporter reporter;
    const auto started = base::wall_now();
    const auto begin = base::monotonic_now();
    if (benchmark::RunSpecifiedBenchmarks(&reporter) == 0) return kUsage;
    benchmark::Shutdown();

    if (!arguments.json_path.empty()) {
        const std::vector<std::string> command(argv, argv + argc);
        const auto written = bench::write_result_file(arguments.json_path, reporter, command,
                                                      started, base::monotonic_now() - begin);
        if (!written) {
            fmt::print(stderr, "bench_basic_performance: {}\n", written.error().message);
            return kUsage;
        }
    }
    if (const auto failure = reporter.failure(); !failure.empty()) {
        fmt::print(stderr, "bench_basic_performance: {}\n", failure);
        return kTargetFailed;
    }
    return kDone;
}
