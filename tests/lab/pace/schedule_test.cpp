#include "lab/pace/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <vector>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// `events`/s for an hour.
Pattern rate(double events) {
    return Pattern::steady(*base::Rate::per_second(events), 1h);
}

// A due time is computed from its index: at 30 kHz, adding rounded intervals would be 10 ms off
// after 1,000 s.
TEST(Schedule, ConstantArrivalsFollowTheClosedForm) {
    Schedule schedule(rate(30'000), 0ns, Arrivals::constant(), 1);
    EXPECT_EQ(schedule.due(0), 0ns);
    EXPECT_EQ(schedule.due(1), 33'333ns);
    EXPECT_EQ(schedule.due(30'000'000), 1000s);
    EXPECT_EQ(schedule.due(3), 100us);  // and in any order
}

// Every client process computes the plan on its own: same arguments, same times, whatever indices
// it asks for and in whatever order.
TEST(Schedule, PoissonTimesDependOnSeedAndIndexAlone) {
    Schedule all(rate(1000), 0ns, Arrivals::poisson(), 42);
    std::vector<Duration> times;
    for (std::uint64_t i = 0; i < 1000; ++i) times.push_back(all.due(i));

    Schedule every_fourth(rate(1000), 0ns, Arrivals::poisson(), 42);
    for (std::uint64_t i = 3; i < 1000; i += 4) EXPECT_EQ(every_fourth.due(i), times[i]);
    EXPECT_EQ(every_fourth.due(999), times[999]);  // asked again
    EXPECT_EQ(every_fourth.due(7), times[7]);      // starts over

    Schedule other_seed(rate(1000), 0ns, Arrivals::poisson(), 43);
    EXPECT_NE(other_seed.due(500), times[500]);
    for (std::size_t i = 1; i < times.size(); ++i) ASSERT_LE(times[i - 1], times[i]);
}

// One seed, another rate: the same pattern on another scale, so that a sweep over rates varies the
// rate alone.
TEST(Schedule, PoissonPatternScalesWithTheRate) {
    Schedule slow(rate(100), 0ns, Arrivals::poisson(), 7);
    Schedule fast(rate(200), 0ns, Arrivals::poisson(), 7);
    for (std::uint64_t i = 0; i < 100; ++i) {
        EXPECT_NEAR(static_cast<double>(slow.due(i).count()),
                    2.0 * static_cast<double>(fast.due(i).count()), 2.0);
    }
}

// What makes it Poisson: counts in equal windows vary as much as their mean (index of dispersion 1;
// its standard error here is sqrt(2/999) = 0.045), and the mean rate is the one asked for (100,000
// gaps: standard error 0.3 %). Both fixed by the seed.
TEST(Schedule, PoissonCountsHaveTheirMeanAsVariance) {
    constexpr std::uint64_t kEvents = 100'000;
    constexpr std::size_t kWindows = 1000;
    Schedule schedule(rate(1000), 0ns, Arrivals::poisson(), 20'261'123);
    std::vector<double> counts(kWindows);
    for (std::uint64_t i = 0; i < kEvents; ++i) {
        const auto window = static_cast<std::size_t>(schedule.due(i) / 90ms);
        if (window < kWindows) counts[window] += 1;
    }
    double mean = 0;
    for (const double count : counts) mean += count / kWindows;
    double variance = 0;
    for (const double count : counts) variance += (count - mean) * (count - mean) / (kWindows - 1);
    EXPECT_NEAR(variance / mean, 1.0, 3 * 0.045);
    EXPECT_NEAR(mean, 90.0, 3 * 0.3);

    const double last = std::chrono::duration<double>(schedule.due(kEvents - 1)).count();
    EXPECT_NEAR(kEvents / last, 1000.0, 3 * 3.2);
}

/// Anderson and Darling's statistic of `gaps` against the exponential distribution of that mean.
double anderson_darling(std::vector<double> gaps, double mean) {
    std::ranges::sort(gaps);
    const std::size_t n = gaps.size();
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double below = -std::expm1(-gaps[i] / mean);
        const double log_above = -gaps[n - 1 - i] / mean;
        sum += static_cast<double>(2 * i + 1) * (std::log(below) + log_above);
    }
    return -static_cast<double>(n) - sum / static_cast<double>(n);
}

// The gaps of 100 schedules of 5,000 events are exponential: at the 1 % point of the statistic for
// a distribution known in full, 3.857 (D'Agostino and Stephens 1986, table 4.2), one in a hundred
// may be beyond. Constant arrivals are beyond it every time.
TEST(Schedule, PoissonGapsAreExponential) {
    constexpr std::uint64_t kEvents = 5'000;
    const auto passes = [](const Arrivals& arrivals, std::uint64_t seed) {
        Schedule schedule(rate(10'000), 0ns, arrivals, seed);
        std::vector<double> gaps;
        Duration before = schedule.due(0);
        for (std::uint64_t i = 1; i <= kEvents; ++i) {
            const Duration due = schedule.due(i);
            gaps.push_back(std::chrono::duration<double>(due - before).count());
            before = due;
        }
        return anderson_darling(gaps, 1e-4) < 3.857;
    };
    int passed = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) passed += passes(Arrivals::poisson(), seed);
    EXPECT_GE(passed, 95);
    EXPECT_FALSE(passes(Arrivals::constant(), 1));
}

}  // namespace
}  // namespace crucible::lab
