// bench_scalability_testing: until when both architectures hold, how they scale, and whether the
// search for a breaking point finds one that is known.
#include <array>
#include <span>
#include <string>
#include <string_view>

#include "scalability_testing/monitoring_part.h"
#include "scalability_testing/parts.h"
#include "support/parts_bench.h"

namespace crucible::bench {
namespace {

constexpr std::string_view kScalabilityHelp =
    R"(Usage: bench_scalability_testing [options]
Until when coordinator: and daemon: hold, and how they scale: what `crucible
scale` measures, part by part. Curves are medians over rounds with 95 %
intervals, fitted with the Universal Scalability Law; trials of the two take
turns in random order.

  --part LIST     some of these parts; default all
     known        breaking points of synthetic systems of five capacities;
                  fails where an interval leaves the capacity out
     rate         breaking points, and curves up to them and beyond
     clients      1 to 16 client processes
     workers      1 to 8 workers
     services     1 to 100 services
     payload      256 B to 64 KiB
     monitoring   what sampling every thread costs: with and without it in
                  turn, on one system
  --rounds N      of the curves, default 7
  --seconds S     of each trial, default 2
  --seed N        of the order and of the events, default 1
  --json FILE     all of it, as crucible.scalability_testing/1
  --smoke         one round of short trials: shows that it works, measures
                  nothing
  --help          show this

Exit codes: 0 done, 2 bad usage, 5 a trial failed, or an interval leaves a known
capacity out.

Examples:
  bench_scalability_testing --part known
  bench_scalability_testing --part clients --rounds 11 --json clients.json
)";

/// As `crucible scale` has it: in a second a backlog that grows by 1 % hardly shows.
constexpr double kTrialSeconds = 2;

constexpr std::array kScalabilityParts{
    Part{"known", known_part},           Part{"rate", rate_part},
    Part{"clients", clients_part},       Part{"workers", workers_part},
    Part{"services", services_part},     Part{"payload", payload_part},
    Part{"monitoring", monitoring_part},
};

}  // namespace
}  // namespace crucible::bench

int main(int argc, char** argv) {
    using namespace crucible::bench;
    const std::span<char*> words(argv, static_cast<std::size_t>(argc));
    if (words.size() > 1 && words[1] == kLabWorker) return run_lab_worker(words.subspan(2));
    return run_parts_bench(words, {.name = "bench_scalability_testing",
                                   .help = std::string(kScalabilityHelp),
                                   .schema = "crucible.scalability_testing/1",
                                   .parts = kScalabilityParts,
                                   .records = {kScalings},
                                   .seconds = kTrialSeconds});
}
