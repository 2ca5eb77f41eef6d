#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "lab/memory/leak.h"
#include "lab/memory/simulated_sites.h"

namespace crucible::lab {
namespace {

// How often the verdicts are wrong, from programs of which the truth is known. All are seeded: the
// counts are exact, and docs/design/leaks.md quotes them.

constexpr double kEvents = 1000;

using Program = std::function<std::vector<SiteCourse>(SimulatedSites&)>;

/// Verdicts of one site, or of the run.
struct Counts {
    int leak = 0;
    int inconclusive = 0;
    int bounded = 0;
    int clean = 0;

    void add(LeakVerdict verdict) {
        leak += verdict == LeakVerdict::leak;
        inconclusive += verdict == LeakVerdict::inconclusive;
        bounded += verdict == LeakVerdict::bounded_growth;
        clean += verdict == LeakVerdict::clean;
    }
    friend bool operator==(const Counts&, const Counts&) = default;
};

void PrintTo(const Counts& counts, std::ostream* out) {
    *out << counts.leak << " leak, " << counts.inconclusive << " inconclusive, " << counts.bounded
         << " bounded, " << counts.clean << " clean";
}

LeakJudgement judge(const std::vector<SiteCourse>& sites, const SimulatedSites& simulated) {
    LeakOptions options;
    options.events = simulated.events();
    return judge_leaks(sites, options);
}

Counts verdicts(std::uint64_t seeds, const Program& program, bool equal = false) {
    Counts counts;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        SimulatedSites simulated(seed, kLeakIterationsMin, kEvents, equal);
        counts.add(judge(program(simulated), simulated).verdict);
    }
    return counts;
}

/// Of a leak in a program of twenty other sites: how often its own verdict is leak and no other
/// site's is.
int times_found(std::uint64_t seeds, double events, double block, double events_per_block) {
    int found = 0;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        SimulatedSites simulated(seed, kLeakIterationsMin, events);
        auto sites = simulated.clean_program();
        sites.push_back(simulated.leak(block, events_per_block));
        const auto got = judge(sites, simulated);
        found += got.growing.at(0).site == "leak" &&
                 std::ranges::count(got.growing, LeakVerdict::leak, &SiteLeak::verdict) == 1;
    }
    return found;
}

// The least that has to be found: one block of 48 bytes per 1,000 events within 20 iterations of
// any length that leaks ten blocks, in 99 of 100 runs.
TEST(LeakSimulation, FindsABlockIn1000Events) {
    EXPECT_EQ(times_found(200, 500, 48, 1000), 200);
    EXPECT_EQ(times_found(200, 700, 48, 1000), 200);
    EXPECT_EQ(times_found(200, 1000, 48, 1000), 200);
    EXPECT_EQ(times_found(200, 4000, 48, 1000), 200);
}

TEST(LeakSimulation, FindsEveryLeakOfEachEvent) {
    for (const double block : {16, 64, 1024}) EXPECT_EQ(times_found(100, kEvents, block, 1), 100);
}

// At most one false leak in 1,000 programs of twenty sites that leak nothing. Hardly one is clean
// by 20,000 events: some buffer of theirs could hide more than 10 bytes in 1,000 events. Equal
// iterations would accuse those whose buffers keep step with them.
TEST(LeakSimulation, DoesNotAccuseCleanPrograms) {
    const auto program = [](SimulatedSites& sites) { return sites.clean_program(); };
    EXPECT_EQ(verdicts(1000, program), (Counts{.inconclusive = 1000}));
    EXPECT_EQ(verdicts(1000, program, true).leak, 46);
}

// Walks are what deceives a test of trends: half of them have one at 1 %. Fifty walks of each
// program are as many chances.
TEST(LeakSimulation, IsNotDeceivedByManyWalks) {
    const auto counts = verdicts(100, [](SimulatedSites& sites) {
        std::vector<SiteCourse> walks;
        for (int i = 0; i < 50; ++i) walks.push_back(sites.bounded_walk(64, 1000, 1e6));
        return walks;
    });
    EXPECT_EQ(counts, (Counts{.inconclusive = 100}));
}

// A buffer of 2 to 20 times what an iteration leaks, on the same site: the run may be too short to
// tell, but nothing says that there is no leak.
TEST(LeakSimulation, NeverCallsALeakBeneathASawToothClean) {
    Counts counts;
    for (const double times : {2, 5, 10, 20}) {
        for (std::uint64_t seed = 0; seed < 100; ++seed) {
            SimulatedSites simulated(seed, kLeakIterationsMin, kEvents);
            const auto buffer = simulated.saw_tooth(simulated.flush_period(), times * 16000);
            counts.add(judge({both(buffer, simulated.leak(16, 1))}, simulated).verdict);
        }
    }
    EXPECT_EQ(counts, (Counts{.leak = 305, .inconclusive = 95}));
    const auto small = verdicts(200, [](SimulatedSites& sites) {
        const auto buffer = sites.saw_tooth(sites.flush_period(), 65536);
        return std::vector{both(buffer, sites.leak(48, 1000))};
    });
    EXPECT_EQ(small, (Counts{.inconclusive = 200}));
}

TEST(LeakSimulation, NeverCallsALeakBeneathACacheBounded) {
    const auto counts = verdicts(200, [](SimulatedSites& sites) {
        return std::vector{both(sites.lru_cache(0.3 * sites.end(), 0), sites.leak(48, 10))};
    });
    EXPECT_EQ(counts, (Counts{.leak = 68, .inconclusive = 132}));
}

TEST(LeakSimulation, CallsPoolsAndFilledCachesBounded) {
    const auto of = [](auto make) {
        return verdicts(200, [=](SimulatedSites& sites) { return std::vector{make(sites)}; });
    };
    const Counts all{.bounded = 200};
    EXPECT_EQ(of([](auto& sites) { return sites.log_pool(sites.log_uniform(300, 1e5), 1); }), all);
    EXPECT_EQ(of([](auto& sites) { return sites.log_pool(sites.log_uniform(300, 1e5), 5); }), all);
    EXPECT_EQ(of([](auto& sites) { return sites.lru_cache(sites.end() * 2 / 3, 0); }), all);
    // Full, but its bytes still go up and down with the entries, and a level of 95 % leaves a few.
    EXPECT_EQ(of([](auto& sites) { return sites.lru_cache(sites.end() * 2 / 3, 0.3); }),
              (Counts{.inconclusive = 3, .bounded = 197}));
}

// A flush that nearly keeps step with equal iterations is not seen within the run, and what is
// left looks like any leak: 21 in 1,000 of periods from a tenth of an iteration to ten. With
// lengths drawn from half to one and a half of the mean it is seen.
TEST(LeakSimulation, UnequalIterationsBreakTheStepOfABuffer) {
    const auto program = [](SimulatedSites& sites) {
        return std::vector{sites.saw_tooth(sites.log_uniform(0.1, 10), 1e5)};
    };
    EXPECT_EQ(verdicts(1000, program, true).leak, 21);
    EXPECT_EQ(verdicts(1000, program).leak, 0);
}

// What twenty iterations do not tell. Blocks lost at random come as unevenly as a walk until there
// are about ten in each iteration; a cache that will be full long after the run has a leak's course
// already; eight blocks could be steps.
TEST(LeakSimulation, HasItsLimits) {
    const auto of = [](auto make) {
        return verdicts(200, [=](SimulatedSites& sites) { return std::vector{make(sites)}; });
    };
    const auto random = [&](double each) {
        return of([=](auto& sites) { return sites.random_leak(48, each); });
    };
    EXPECT_EQ(random(1), (Counts{.leak = 49, .inconclusive = 144, .bounded = 7}));
    EXPECT_EQ(random(10), (Counts{.leak = 184, .inconclusive = 16}));
    EXPECT_EQ(random(100), (Counts{.leak = 199, .inconclusive = 1}));
    const auto converging = [&](double runs) {
        return of([=](auto& sites) {
            return sites.converging_cache(sites.log_uniform(100, 1e4), runs * sites.end());
        });
    };
    EXPECT_EQ(converging(0.5), (Counts{.inconclusive = 133, .bounded = 67}));
    EXPECT_EQ(converging(1), (Counts{.leak = 5, .inconclusive = 168, .bounded = 27}));
    EXPECT_EQ(converging(2), (Counts{.leak = 82, .inconclusive = 112, .bounded = 6}));
    EXPECT_EQ(of([](auto& sites) { return sites.leak(48, 2500); }),
              (Counts{.leak = 64, .inconclusive = 136}));
}

// A leak as large as a run says it would have seen is seen in another run with as much noise, and
// one of a quarter of it about every second time.
TEST(LeakSimulation, SeesWhatItSaysItWould) {
    Counts as_large;
    Counts quarter;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SimulatedSites simulated(seed, kLeakIterationsMin, kEvents);
        const auto noise = [&] { return simulated.bounded_walk(64, 50, 200); };
        const double visible = *judge({noise()}, simulated).growing.at(0).smallest_visible;
        const auto leak = [&](double times) { return simulated.leak(16, 16 / visible / times); };
        as_large.add(judge({both(noise(), leak(1))}, simulated).verdict);
        quarter.add(judge({both(noise(), leak(0.25))}, simulated).verdict);
    }
    EXPECT_EQ(as_large, (Counts{.leak = 194, .inconclusive = 6}));
    EXPECT_EQ(quarter, (Counts{.leak = 112, .inconclusive = 88}));
}

}  // namespace
}  // namespace crucible::lab
