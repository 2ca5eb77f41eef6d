// bench_load_testing: the embedded coordinators and the daemon under every pattern of the standard
// list.
#include "support/compare_bench.h"

namespace {

constexpr std::string_view kHelp =
    "Usage: bench_load_testing [--smoke] [--json FILE] [options of crucible compare]\n"
    "Drives the embedded coordinators (coordinator:) and the daemon (daemon:) with every pattern "
    "of\n"
    "load: steady 50, 100, 500 and 1,000 events/s; bursts of 100, 500 and 1,000; ramps up and "
    "down;\n"
    "a spike, a staircase, a day, and a mix of these. Each is a scenario that `crucible` knows by\n"
    "name. Takes a minute a round, at most 30 minutes unless --time-budget or --rounds says\n"
    "otherwise.\n\n"
    "  --smoke      one pattern in two rounds: shows that it works, measures nothing\n"
    "  --json FILE  write the result as crucible.comparison/1\n"
    "  --help       show this\n\n"
    "Examples:\n"
    "  bench_load_testing --rounds 7\n"
    "  bench_load_testing --json patterns.json --arrivals poisson\n";

}  // namespace

int main(int argc, char** argv) {
    return crucible::benches::compare_bench(
        argc, argv,
        {.help = kHelp,
         .scenarios = {"steady-50", "steady-100", "steady-500", "steady-1000", "burst-100",
                       "burst-500", "burst-1000", "ramp-up", "ramp-down", "spike", "step", "sine",
                       "mixed"},
         .time_budget = "30m",
         .smoke_options = {"--pattern", "spike:100,500,100ms,300ms"}});
}
