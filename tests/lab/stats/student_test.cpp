#include "lab/stats/student.h"

#include <cmath>
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

void expect_test(const std::optional<TTest>& got, const nlohmann::json& want, double rtol) {
    ASSERT_TRUE(got);
    expect_close(got->t, want.at("t"), rtol);
    expect_close(got->degrees_of_freedom, want.at("df"), rtol);
    expect_close(got->p_value, want.at("p"), rtol);
    expect_close(got->interval.low, want.at("ci")[0], rtol);
    expect_close(got->interval.high, want.at("ci")[1], rtol);
}

/// A test of logarithms, whose difference is the log of a ratio.
void expect_ratio(const std::optional<TTest>& got, const nlohmann::json& want, double rtol) {
    ASSERT_TRUE(got);
    expect_close(std::exp(got->difference), want.at("ratio"), rtol);
    expect_close(std::exp(got->interval.low), want.at("ci")[0], rtol);
    expect_close(std::exp(got->interval.high), want.at("ci")[1], rtol);
    expect_close(got->p_value, want.at("p"), rtol);
}

TEST(TTest, AgreesWithR) {
    const auto cases = reference_cases("welch_t");
    EXPECT_EQ(cases.size(), 4u);
    int paired = 0;
    int ratios = 0;
    for (const auto& test : cases) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        const auto x = numbers(test.at("x"));
        const auto y = numbers(test.at("y"));
        const auto& want = test.at("expect");
        const double rtol = test.at("rtol");
        expect_test(welch_test(x, y, 0.95), want.at("welch"), rtol);
        expect_test(welch_test(x, y, 0.99), want.at("welch99"), rtol);
        expect_test(pooled_test(x, y, 0.95), want.at("pooled"), rtol);
        expect_close(welch_test(x, y, 0.95)->p_less, want.at("welch_less_p"), rtol);
        if (want.contains("paired")) {
            expect_test(paired_test(differences_of(test), 0.95), want.at("paired"), rtol);
            ++paired;
        }
        const auto logs = [](std::vector<double> values) {
            for (double& value : values) value = std::log(value);
            return values;
        };
        if (want.contains("ratio_of_geomeans")) {
            expect_ratio(welch_test(logs(x), logs(y), 0.95), want.at("ratio_of_geomeans"), rtol);
            ++ratios;
        }
        if (want.contains("paired_log_ratio")) {
            std::vector<double> differences;
            for (std::size_t i = 0; i < x.size(); ++i) differences.push_back(std::log(x[i] / y[i]));
            expect_ratio(paired_test(differences, 0.95), want.at("paired_log_ratio"), rtol);
        }
    }
    EXPECT_EQ(paired, 3);
    EXPECT_EQ(ratios, 3);
    EXPECT_FALSE(welch_test(std::vector<double>{1}, std::vector<double>{1, 2}, 0.95));
    EXPECT_FALSE(paired_test(std::vector<double>{1, 1}, 0.95));
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
