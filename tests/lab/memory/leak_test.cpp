#include "lab/memory/leak.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace crucible::lab {
namespace {

/// Objects of 48 bytes.
SiteCourse site(std::string name, const std::function<double(double)>& objects,
                std::size_t iterations = kLeakIterationsMin) {
    SiteCourse result{std::move(name), {}, {}};
    for (std::size_t i = 0; i < iterations; ++i) {
        result.live_objects.push_back(objects(static_cast<double>(i)));
        result.live_bytes.push_back(48 * result.live_objects.back());
    }
    return result;
}

SiteCourse constant(std::string name = "constant") {
    return site(std::move(name), [](double) { return 7; });
}

LeakOptions thousand_events() {
    return {.events_per_iteration = 1000};
}

// One block of 48 bytes in each iteration of 1,000 events: 0.048 bytes per event, nothing to doubt,
// and the first place to look at.
TEST(JudgeLeaks, StatesALeakInBytesPerEvent) {
    const std::vector<SiteCourse> sites{constant(), site("leak", [](double i) { return i; })};
    const auto got = judge_leaks(sites, thousand_events());
    EXPECT_EQ(got.verdict, LeakVerdict::leak);
    EXPECT_EQ(got.reason, "1 of 2 sites: leak");
    EXPECT_EQ(got.iterations, 20u);
    ASSERT_EQ(got.growing.size(), 1u);
    EXPECT_EQ(got.growing.at(0).site, "leak");
    EXPECT_EQ(got.growing.at(0).verdict, LeakVerdict::leak);
    EXPECT_DOUBLE_EQ(got.growing.at(0).slope.value, 0.048);
    EXPECT_NEAR(got.growing.at(0).slope.ci_low, 0.048, 1e-12);
    EXPECT_NEAR(got.growing.at(0).slope.ci_high, 0.048, 1e-12);
    EXPECT_NEAR(got.growing.at(0).late_slope.ci_low, 0.048, 1e-12);
    EXPECT_LT(got.growing.at(0).p_value, 1e-8);
    ASSERT_TRUE(got.total);
    EXPECT_DOUBLE_EQ(got.total->value, 0.048);
}

// "No leak" says nothing without what would have been seen: here eight blocks of 16 bytes in the
// 19,000 events after the first point.
TEST(JudgeLeaks, SaysHowSmallALeakItWouldHaveSeen) {
    const std::vector<SiteCourse> sites{constant("a"), constant("b")};
    const auto got = judge_leaks(sites, thousand_events());
    EXPECT_EQ(got.verdict, LeakVerdict::clean);
    EXPECT_EQ(got.reason, "2 of 2 sites: clean");
    EXPECT_TRUE(got.growing.empty());
    ASSERT_TRUE(got.smallest_visible);
    EXPECT_GE(*got.smallest_visible, 8 * 16 / 19000.0);
    EXPECT_LE(*got.smallest_visible, 1.1 * 8 * 16 / 19000.0);
    // Ten times the events, ten times as fine.
    const auto longer = judge_leaks(sites, {.events_per_iteration = 10000});
    EXPECT_NEAR(*longer.smallest_visible, *got.smallest_visible / 10, 1e-12);
}

// Nineteen points rise as surely as twenty; where the line is has to be somewhere, and a run that
// was too short says so instead of being clean.
TEST(JudgeLeaks, WantsTwentyIterationsAfterWarmUp) {
    const std::vector<SiteCourse> sites{site("leak", [](double i) { return i; })};
    auto options = thousand_events();
    options.warm_up = 1;
    const auto got = judge_leaks(sites, options);
    EXPECT_EQ(got.verdict, LeakVerdict::inconclusive);
    EXPECT_EQ(got.reason, "19 iterations after warm-up; a verdict takes 20");
    EXPECT_FALSE(got.smallest_visible);
    EXPECT_FALSE(got.total);
    options.warm_up = 30;
    EXPECT_EQ(judge_leaks(sites, options).iterations, 0u);
    EXPECT_EQ(judge_leaks({}, options).reason, "no site was tracked");
}

// What fills up before the judged part begins is no growth.
TEST(JudgeLeaks, LeavesTheWarmUpOut) {
    const std::vector<SiteCourse> sites{site(
        "cache", [](double i) { return std::min(i, 5.0) * 100; }, 25)};
    auto options = thousand_events();
    options.warm_up = 5;
    EXPECT_EQ(judge_leaks(sites, options).verdict, LeakVerdict::clean);
}

// A cache that was full after two thirds of the run: it grew as fast as any leak, and stopped.
TEST(JudgeLeaks, CallsAFilledCacheBounded) {
    const std::vector<SiteCourse> sites{
        site("cache", [](double i) { return std::min(i, 12.0) * 100; })};
    const auto got = judge_leaks(sites, thousand_events());
    EXPECT_EQ(got.verdict, LeakVerdict::bounded_growth);
    ASSERT_EQ(got.growing.size(), 1u);
    EXPECT_EQ(got.growing.at(0).reason, "grew, and no longer in the last third");
    EXPECT_EQ(got.growing.at(0).late_slope.ci_low, 0);
    EXPECT_EQ(got.growing.at(0).late_slope.ci_high, 0);
}

// Full one iteration before the end: nineteen twentieths of a leak's course. Only a longer run can
// tell.
TEST(JudgeLeaks, DoesNotCallACacheALeakThatWasFullAtTheEnd) {
    const std::vector<SiteCourse> sites{
        site("cache", [](double i) { return std::min(i, 18.0) * 100; })};
    const auto got = judge_leaks(sites, thousand_events());
    EXPECT_EQ(got.verdict, LeakVerdict::inconclusive);
    EXPECT_EQ(got.growing.at(0).reason, "grew until shortly before the end");
}

// 1 - exp(-t): at the end it still gains 0.6 of what it did, and no less surely less each time.
TEST(JudgeLeaks, CallsAConvergingCacheBounded) {
    const std::vector<SiteCourse> sites{
        site("cache", [](double i) { return std::round(1e5 * (1 - std::exp(-i / 20))); })};
    const auto got = judge_leaks(sites, thousand_events());
    EXPECT_EQ(got.verdict, LeakVerdict::bounded_growth);
    EXPECT_EQ(got.growing.at(0).reason, "grows ever more slowly, in the last third too");
}

// A buffer flushed three times in every two iterations, nearly: each second value climbs, in a run
// that is too short to see where it ends.
TEST(JudgeLeaks, DoesNotCallABufferALeakThatIsFlushedInStep) {
    const std::vector<SiteCourse> sites{site(
        "buffer", [](double i) { return std::floor(1000 * std::fmod(0.5 + 1.506 * i, 1)); }, 37)};
    const auto got = judge_leaks(sites, thousand_events());
    EXPECT_EQ(got.verdict, LeakVerdict::inconclusive);
    EXPECT_EQ(got.growing.at(0).reason, "grew, but as unevenly as random walks and steps do");
}

// A leak of one object beneath a cache of a hundred that fills for a third of the run: it is not
// bounded, whatever the cache is.
TEST(JudgeLeaks, DoesNotCallALeakBeneathACacheBounded) {
    const std::vector<SiteCourse> sites{
        site("both", [](double i) { return std::min(i, 6.0) * 100 + i; })};
    const auto got = judge_leaks(sites, thousand_events());
    EXPECT_EQ(got.verdict, LeakVerdict::inconclusive);
    EXPECT_EQ(got.growing.at(0).reason, "grew more slowly towards the end, but did not stop");
    EXPECT_NEAR(got.growing.at(0).late_slope.ci_low, 0.048, 1e-12);
}

// A kilobyte per event, beside which a hundred small objects filled a cache: the leak is what
// counts.
TEST(JudgeLeaks, FindsALeakBesideASmallCache) {
    const std::vector<SiteCourse> sites{
        site("both", [](double i) { return 20000 * i + std::min(i, 6.0) * 100; })};
    EXPECT_EQ(judge_leaks(sites, thousand_events()).verdict, LeakVerdict::leak);
}

// 64 KiB that come and go hide a leak of the 10 bytes in 1,000 events that matter. With a million
// times the events they would not.
TEST(JudgeLeaks, IsNotCleanWhereALeakCouldHide) {
    const std::vector<SiteCourse> sites{
        site("buffer", [](double i) { return std::fmod(7 * i, 20) * 65536 / 48 / 20; })};
    const auto got = judge_leaks(sites, thousand_events());
    EXPECT_EQ(got.verdict, LeakVerdict::inconclusive);
    EXPECT_GT(*got.smallest_visible, 0.1);
    EXPECT_EQ(judge_leaks(sites, {.events_per_iteration = 1e9}).verdict, LeakVerdict::clean);
}

// One object that grows by a page in each iteration: bytes decide where objects do not change.
TEST(JudgeLeaks, SeesAnObjectThatGrows) {
    auto growing = constant("vector");
    for (std::size_t i = 0; i < kLeakIterationsMin; ++i) {
        growing.live_bytes[i] += 4096 * static_cast<double>(i);
    }
    const auto got = judge_leaks(std::vector{growing}, thousand_events());
    EXPECT_EQ(got.verdict, LeakVerdict::leak);
    EXPECT_DOUBLE_EQ(got.growing.at(0).slope.value, 4.096);
    growing.live_objects.clear();
    EXPECT_EQ(judge_leaks(std::vector{growing}, thousand_events()).verdict, LeakVerdict::leak);
}

// A cache whose entries differ in size, full for two iterations: their bytes still rose by luck.
TEST(JudgeLeaks, AsksTheObjectsWhetherACacheIsFull) {
    auto cache = site("cache", [](double i) { return std::min(i, 17.0) * 100; });
    cache.live_bytes[18] += 4000;
    cache.live_bytes[19] += 9000;
    EXPECT_NE(judge_leaks(std::vector{cache}, thousand_events()).verdict, LeakVerdict::leak);
    cache.live_objects.clear();
    EXPECT_EQ(judge_leaks(std::vector{cache}, thousand_events()).verdict, LeakVerdict::leak);
}

// Twice the events, twice the blocks: per event it is one leak, however long an iteration was.
TEST(JudgeLeaks, CountsEventsOfIterationsThatDiffer) {
    LeakOptions options;
    SiteCourse leak{"leak", {}, {}};
    double handled = 0;
    for (std::size_t i = 0; i < kLeakIterationsMin; ++i) {
        options.events.push_back(i % 3 == 0 ? 2000 : 1000);
        handled += options.events.back();
        leak.live_bytes.push_back(0.5 * handled);
    }
    const auto got = judge_leaks(std::vector{leak}, options);
    EXPECT_EQ(got.verdict, LeakVerdict::leak);
    EXPECT_DOUBLE_EQ(got.growing.at(0).slope.value, 0.5);
}

// Memory that is given back all along could be given back and leaked at once.
TEST(JudgeLeaks, IsNotCleanWhereMemoryFalls) {
    const std::vector<SiteCourse> sites{site("released", [](double i) { return 1000 - 10 * i; })};
    const auto got = judge_leaks(sites, thousand_events());
    EXPECT_EQ(got.verdict, LeakVerdict::inconclusive);
    EXPECT_EQ(got.growing.at(0).reason, "a leak could hide in how much it varies");
}

// Whoever looks at the list begins where most is lost; what is only not known comes after.
TEST(JudgeLeaks, SortsLeaksFirstThenBySlope) {
    const std::vector<SiteCourse> sites{
        site("slow", [](double i) { return i; }),
        site("cache", [](double i) { return std::min(i, 12.0) * 1000; }),
        site("fast", [](double i) { return 3 * i; }),
        site("late step", [](double i) { return i < 19 ? 0 : 100000; }),
    };
    const auto got = judge_leaks(sites, thousand_events());
    std::vector<std::string> names;
    for (const auto& leak : got.growing) names.push_back(leak.site);
    EXPECT_EQ(names, (std::vector<std::string>{"fast", "slow", "late step", "cache"}));
    EXPECT_EQ(got.reason, "2 of 4 sites: leak");
}

// A site for each iteration, which gains a block once: a stack for each depth of a recursion. None
// of them grows for long, and the program loses a block each time.
TEST(JudgeLeaks, SeesWhatManySitesLoseTogether) {
    std::vector<SiteCourse> sites;
    for (std::size_t at = 1; at < kLeakIterationsMin; ++at) {
        const auto begin = static_cast<double>(at);
        sites.push_back(site("step", [=](double i) { return i < begin ? 0 : 1; }));
    }
    auto options = thousand_events();
    options.negligible = 1;
    const auto got = judge_leaks(sites, options);
    EXPECT_EQ(got.verdict, LeakVerdict::inconclusive);
    EXPECT_EQ(got.reason, "all sites together grow to the end, though no single one does");
    EXPECT_DOUBLE_EQ(got.total->value, 0.048);
}

TEST(LeakVerdict, HasItsOwnName) {
    EXPECT_EQ(to_string(LeakVerdict::clean), "clean");
    EXPECT_EQ(to_string(LeakVerdict::bounded_growth), "bounded_growth");
    EXPECT_EQ(to_string(LeakVerdict::inconclusive), "inconclusive");
    EXPECT_EQ(to_string(LeakVerdict::leak), "leak");
}

}  // namespace
}  // namespace crucible::lab
