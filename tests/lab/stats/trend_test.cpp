#include "lab/stats/trend.h"

#include <vector>

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

TEST(Robust, MedianAndItsDeviation) {
    EXPECT_DOUBLE_EQ(median(std::vector<double>{3, 1, 2}), 2);
    EXPECT_DOUBLE_EQ(median(std::vector<double>{4, 1, 3, 2}), 2.5);
    EXPECT_DOUBLE_EQ(median(std::vector<double>{7}), 7);
    // |x - 3| of 1 2 3 4 100: 2 1 0 1 97.
    EXPECT_DOUBLE_EQ(median_absolute_deviation(std::vector<double>{1, 2, 3, 4, 100}), 1);
}

}  // namespace
}  // namespace crucible::lab::stats
