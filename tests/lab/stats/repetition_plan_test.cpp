#include "lab/stats/repetition_plan.h"

#include <gtest/gtest.h>

namespace crucible::lab::stats {
namespace {

// Rounds {0 2 | 4 6} and {10 12 | 14 16}: variance in each trial 2, of trial means (1, 5) and
// (11, 15) 8 each, of round means (3, 13) 50. T^2 = 2, 8 - 2/2 = 7, 50 - 8/2 = 46.
TEST(LevelVariances, AreWhatEachLevelAdds) {
    const std::vector<std::vector<std::vector<double>>> rounds{{{0, 2}, {4, 6}},
                                                               {{10, 12}, {14, 16}}};
    const auto got = level_variances(rounds);
    ASSERT_EQ(got.size(), 3u);
    EXPECT_DOUBLE_EQ(got[0], 2);
    EXPECT_DOUBLE_EQ(got[1], 7);
    EXPECT_DOUBLE_EQ(got[2], 46);
}

// Levels that add nothing may come out negative by chance; a variance cannot.
TEST(LevelVariances, AreNeverNegative) {
    const std::vector<std::vector<std::vector<double>>> rounds{{{0, 8}, {1, 9}}, {{1, 9}, {0, 8}}};
    const auto got = level_variances(rounds);
    EXPECT_DOUBLE_EQ(got[0], 32);
    EXPECT_EQ(got[1], 0);
    EXPECT_EQ(got[2], 0);
}

// r = ceil(sqrt(c_outer/c_inner * T_inner^2/T_outer^2)): sqrt(100/1 * 9/1) = 30.
TEST(BestRepetitions, WeighVarianceAgainstCost) {
    using Levels = std::vector<RepetitionLevel>;
    EXPECT_EQ(best_repetitions(Levels{{9, 1}, {1, 100}}, 1000), std::vector<std::uint32_t>{30});
    EXPECT_EQ(best_repetitions(Levels{{9, 1}, {1, 100}}, 20), std::vector<std::uint32_t>{20});
    EXPECT_EQ(best_repetitions(Levels{{1, 10}, {50, 1}}, 20), std::vector<std::uint32_t>{1});
    EXPECT_EQ(best_repetitions(Levels{{9, 1}, {0, 100}}, 50), std::vector<std::uint32_t>{50});
    EXPECT_EQ(best_repetitions(Levels{{0, 1}, {0, 100}}, 50), std::vector<std::uint32_t>{1});
    EXPECT_EQ(best_repetitions(Levels{{2, 1}, {1, 2}, {1, 10}}, 50),
              (std::vector<std::uint32_t>{2, 3}));
}

}  // namespace
}  // namespace crucible::lab::stats
