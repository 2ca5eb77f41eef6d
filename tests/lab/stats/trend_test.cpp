#include "lab/stats/trend.h"

#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "base/rng.h"
#include "lab/stats/reference.h"
#include "lab/stats/robust.h"

namespace crucible::lab::stats {
namespace {

TEST(MannKendall, AgreesWithScipy) {
    const auto cases = reference_cases("serial");
    EXPECT_EQ(cases.size(), 2u);
    for (const auto& test : cases) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        const double rtol = test.at("rtol");
        const auto& want = test.at("expect");
        const auto got = mann_kendall(numbers(test.at("x")));
        EXPECT_EQ(got.s, want.at("mann_kendall_S").get<std::int64_t>());
        expect_close(got.z, want.at("mann_kendall_z"), rtol);
        expect_close(got.p_value, want.at("mann_kendall_p"), rtol);
    }
}

// 10 rising values: S = 45, Var = 10*9*25/18 = 125, z = 44/sqrt(125). Equal values have no trend
// and no NaN.
TEST(MannKendall, KnowsCertainTrends) {
    const auto rising = mann_kendall(std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
    EXPECT_EQ(rising.s, 45);
    EXPECT_DOUBLE_EQ(rising.z, 44 / std::sqrt(125.0));
    const auto flat = mann_kendall(std::vector<double>(10, 3.0));
    EXPECT_EQ(flat.s, 0);
    EXPECT_EQ(flat.p_value, 1);
    EXPECT_EQ(mann_kendall(std::vector<double>{1, 2}).p_value, 1);
}

// Two groups of ties: 1 1 2 2 has S = 4, Var = (4*3*13 - 2 * 2*1*9)/18 = 120/18.
TEST(MannKendall, CorrectsForTies) {
    const auto got = mann_kendall(std::vector<double>{1, 1, 2, 2});
    EXPECT_EQ(got.s, 4);
    EXPECT_DOUBLE_EQ(got.z, 3 / std::sqrt(120.0 / 18));
}

// One wild point in nine moves a least-squares slope by any amount and this one not at all.
TEST(TheilSen, IgnoresAnOutlier) {
    const std::vector<double> x{0, 1, 2, 3, 4, 5, 6, 7, 8};
    const std::vector<double> y{1, 3, 5, 7, 9, 11, 1000, 15, 17};
    EXPECT_DOUBLE_EQ(theil_sen_slope(x, y), 2);
    EXPECT_DOUBLE_EQ(theil_sen_slope(std::vector<double>{1, 1, 2}, std::vector<double>{0, 2, 3}),
                     2);
}

TEST(TheilSen, AgreesWithScipyAndSen) {
    const auto cases = reference_cases("theil_sen");
    EXPECT_EQ(cases.size(), 6u);
    for (const auto& test : cases) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        const double rtol = test.at("rtol");
        const auto& want = test.at("expect");
        const auto got = theil_sen(numbers(test.at("x")), numbers(test.at("y")), test.at("level"));
        expect_close(got.estimate, want.at("slope"), rtol);
        expect_close(got.interval.low, want.at("low"), rtol);
        expect_close(got.interval.high, want.at("high"), rtol);
    }
}

// By hand: 1 2 4 3 has the slopes -1, 1/2, 2/3, 1, 3/2 and 2, and Var(S) = 4*3*13/18 = 8.67. At
// 50 %, z = 0.6745 leaves (6 - 1.99)/2 = 2.01 of them below: the second and the fifth. At 95 % it
// would leave 0.1: four values say nothing so sure.
TEST(TheilSen, GoesToTheRanksThatChanceLeaves) {
    const std::vector<double> x{1, 2, 3, 4};
    const std::vector<double> y{1, 2, 4, 3};
    const auto half = theil_sen(x, y, 0.5);
    EXPECT_DOUBLE_EQ(half.estimate, (2.0 / 3 + 1) / 2);
    EXPECT_DOUBLE_EQ(half.interval.low, 0.5);
    EXPECT_DOUBLE_EQ(half.interval.high, 1.5);
    const auto sure = theil_sen(x, y, 0.95);
    EXPECT_EQ(sure.interval.low, -std::numeric_limits<double>::infinity());
    EXPECT_EQ(sure.interval.high, std::numeric_limits<double>::infinity());
    EXPECT_EQ(theil_sen(x, std::vector<double>(4, 7.0), 0.95).interval, (Interval{0, 0}));
}

// What a 95 % interval promises: over 2,000 lines of 20 points with exponential noise, the true
// slope lies in 95.9 % of them. Seeded, so the count is exact.
TEST(TheilSen, CoversTheSlopeAsOftenAsItSays) {
    std::vector<double> x(20);
    std::iota(x.begin(), x.end(), 0.0);
    int covered = 0;
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        base::Rng rng(seed);
        std::vector<double> y;
        for (const double at : x) y.push_back(3 * at + 10 * rng.exponential());
        const auto [low, high] = theil_sen(x, y, 0.95).interval;
        covered += low <= 3 && 3 <= high;
    }
    EXPECT_EQ(covered, 1917);
}

TEST(Robust, MedianAndItsDeviation) {
    EXPECT_DOUBLE_EQ(median(std::vector<double>{3, 1, 2}), 2);
    EXPECT_DOUBLE_EQ(median(std::vector<double>{4, 1, 3, 2}), 2.5);
    EXPECT_DOUBLE_EQ(median(std::vector<double>{7}), 7);
    // |x - 3| of 1 2 3 4 100: 2 1 0 1 97.
    EXPECT_DOUBLE_EQ(median_absolute_deviation(std::vector<double>{1, 2, 3, 4, 100}), 1);
}

}  // namespace
}  // namespace crucible::lab::stats
