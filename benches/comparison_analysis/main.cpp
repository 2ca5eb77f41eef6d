// bench_comparison_analysis: the embedded coordinators against the daemon, as `crucible compare`
// judges them.
#include "support/compare_bench.h"

namespace {

constexpr std::string_view kHelp =
    "Usage: bench_comparison_analysis [--smoke] [--json FILE] [options of crucible compare]\n"
    "Compares the embedded coordinators (coordinator:) with the daemon (daemon:) under the light "
    "and\n"
    "the medium scenario, with the `crucible` beside this program or the one that CRUCIBLE "
    "names.\n\n"
    "  --smoke      the light scenario in two short rounds: shows that it works, measures nothing\n"
    "  --json FILE  write the result as crucible.comparison/1\n"
    "  --help       show this\n\n"
    "Examples:\n"
    "  bench_comparison_analysis --rounds 20\n"
    "  bench_comparison_analysis --json comparison.json --seed 7\n";

}  // namespace

int main(int argc, char** argv) {
    return crucible::benches::compare_bench(
        argc, argv,
        {.help = kHelp,
         .scenarios = {"light", "medium"},
         .smoke_options = {"--scenario", "light", "--duration", "300ms"}});
}
