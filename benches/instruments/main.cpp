// bench_instruments: how exact the instruments of a measurement are and what they cost.
#include "instruments/suites.h"
#include "support/micro_bench.h"

int main(int argc, char** argv) {
    return crucible::bench::run_micro_bench(
        argc, argv,
        {.name = "bench_instruments",
         .title = "How exact the instruments of a measurement are and what they cost.",
         .suites = "  clock      reading the time\n"
                   "  histogram  recording a value, taking a snapshot, merging eight workers\n"
                   "  ledger     noting that an event left and that it ended\n"
                   "  schedule   when the next event is due\n"
                   "  workload   making the next event\n"
                   "  wait       how late waits of each pacing end, and their CPU time\n"
                   "  injector   one event through all of it into a system that costs nothing,\n"
                   "             with and without making its content\n"
                   "  analysis   judging 40 rounds of four scenarios, and its parts\n",
         .examples = "  bench_instruments --benchmark_filter=injector\n"
                     "  bench_instruments --benchmark_repetitions=10 --json instruments.json\n",
         .smoke = ".*",
         .register_benchmarks = crucible::bench::register_benchmarks});
}
