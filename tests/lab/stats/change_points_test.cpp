#include "lab/stats/change_points.h"

#include <cmath>

#include "base/rng.h"
#include "lab/stats/reference.h"
#include "lab/stats/robust.h"

namespace crucible::lab::stats {
namespace {

std::vector<std::size_t> indices(const std::vector<ChangePoint>& points) {
    std::vector<std::size_t> result;
    for (const auto& point : points) result.push_back(point.index);
    return result;
}

TEST(ChangePoints, AgreeWithTheReference) {
    const auto cases = reference_cases("change_points");
    EXPECT_EQ(cases.size(), 5u);
    for (const auto& test : cases) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        const auto x = numbers(test.at("x"));
        const double rtol = test.at("rtol");
        const auto& energy = test.at("expect").at("edivisive");
        const auto first = best_split(x, energy.at("min_segment"));
        ASSERT_TRUE(first);
        EXPECT_EQ(first->index, energy.at("first_split_tau").get<std::size_t>());
        expect_close(first->q, energy.at("first_split_qhat"), rtol);
        // The reference permutes single points; so must we to find the same set.
        const auto points =
            change_points(x, {.min_segment = energy.at("min_segment"), .block = 1, .seed = 3});
        EXPECT_EQ(indices(points),
                  energy.at("change_points_R199_sig05").get<std::vector<std::size_t>>());

        const auto& mean = test.at("expect").at("pelt_l2");
        std::vector<double> steps;
        for (std::size_t i = 1; i < x.size(); ++i) steps.push_back(x[i] - x[i - 1]);
        // The reference rounds the factor to 1.4826.
        expect_close(1.4826 * median_absolute_deviation(steps) / std::sqrt(2.0),
                     mean.at("sigma_mad_of_diff"), rtol);
        expect_close(mean_changes_penalty(x), mean.at("penalty"), 1e-5);
        const auto changes = mean_changes(x, mean.at("penalty"));
        EXPECT_EQ(changes.indices, mean.at("change_points").get<std::vector<std::size_t>>());
        expect_close(changes.cost, mean.at("optimal_cost"), rtol);
    }
}

// Results of successive runs are not independent. Permuting single values then calls most series
// without any change a change; permuting blocks of neighbours does not, and still finds a real one.
TEST(ChangePoints, BlocksKeepDependentSeriesQuiet) {
    base::Rng rng(21);
    int single = 0;
    int blocks = 0;
    int found = 0;
    constexpr int kSeries = 30;
    for (int s = 0; s < kSeries; ++s) {
        std::vector<double> x(100);
        double level = 0;
        for (double& value : x) {
            const double step = rng.uniform() + rng.uniform() + rng.uniform() - 1.5;
            level = 0.6 * level + step;
            value = level;
        }
        const auto count = [&](const std::vector<double>& series, std::size_t block) {
            return !change_points(series, {.permutations = 99, .block = block, .seed = 4}).empty();
        };
        single += count(x, 1);
        blocks += count(x, 10);
        for (std::size_t i = 50; i < x.size(); ++i) x[i] += 2.5;
        found += count(x, 10);
    }
    EXPECT_GE(single, kSeries / 3);
    EXPECT_LE(blocks, kSeries / 4);
    EXPECT_GE(found, kSeries * 9 / 10);
}

TEST(ChangePoints, NeedTwoSegments) {
    EXPECT_FALSE(best_split(std::vector<double>(9, 1.0), 5));
    EXPECT_TRUE(change_points(std::vector<double>(9, 1.0), {}).empty());
    EXPECT_TRUE(change_points(std::vector<double>(40, 1.0), {}).empty());
}

}  // namespace
}  // namespace crucible::lab::stats
