#include "lab/stats/student.h"

#include <vector>

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

TEST(EquivalenceTest, AgreesWithRAndStatsmodels) {
    int checked = 0;
    for (const auto& test : reference_cases("tost")) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        const double rtol = test.at("rtol");
        const auto& want = test.at("expect");
        const auto got =
            test.at("paired").get<bool>()
                ? equivalence_test(differences_of(test), test.at("low"), test.at("high"))
                : equivalence_test(numbers(test.at("x")), numbers(test.at("y")), test.at("low"),
                                   test.at("high"));
        ASSERT_TRUE(got);
        expect_close(got->p_lower, want.at("p_lower"), rtol);
        expect_close(got->p_upper, want.at("p_upper"), rtol);
        expect_close(got->p_value(), want.at("p_tost"), rtol);
        expect_close(got->t_lower, want.at("t_lower"), rtol);
        expect_close(got->t_upper, want.at("t_upper"), rtol);
        expect_close(got->degrees_of_freedom, want.at("df"), rtol);
        expect_close(got->interval90.low, want.at("ci90")[0], rtol);
        expect_close(got->interval90.high, want.at("ci90")[1], rtol);
        EXPECT_EQ(got->p_value() <= 0.05, want.at("equivalent_at_0.05").get<bool>());
        ++checked;
    }
    EXPECT_EQ(checked, 4);
}

// 1..5: mean 3, s = sqrt(2.5), t_{0.975, 4} = 2.7764451052 (tables), half width t s / sqrt(5)
// = 1.9632432.
TEST(MeanInterval, IsStudents) {
    const auto got = mean_interval(std::vector<double>{1, 2, 3, 4, 5}, 0.95);
    ASSERT_TRUE(got);
    EXPECT_DOUBLE_EQ(got->estimate, 3);
    EXPECT_NEAR(got->interval.high - 3, 1.9632432, 1e-7);
    EXPECT_NEAR(3 - got->interval.low, 1.9632432, 1e-7);
    EXPECT_FALSE(mean_interval(std::vector<double>{1}, 0.95));
}

// Equal values have no t statistic; dividing by their zero spread would call anything proven.
TEST(EquivalenceTest, RefusesConstantData) {
    EXPECT_FALSE(equivalence_test(std::vector<double>{1, 1, 1}, -2, 2));
    EXPECT_FALSE(equivalence_test(std::vector<double>{1, 1}, std::vector<double>{1, 1}, -2, 2));
}

}  // namespace
}  // namespace crucible::lab::stats
