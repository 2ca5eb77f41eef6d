#include "lab/stats/rank_sum.h"

#include <algorithm>

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

void expect_p_value(const std::optional<double>& got, const nlohmann::json& expected,
                    const char* key, double rtol) {
    if (!expected.contains(key)) return;
    SCOPED_TRACE(key);
    ASSERT_EQ(got.has_value(), !expected.at(key).is_null());
    if (got) expect_close(*got, expected.at(key), rtol);
}

TEST(RankSum, AgreesWithWilcoxTestAndCoin) {
    const auto cases = reference_cases("mann_whitney");
    EXPECT_EQ(cases.size(), 8u);
    for (const auto& test : cases) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        const auto x = numbers(test.at("x"));
        const auto y = numbers(test.at("y"));
        const auto& want = test.at("expect");
        const double rtol = test.at("rtol");
        EXPECT_EQ(rank_sum_u(x, y), want.at("U_x").get<double>());
        EXPECT_EQ(rank_sum_u(y, x), want.at("U_y").get<double>());
        const auto normal = [&](Alternative alternative, bool correction) {
            return rank_sum_p_value_normal(x, y, alternative, correction);
        };
        expect_p_value(normal(Alternative::two_sided, true), want, "p_two_sided_asymptotic_cc",
                       rtol);
        expect_p_value(normal(Alternative::two_sided, false), want, "p_two_sided_asymptotic_no_cc",
                       rtol);
        expect_p_value(normal(Alternative::greater, true), want, "p_greater_asymptotic_cc", rtol);
        expect_p_value(rank_sum_p_value(x, y), want, "p_two_sided_exact", rtol);
        expect_p_value(rank_sum_p_value(x, y), want, "p_two_sided_exact_permutation_with_ties",
                       rtol);
    }
}

// Swapping the samples swaps the sides of the test.
TEST(RankSum, LessIsGreaterTheOtherWayRound) {
    const std::vector<double> x{1, 3, 5, 7};
    const std::vector<double> y{2, 6, 8, 9, 10};
    EXPECT_EQ(rank_sum_p_value_normal(x, y, Alternative::less),
              rank_sum_p_value_normal(y, x, Alternative::greater));
}

// Equal values hold no information; a p-value of 1 would read as "the same".
TEST(RankSum, SaysNothingOfEqualValues) {
    const std::vector<double> same{7, 7, 7};
    EXPECT_FALSE(rank_sum_p_value(same, same));
    EXPECT_FALSE(rank_sum_p_value_normal(same, same));
}

TEST(HodgesLehmannShift, AgreesWithWilcoxTest) {
    int checked = 0;
    for (const auto& test : reference_cases("hodges_lehmann")) {
        if (test.at("paired").get<bool>()) continue;
        SCOPED_TRACE(test.at("name").get<std::string>());
        const auto x = numbers(test.at("x"));
        const auto y = numbers(test.at("y"));
        const auto& want = test.at("expect");
        const double rtol = test.at("rtol");
        const auto got = hodges_lehmann_shift(x, y, 0.95);
        ASSERT_TRUE(got);
        expect_close(got->estimate, want.at("estimate"), rtol);
        const bool exact = want.contains("ci95_exact");
        const auto& interval = want.at(exact ? "ci95_exact" : "ci95_normal_order_stat");
        expect_close(got->interval.low, interval[0], rtol);
        expect_close(got->interval.high, interval[1], rtol);
        EXPECT_EQ(rank_sum_order_index_normal(x.size(), y.size(), 0.95),
                  want.at("normal_k_1based").get<std::size_t>());
        if (exact) {
            EXPECT_EQ(rank_sum_order_index_exact(x.size(), y.size(), 0.95),
                      want.at("order_index_1based")[0].get<std::size_t>());
            expect_p_value(rank_sum_p_value(x, y), want, "p_exact", rtol);
        } else {
            // With ties, the order statistics of R's normal approximation.
            std::vector<double> differences;
            for (const double a : x) {
                for (const double b : y) differences.push_back(a - b);
            }
            std::ranges::sort(differences);
            const std::size_t k = want.at("normal_k_1based");
            EXPECT_EQ(got->interval.low, differences[k - 1]);
        }
        expect_p_value(rank_sum_p_value_normal(x, y), want, "p_asymptotic_cc", rtol);
        ++checked;
    }
    EXPECT_EQ(checked, 5);
}

// 3 and 3 values have 20 arrangements: one in each tail is already 10 %. 4 and 4 have 70.
TEST(HodgesLehmannShift, RefusesWhereNoIntervalExists) {
    const std::vector<double> x{1, 2, 3, 4};
    const std::vector<double> y{5, 6, 7, 8};
    EXPECT_FALSE(hodges_lehmann_shift(std::span(x).first(3), std::span(y).first(3), 0.95));
    EXPECT_TRUE(hodges_lehmann_shift(x, y, 0.95));
    EXPECT_FALSE(hodges_lehmann_shift({}, y, 0.95));
}

}  // namespace
}  // namespace crucible::lab::stats
