// bench_comparison_analysis: the embedded coordinators against the daemon, as `crucible compare`
// judges them.
#include "support/compare_bench.h"

namespace {

constexpr std::string_view kHelp =
    "Usage: bench_comparison_analysis [--smoke] [--json FILE] [options of crucible compare]\n"
    "Compares the embedded coordinators (coordinator:) with the daemon (daemon:): light, medium,\n"
    "heavy and stress, each at its steady rate and at saturation, and spike for how they recover;\n"
    "with the criteria of the migration, what was predicted, recommendations and risks. At most "
    "30\n"
    "minutes unless --time-budget or --rounds says otherwise. With the `crucible` beside this\n"
    "program or the one that CRUCIBLE names.\n\n"
    "  --smoke      the light scenario in two short rounds: shows that it works, measures nothing\n"
    "  --json FILE  write the result as crucible.comparison/1\n"
    "  --help       show this\n\n"
    "Examples:\n"
    "  bench_comparison_analysis --rounds 20 --time-budget 2h\n"
    "  bench_comparison_analysis --json comparison.json --seed 7\n";

}  // namespace

int main(int argc, char** argv) {
    return crucible::benches::compare_bench(
        argc, argv,
        {.help = kHelp,
         .scenarios = {"light", "medium", "heavy", "stress", "spike"},
         .time_budget = "30m",
         .smoke_options = {"--scenario", "light", "--duration", "300ms"}});
}
