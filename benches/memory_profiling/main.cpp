// bench_memory_profiling: what memory both architectures take, and whose it is, as one number of
// the load varies; over a long time; with too little of it; and with queues that are full.
#include <array>
#include <span>
#include <string>
#include <string_view>

#include "memory_profiling/parts.h"
#include "memory_profiling/stalled_coordinator.h"
#include "support/crash_service.h"
#include "support/parts_bench.h"

namespace crucible::bench {
namespace {

constexpr std::string_view kMemoryHelp =
    R"(Usage: bench_memory_profiling [options]
What memory coordinator: and daemon: take, and whose it is: trials of the lab
in rounds, each with fresh processes, in random order. Memory is that of trials
without counting, net of the harness; allocations are counted with the tracker
in trials of their own. Medians over rounds with 95 % intervals, the spread
between rounds ((greatest - least) / median), ratios within rounds, and slopes.

  --part LIST     some of these parts; default all, about an hour
     payload      1, 4, 16, 64 KiB: memory, what an event allocates, by owner,
                  and bytes for each more byte of payload
     frequency    100/s, 1,000/s and as fast as acknowledged: what an event
                  allocates, and what memory does
     long         live memory at quiet moments over a minute (or --seconds);
                  fails where the rules for leaks say that there is one
     pressure     the least memory with which everything is handled, found by
                  bisection, and how it ends with less; fails where events are
                  lost in silence
     saturation   1,024 to 16,384 events under way: bytes of a queued one; and a
                  consumer that stands still for --seconds: fails where memory
                  passes its bound or the end of an event is not accounted for
     services     1, 10 and 100 services: bytes of one more
     clients      1 to 64 clients: bytes of one more, and of an idle connection
  --payload LIST  of payload, e.g. 1KiB,4KiB
  --rounds N      default 7
  --seconds S     of each trial, default 1; of the part long 60
  --seed N        of the order and of the events, default 1
  --json FILE     all of it, as crucible.memory_profiling/1
  --smoke         one round of short trials: shows that it works, measures
                  nothing
  --help          show this

What an architecture does not have is said in its place.
Exit codes: 0 done, 2 bad usage, 5 a trial failed.

Examples:
  bench_memory_profiling --part payload,clients
  bench_memory_profiling --part long --seconds 600
)";

constexpr std::array kMemoryParts{
    Part{"payload", payload_part},
    Part{"frequency", frequency_part},
    Part{"long", long_part},
    Part{"pressure", pressure_part},
    Part{"saturation", saturation_part},
    Part{"services", services_part},
    Part{"clients", clients_part},
};

}  // namespace
}  // namespace crucible::bench

int main(int argc, char** argv) {
    using namespace crucible::bench;
    const std::span<char*> words(argv, static_cast<std::size_t>(argc));
    const std::string_view word = words.size() > 1 ? words[1] : "";
    if (word == kCrashService) return crash_service(words.subspan(2));
    if (word == kStalledCoordinator) return stalled_coordinator(words.subspan(2));
    if (word == kLabWorker) return run_lab_worker(words.subspan(2));
    return run_parts_bench(words, {.name = "bench_memory_profiling",
                                   .help = std::string(kMemoryHelp),
                                   .schema = "crucible.memory_profiling/1",
                                   .parts = kMemoryParts,
                                   .records = {kCourses, kLimits}});
}
