#include "lab/memory/growth.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace crucible::lab {
namespace {

std::vector<double> course(std::size_t count, double (*value)(double)) {
    std::vector<double> result;
    for (std::size_t i = 0; i < count; ++i) result.push_back(value(static_cast<double>(i)));
    return result;
}

std::vector<double> counted(std::size_t count) {
    return course(count, [](double i) { return i; });
}

constexpr SpanRates kEven{2, 2, 2, 2, 2, 2, 2, 2, 2};

// 20 values have 19 increments: three for the first span, two for each of the others. A span counts
// its events, so that one of 2,000 weighs no more than one of 20. None is left out: a saw-tooth
// flushed just after the first value would be a leak without it.
TEST(SpanRates, CountEventsAndLeaveNothingOut) {
    std::vector<double> events = counted(20);
    std::vector<double> values = course(20, [](double i) { return 3 * i; });
    values[0] = 30;
    auto rates = span_rates(events, values);
    EXPECT_DOUBLE_EQ(rates[0], (9 - 30) / 3.0);
    for (std::size_t i = 1; i < kSpans; ++i) EXPECT_DOUBLE_EQ(rates[i], 3);
    for (std::size_t i = 11; i < 20; ++i) events[i] += 10, values[i] += 30;
    rates = span_rates(events, values);
    for (std::size_t i = 1; i < kSpans; ++i) EXPECT_DOUBLE_EQ(rates[i], 3);
    EXPECT_EQ(last_third(values).size(), 7u);
    EXPECT_EQ(last_third(events).front(), 23);
}

// t = 5/3 / (2.5/3) = 2 with 8 degrees of freedom. Rates that are all the same have no
// variance and leave no doubt; those that fall are none of ours.
TEST(DriftP, IsStudentsOfTheRates) {
    EXPECT_NEAR(drift_p({5, 0, 5, 0, 5, 0, 0, 0, 0}), 0.0805, 1e-4);
    EXPECT_EQ(drift_p(kEven), 0);
    EXPECT_EQ(drift_p({-2, -2, -2, -2, -2, -2, -2, -2, -2}), 1);
    EXPECT_EQ(drift_p({}), 1);
}

// Half of the pace before, for certain: a third of it never, and 0.6 of it only where the rates
// vary by less than that tells.
TEST(KeepsPace, WantsHalfOfItForCertain) {
    EXPECT_TRUE(keeps_pace(kEven));
    EXPECT_TRUE(keeps_pace({2, 2, 2, 2, 2, 2, 1.2, 1.2, 1.2}));
    EXPECT_FALSE(keeps_pace({2, 3, 1, 2, 3, 1, 1.2, 2, 0.4}));
    EXPECT_FALSE(keeps_pace({3, 3, 3, 3, 3, 3, 1, 1, 1}));
    EXPECT_FALSE(keeps_pace({}));
}

// A cache that fills has a last third without gain; 1 - exp(-t) one that differs less for certain,
// but never a rate above the one before. A leak beside which a small cache fills does not slow
// down.
TEST(SlowsDown, SeesStepsAndSlopes) {
    EXPECT_TRUE(slows_down({2, 2, 2, 2, 2, 2, 0, 0, 0}));
    EXPECT_TRUE(slows_down({9, 8, 7, 6, 5, 4, 3, 2, 1}));
    EXPECT_FALSE(slows_down({2, 3, 1, 2, 3, 1, 2, 1, 2}));
    EXPECT_FALSE(slows_down(kEven));
    EXPECT_FALSE(slows_down({100, 100, 100, 100, 100, 100, 91, 91, 91}));
    EXPECT_TRUE(slows_down({100, 100, 100, 100, 100, 100, 89, 89, 89}));
}

// 0 0 1 1 2 2 waits two iterations for each maximum and one at the end; one iteration more is as
// long as ever.
TEST(StandsStill, CountsFromTheLastMaximum) {
    const auto of = [](const std::vector<double>& values) {
        return stands_still(counted(values.size()), values);
    };
    EXPECT_FALSE(of({0, 0, 1, 1, 2, 2}));
    EXPECT_TRUE(of({0, 0, 1, 1, 2, 2, 2}));
    EXPECT_FALSE(of({0, 1, 2, 3}));
    EXPECT_TRUE(of({0, 1, 2, 2}));
    EXPECT_TRUE(of({5, 5, 5}));
}

// A leak of a block every 2,000 events, before the end of which come two short iterations: they are
// as many as it ever took, but not as many events. Where each iteration gained, a short one that
// does not is a stop.
TEST(StandsStill, CountsEventsToo) {
    const std::vector<double> values{0, 0, 1, 1, 2, 2, 2};
    EXPECT_FALSE(stands_still(std::vector<double>{0, 1000, 2000, 3000, 4000, 4500, 5000}, values));
    EXPECT_TRUE(stands_still(std::vector<double>{0, 1000, 2000, 3000, 4000, 5000, 6000}, values));
    EXPECT_TRUE(
        stands_still(std::vector<double>{0, 1000, 2000, 2500}, std::vector<double>{0, 1, 2, 2}));
}

// Every second iteration gains 10 in each, but the two sets lie 150 apart: 190 gained, less than
// what it varies about its line.
TEST(OutgrowsNoise, DoesNotTakeTwoFlushesForAClimb) {
    const auto events = counted(20);
    const auto gap = [](double i) { return 10 * i + (std::fmod(i, 2) == 0 ? 250.0 : 0.0); };
    const auto step = [](double i) { return 10 * i + (std::fmod(i, 2) == 0 ? 50.0 : 0.0); };
    auto values = course(20, gap);
    EXPECT_FALSE(outgrows_noise(events, values, span_rates(events, values)));
    values = course(20, step);
    EXPECT_TRUE(outgrows_noise(events, values, span_rates(events, values)));
}

// A block per 1.43 iterations: gains of 0 and 1, uneven as any, yet the course is floor(0.7 i). One
// block more in one place and no line fits; nor is a straight line of eight blocks evidence.
TEST(IsStraight, KnowsALineCutIntoBlocks) {
    const auto events = counted(20);
    auto values = course(20, [](double i) { return std::floor(0.7 * i); });
    EXPECT_TRUE(is_straight(events, values, 1));
    EXPECT_FALSE(is_straight(events, values, 2));
    for (std::size_t i = 9; i < 20; ++i) ++values[i];
    EXPECT_FALSE(is_straight(events, values, 1));
    EXPECT_FALSE(is_straight(events, course(20, [](double i) { return std::floor(0.44 * i); }), 1));
}

// log(1 + t) gains less each time to the end; a cache that was filled before and leaks since gains
// the same each time.
TEST(StillSlowing, TellsALogarithmFromALeakBeneathACache) {
    const auto events = counted(20);
    EXPECT_TRUE(still_slowing(events, course(20, [](double i) { return std::log(1 + i); })));
    EXPECT_FALSE(
        still_slowing(events, course(20, [](double i) { return std::min(i, 5.0) * 100 + i; })));
}

}  // namespace
}  // namespace crucible::lab
