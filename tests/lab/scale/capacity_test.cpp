#include "lab/scale/capacity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "usl_reference.h"

namespace crucible::lab::scale {
namespace {

bool refused_for(const Forecast& forecast, Refusal refusal) {
    return std::ranges::count(forecast.refused, refusal, &Refused::refusal) == 1;
}

/// A curve of gamma 1000, alpha 0.05, beta 0.002 (peak at 21.8, 7387/s), with noise of a pattern.
std::vector<CurvePoint> measured_curve(int highest, double noise_share = 0.01) {
    const stats::ScalabilityFit law{.gamma = 1000, .alpha = 0.05, .beta = 0.002};
    std::vector<CurvePoint> points;
    for (int n = 1; n <= highest; ++n) {
        const double noise = noise_share * std::sin(12.9898 * n);
        points.push_back({static_cast<double>(n), law.at(n) * (1 + noise)});
    }
    return points;
}

// 1,000/s with peaks of three times that, 30 % free: 3000 / 0.7. After 10 s of nothing at the peak,
// 30,000 events wait; to be rid of them in 20 s takes 1,500/s on top of the 3,000.
TEST(Capacity, DeratesForPeaksHeadroomAndDraining) {
    const Demand demand{
        .rate = 1000, .peak_factor = 3, .headroom = 0.3, .stall = 10, .drain_within = 20};
    ASSERT_TRUE(check(demand));
    const auto required = required_capacity(demand);
    EXPECT_DOUBLE_EQ(required.peak_rate, 3000);
    EXPECT_NEAR(required.for_peak, 4285.714, 1e-3);
    EXPECT_DOUBLE_EQ(required.for_draining, 4500);
    EXPECT_DOUBLE_EQ(required.needed(), 4500);
    EXPECT_DOUBLE_EQ(drain_time(3000, 10, 4500), 20);
    EXPECT_TRUE(std::isinf(drain_time(3000, 10, 3000)));
    EXPECT_EQ(drain_time(3000, 0, 2000), 0);
}

// The law's own curve first reaches 4,500/s between 6 (4,580/s) and 5 (4,032/s).
TEST(Capacity, FindsTheSmallestLoadThatIsEnough) {
    const auto got = forecast(measured_curve(32), {.rate = 1500, .peak_factor = 3});
    ASSERT_TRUE(got.refused.empty()) << got.refused.front().reason;
    EXPECT_EQ(got.needed, 6);
    EXPECT_EQ(got.interval.low, 6);
    EXPECT_EQ(got.interval.high, 6);
    EXPECT_EQ(got.measured_enough, 6);
    EXPECT_NEAR(got.capacity, 4580, 20);
    EXPECT_NEAR(got.utilization, 4500 / got.capacity, 1e-12);
    // Near the flat peak the curve hardly says which load is enough.
    const auto flat = forecast(measured_curve(32, 0.02), {.rate = 7250});
    ASSERT_TRUE(flat.refused.empty()) << flat.refused.front().reason;
    EXPECT_LT(flat.interval.low, flat.needed);
    EXPECT_GT(flat.interval.high, flat.needed);
}

// One trial of three in which two clients did 2,100/s is not enough of them for 2,000/s.
TEST(Capacity, MeasuresEnoughByAllRounds) {
    const std::vector<CurvePoint> points{{1, 1000}, {1, 1010}, {1, 990},  {2, 1900}, {2, 2100},
                                         {2, 1950}, {3, 2800}, {3, 1900}, {3, 2750}};
    EXPECT_EQ(forecast(points, {.rate = 2000}).measured_enough, 3);
    // As the report shows of it: the median is 1,950/s, Hodges and Lehmann's estimate 1,975.
    EXPECT_EQ(forecast(points, {.rate = 1970}).measured_enough, 2);
}

// It takes six; throughput beyond what holds carries nothing.
TEST(Capacity, ReachesAsFarAsTheSloHolds) {
    const Demand demand{.rate = 4500};
    const auto until = [&](std::optional<double> lower, std::optional<double> upper) {
        return forecast(measured_curve(32), demand, 0.95,
                        LoadLimit{.lower = lower, .upper = upper, .detail = "24 ms"});
    };
    const auto broken = until(5, 6);
    ASSERT_TRUE(refused_for(broken, Refusal::slo_broken));
    EXPECT_EQ(broken.refused.front().reason,
              "it takes up to 6, and at 6 what must hold is broken: 24 ms");
    EXPECT_EQ(broken.needed, 0);
    EXPECT_FALSE(broken.measured_enough);
    const auto unknown = until(5, 8);
    ASSERT_TRUE(refused_for(unknown, Refusal::slo_unknown));
    EXPECT_EQ(unknown.refused.front().reason,
              "it takes up to 6, and more than 5 was not seen to hold");
    EXPECT_TRUE(refused_for(until({}, 1), Refusal::slo_broken));
    EXPECT_TRUE(refused_for(until({}, {}), Refusal::slo_unknown));
    const auto stands = until(6, 8);
    EXPECT_TRUE(stands.refused.empty());
    EXPECT_EQ(stands.needed, 6);
    EXPECT_EQ(stands.measured_enough, 6);
}

// The first 8, the first 16 of Schwartz's 32 points look as if throughput went on: all of them
// show a peak near 33, and no forecast from the few would have known.
TEST(Capacity, RefusesTheCiscoForecasts) {
    for (const std::size_t points : {8U, 16U}) {
        SCOPED_TRACE(points);
        for (const double rate : {10'000.0, 12'000.0, 20'000.0}) {
            const auto got = forecast(usl_points("cisco_schwartz", points), {.rate = rate});
            EXPECT_TRUE(refused_for(got, Refusal::too_few_near_peak));
            EXPECT_EQ(got.needed, 0);
        }
    }
    const auto all = forecast(usl_points("cisco_schwartz"), {.rate = 11'000});
    EXPECT_TRUE(all.refused.empty()) << all.refused.front().reason;
}

// One reason for each rule, with its figures.
TEST(Capacity, RefusesWhatTheDataCannotCarry) {
    EXPECT_TRUE(
        refused_for(forecast(measured_curve(32), {.rate = 8000}), Refusal::beyond_the_peak));
    EXPECT_TRUE(refused_for(forecast(measured_curve(5), {.rate = 100}), Refusal::too_few_points));
    EXPECT_TRUE(refused_for(forecast(measured_curve(2), {.rate = 100}), Refusal::too_few_points));
    // Its limit is 20,000/s, which it approaches slowly.
    std::vector<CurvePoint> amdahl;
    for (int n = 1; n <= 12; ++n) {
        amdahl.push_back({static_cast<double>(n), 1000.0 * n / (1 + 0.05 * (n - 1))});
    }
    const auto far = forecast(amdahl, {.rate = 12'000});
    EXPECT_TRUE(refused_for(far, Refusal::too_far));
    EXPECT_TRUE(refused_for(far, Refusal::too_few_near_peak));
    // It carries what was measured to carry it all the same.
    EXPECT_EQ(forecast(amdahl, {.rate = 5000}).measured_enough, 7);
    std::vector<CurvePoint> cliff;
    for (int n = 1; n <= 24; ++n) {
        cliff.push_back({static_cast<double>(n), n <= 16 ? 100.0 * n : 400.0});
    }
    EXPECT_TRUE(refused_for(forecast(cliff, {.rate = 500}), Refusal::hold_out_failed));
}

// Instances that share nothing: 12,000/s of 5,000/s each are three; the interval's ends give two
// and four. One was measured, so three is too far.
TEST(Capacity, CountsInstances) {
    const stats::LocationEstimate capacity{5000, {3900, 6100}, 0.95};
    const auto two = forecast_instances(capacity, 2, {.rate = 4000, .peak_factor = 3});
    ASSERT_TRUE(two.refused.empty());
    EXPECT_EQ(two.needed, 3);
    EXPECT_EQ(two.interval.low, 2);
    EXPECT_EQ(two.interval.high, 4);
    EXPECT_NEAR(two.utilization, 0.8, 1e-12);
    const auto one = forecast_instances(capacity, 1, {.rate = 4000, .peak_factor = 3});
    EXPECT_TRUE(refused_for(one, Refusal::too_far));
    // The interval may not reach further either: 9,000/s are two, and with 3,900/s each three.
    const auto perhaps = forecast_instances(capacity, 1, {.rate = 3000, .peak_factor = 3});
    EXPECT_TRUE(refused_for(perhaps, Refusal::too_far));
    EXPECT_EQ(perhaps.refused.front().reason,
              "it takes up to 3 instances, more than twice the 1 measured together");
}

// Six rounds that are up to 6 % apart, on the same curve: as many clients are needed as the rounds
// leave open, not as 192 independent measurements would. Near the peak that is no number at all.
TEST(Capacity, TakesItsIntervalFromRounds) {
    std::vector<CurvePoint> points;
    for (std::uint32_t round = 0; round < 6; ++round) {
        for (auto point : measured_curve(32)) {
            point.throughput *= 0.97 + 0.012 * round;
            point.round = round;
            points.push_back(point);
        }
    }
    const auto by_rounds = forecast(points, {.rate = 6900});
    EXPECT_TRUE(refused_for(forecast(points, {.rate = 7250}), Refusal::unbounded));
    for (auto& point : points) point.round = 0;
    const auto pooled = forecast(points, {.rate = 6900});
    ASSERT_TRUE(by_rounds.refused.empty() && pooled.refused.empty());
    EXPECT_EQ(by_rounds.needed, pooled.needed);
    EXPECT_EQ(by_rounds.interval, (stats::Interval{13, 16}));
    EXPECT_EQ(pooled.interval, (stats::Interval{14, 14}));
    EXPECT_TRUE(forecast(points, {.rate = 7250}).refused.empty());
}

// Each figure out of its range is named with what is allowed.
TEST(Capacity, NamesWhatADemandMayNotBe) {
    const auto message = [](const Demand& demand) { return check(demand).error().message; };
    EXPECT_EQ(message({.rate = 0}), "forecast: the rate is 0; allowed: above 0");
    EXPECT_EQ(message({.rate = 1, .peak_factor = 0.5}),
              "forecast: the peak factor is 0.5; allowed: 1 or more");
    EXPECT_EQ(message({.rate = 1, .headroom = 1}),
              "forecast: the headroom is 1; allowed: 0 to below 1");
    EXPECT_EQ(message({.rate = 1, .stall = 5}),
              "forecast: the time to drain in is 0; allowed: above 0 s, with a stall");
    EXPECT_EQ(message({.rate = 1, .stall = -1}), "forecast: the stall is -1; allowed: 0 s or more");
}

}  // namespace
}  // namespace crucible::lab::scale
