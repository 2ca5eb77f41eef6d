// bench_basic_performance: what routing, publishing and requesting cost within one process.
#include "basic_performance/suites.h"
#include "support/micro_bench.h"

int main(int argc, char** argv) {
    return crucible::bench::run_micro_bench(
        argc, argv,
        {.name = "bench_basic_performance",
         .title = "What routing, publishing and requesting cost within one process.",
         .suites = "  route               finding the service of an event\n"
                   "  rules               the rules that match an event, of 10 to 100,000\n"
                   "  pick                one member of a pool, by each strategy\n"
                   "  seen                whether an event was published before\n"
                   "  publish             until publish() has returned for a batch\n"
                   "  handle              until a batch is acknowledged: its work is done\n"
                   "  request             one request and its response\n"
                   "  concurrent_request  the same from 1 to 8 threads at once\n"
                   "  concurrent_handle   a batch with 1 to 8 workers\n",
         .examples = "  bench_basic_performance --benchmark_filter=work:real\n"
                     "  bench_basic_performance --benchmark_repetitions=10 --json basic.json\n",
         .smoke = "^(route/payload:2048|rules/rules:10$|pick/|seen/.*:1000$|(publish|handle)/.*/"
                  "events:100/payload:512|"
                  "request/.*/payload:512|concurrent_.*(threads|workers):(2|8))",
         .register_benchmarks = crucible::bench::register_benchmarks});
}
