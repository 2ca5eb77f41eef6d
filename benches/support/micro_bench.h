#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "support/allocations.h"

namespace crucible::bench {

/// A bench on Google Benchmark: its words for --help and what --smoke runs.
struct MicroBench {
    std::string_view name;      ///< "bench_basic_performance"
    std::string_view title;     ///< what it answers, one line
    std::string_view suites;    ///< lines of --help
    std::string_view examples;  ///< lines of --help
    std::string_view smoke;     ///< regular expression of the benchmarks that --smoke runs
    void (*register_benchmarks)();
};

/// Its main(). Options: --smoke, --json FILE, --help, and Google Benchmark's own. Exit codes: 0, 2
/// bad usage, 5 a benchmark failed.
int run_micro_bench(int argc, char** argv, const MicroBench& bench);

/// Work may happen in other threads: the wall clock and the CPU time of the whole process count.
template <typename Function>
benchmark::internal::Benchmark* add(const std::string& name, Function function) {
    return benchmark::RegisterBenchmark(name.c_str(), function)
        ->UseRealTime()
        ->MeasureProcessCPUTime();
}

/// `events` in all; `used` while they were measured.
void report_events(benchmark::State& state, std::uint64_t events, const Allocations& used);

}  // namespace crucible::bench
