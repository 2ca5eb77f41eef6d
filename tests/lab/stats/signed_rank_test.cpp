#include "lab/stats/signed_rank.h"

#include <algorithm>
#include <cmath>

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

// The interval that decides verdicts, against R's wilcox.test(paired, exact, conf.int).
TEST(HodgesLehmann, AgreesWithWilcoxTestOnPairedData) {
    int checked = 0;
    for (const auto& test : reference_cases("hodges_lehmann")) {
        if (!test.at("paired").get<bool>()) continue;
        SCOPED_TRACE(test.at("name").get<std::string>());
        const double rtol = test.at("rtol");
        const auto& want = test.at("expect");
        const auto differences = differences_of(test);
        const auto got = hodges_lehmann(differences, 0.95);
        ASSERT_TRUE(got);
        expect_close(got->estimate, want.at("estimate"), rtol);
        expect_close(got->interval.low, want.at("ci95_exact")[0], rtol);
        expect_close(got->interval.high, want.at("ci95_exact")[1], rtol);
        EXPECT_GE(got->level, 0.95);
        EXPECT_LT(got->level, 0.96);
        expect_close(signed_rank_p_value(differences), want.at("p_exact"), rtol);
        expect_close(signed_rank_p_value_normal(differences), want.at("p_asymptotic_cc"), rtol);
        ++checked;
    }
    EXPECT_EQ(checked, 2);
}

TEST(SignedRank, AgreesWithEnumerationOnLogRatios) {
    const auto cases = reference_cases("paired_randomisation");
    EXPECT_EQ(cases.size(), 2u);
    for (const auto& test : cases) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        expect_close(signed_rank_p_value(numbers(test.at("log_ratios"))),
                     test.at("expect").at("wilcoxon_signed_rank_exact_p"), test.at("rtol"));
    }
}

// Of the 8 subsets of {1, 2, 3} the sums are 0 1 2 3 3 4 5 6.
TEST(SignedRank, CountsSubsets) {
    EXPECT_DOUBLE_EQ(signed_rank_cdf(3, 0), 1.0 / 8);
    EXPECT_DOUBLE_EQ(signed_rank_cdf(3, 2), 3.0 / 8);
    EXPECT_DOUBLE_EQ(signed_rank_cdf(3, 3), 5.0 / 8);
    EXPECT_DOUBLE_EQ(signed_rank_cdf(3, 6), 1.0);
    // Half of a symmetric distribution with no atom at its centre, at the largest size counted:
    // 2^50 subsets.
    EXPECT_DOUBLE_EQ(signed_rank_cdf(50, 637), 0.5);
}

// With ties the null distribution is that of the mid-ranks: |d| = 1 1 2, ranks 1.5 1.5 3. V = 6 is
// reached by one of the eight sign patterns, so p = 2/8. Rounding ranks or ignoring ties would
// change the support.
TEST(SignedRank, IsExactWithTiesAndDropsZeros) {
    EXPECT_DOUBLE_EQ(signed_rank_p_value(std::vector<double>{1, 1, 2}), 0.25);
    EXPECT_DOUBLE_EQ(signed_rank_p_value(std::vector<double>{1, 0, 1, 2, 0}), 0.25);
    // V = 1.5: patterns with sum <= 1.5 are {}, {1.5}, {1.5'}: 3/8 a tail.
    EXPECT_DOUBLE_EQ(signed_rank_p_value(std::vector<double>{1, -1, -2}), 0.75);
    EXPECT_DOUBLE_EQ(signed_rank_p_value(std::vector<double>{0, 0}), 1);
    EXPECT_DOUBLE_EQ(signed_rank_p_value({}), 1);
}

// An interval that the data cannot support must be refused, not made up: P(V = 0) = 2^-m has to fit
// in one tail.
TEST(HodgesLehmann, RefusesWhereNoIntervalExists) {
    const std::vector<double> d{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8};
    const auto exists = [&](std::size_t m, double level) {
        return hodges_lehmann(std::span(d).first(m), level).has_value();
    };
    EXPECT_FALSE(exists(0, 0.95));
    EXPECT_FALSE(exists(5, 0.95));
    EXPECT_TRUE(exists(6, 0.95));
    EXPECT_FALSE(exists(4, 0.90));
    EXPECT_TRUE(exists(5, 0.90));
    EXPECT_FALSE(exists(7, 0.99));
    EXPECT_TRUE(exists(8, 0.99));
    // With 6 the interval is the whole range and covers 1 - 2/64.
    const auto six = hodges_lehmann(std::span(d).first(6), 0.95);
    EXPECT_EQ(six->interval, (Interval{0.1, 0.6}));
    EXPECT_DOUBLE_EQ(six->level, 1 - 2.0 / 64);
}

// A metric that never differs has an effect of exactly nothing.
TEST(HodgesLehmann, OfEqualValuesIsThatValue) {
    const auto got = hodges_lehmann(std::vector<double>(10, 0.0), 0.95);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->estimate, 0);
    EXPECT_EQ(got->interval, (Interval{0, 0}));
}

// Above 50 differences k = floor(m(m+1)/4 - 1.959964 sqrt(m(m+1)(2m+1)/24)); for 60: 915 - 1.959964
// * 135.842 = 648. With values 0..59 the Walsh averages are known: w_(648) is where they say, and
// the interval is symmetric.
TEST(HodgesLehmann, UsesTheNormalApproximationAboveFifty) {
    std::vector<double> d(60);
    for (std::size_t i = 0; i < d.size(); ++i) d[i] = static_cast<double>(i);
    std::vector<double> averages;
    for (std::size_t i = 0; i < 60; ++i) {
        for (std::size_t j = i; j < 60; ++j) averages.push_back(static_cast<double>(i + j) / 2);
    }
    std::sort(averages.begin(), averages.end());
    const auto got = hodges_lehmann(d, 0.95);
    ASSERT_TRUE(got);
    EXPECT_DOUBLE_EQ(got->estimate, 29.5);
    EXPECT_DOUBLE_EQ(got->interval.low, averages[648 - 1]);
    EXPECT_DOUBLE_EQ(got->interval.high, averages[averages.size() - 648]);
}

// The two branches must not disagree where they meet, or a 51st round could turn a verdict.
TEST(SignedRank, ApproximationMeetsTheExactValueAtFifty) {
    std::vector<double> d(50);
    for (std::size_t i = 0; i < d.size(); ++i) {
        d[i] = (i % 3 == 0 ? -1.0 : 1.0) * (1.0 + static_cast<double>(i * 37 % 50));
    }
    const double exact = signed_rank_p_value(d);
    EXPECT_NEAR(signed_rank_p_value_normal(d), exact, 0.001);
}

}  // namespace
}  // namespace crucible::lab::stats
