#include "lab/stats/sign_test.h"

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

TEST(SignTest, AgreesWithBinomialAndEnumeration) {
    for (const auto& test : reference_cases("paired_randomisation")) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        const auto d = numbers(test.at("log_ratios"));
        const double rtol = test.at("rtol");
        expect_close(sign_test_p_value(d), test.at("expect").at("sign_test_p"), rtol);
        expect_close(sign_flip_p_value(d), test.at("expect").at("sign_flip_exact_two_sided_p"),
                     rtol);
    }
}

// Zeros say nothing about the sign: 3 of 3 positive is 2/8 whatever stands beside them.
TEST(SignTest, DropsZeros) {
    EXPECT_DOUBLE_EQ(sign_test_p_value(std::vector<double>{1, 2, 0, 3, 0}), 0.25);
    EXPECT_DOUBLE_EQ(sign_test_p_value(std::vector<double>{0, 0}), 1);
    EXPECT_DOUBLE_EQ(sign_test_p_value(std::vector<double>{1, -1}), 1);
}

// P(Bin(6,1/2) < 1) = 1/64 fits in 2.5 %, P(Bin(5,1/2) < 1) = 1/32 does not. For 10 the second
// value counts: P(Bin(10,1/2) < 2) = 11/1024.
TEST(MedianInterval, TakesTheInnermostRankThatCovers) {
    EXPECT_FALSE(median_interval(std::vector<double>{1, 2, 3, 4, 5}, 0.95));
    const auto six = median_interval(std::vector<double>{6, 5, 4, 3, 2, 1}, 0.95);
    ASSERT_TRUE(six);
    EXPECT_EQ(six->interval, (Interval{1, 6}));
    EXPECT_DOUBLE_EQ(six->estimate, 3.5);
    const auto ten = median_interval(std::vector<double>{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 0.95);
    ASSERT_TRUE(ten);
    EXPECT_EQ(ten->interval, (Interval{2, 9}));
    EXPECT_DOUBLE_EQ(ten->level, 1 - 2 * 11.0 / 1024);
}

}  // namespace
}  // namespace crucible::lab::stats
