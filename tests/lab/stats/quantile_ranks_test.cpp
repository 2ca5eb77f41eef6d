#include "lab/stats/quantile_ranks.h"

#include <algorithm>

#include "lab/stats/reference.h"
#include "lab/stats/robust.h"

namespace crucible::lab::stats {
namespace {

TEST(QuantileRanks, AgreesWithTheBinomialOfScipy) {
    int intervals = 0;
    int refusals = 0;
    for (const auto& test : reference_cases("harrell_davis")) {
        auto x = numbers(test.at("x"));
        std::sort(x.begin(), x.end());
        for (const auto& want : test.at("expect")) {
            const double p = want.at("p");
            SCOPED_TRACE(test.at("name").get<std::string>() + " p " + std::to_string(p));
            EXPECT_EQ(quantile_rank(x.size(), p), want.at("order_stat_k").get<std::uint64_t>());
            EXPECT_EQ(x[quantile_rank(x.size(), p) - 1], want.at("quantile_type1").get<double>());
            expect_close(interpolated_quantile(x, p), want.at("quantile_type7"), 1e-12);
            const auto got = quantile_ranks(x.size(), p, 0.95);
            const auto& ci = want.at("binomial_ci95");
            ASSERT_EQ(got.has_value(), !ci.is_null());
            if (!got) {
                ++refusals;
                continue;
            }
            EXPECT_EQ(got->low, ci.at("l").get<std::uint64_t>());
            EXPECT_EQ(got->high, ci.at("u").get<std::uint64_t>());
            EXPECT_EQ(x[got->low - 1], ci.at("lo").get<double>());
            EXPECT_EQ(x[got->high - 1], ci.at("hi").get<double>());
            expect_close(got->coverage, ci.at("coverage"), test.at("rtol"));
            ++intervals;
        }
    }
    EXPECT_EQ(intervals, 8);
    EXPECT_EQ(refusals, 7);
}

// The sizes below which a percentile has no two-sided 95 % interval: a p99 of 100 events is not a
// measurement.
TEST(QuantileRanks, ExistsFromTheSizeAtWhichBothTailsFit) {
    const auto smallest = [](double p) {
        std::uint64_t n = 1;
        while (!quantile_ranks(n, p, 0.95)) ++n;
        return n;
    };
    EXPECT_EQ(smallest(0.5), 6u);
    EXPECT_EQ(smallest(0.90), 36u);
    EXPECT_EQ(smallest(0.95), 72u);
    EXPECT_EQ(smallest(0.99), 368u);
    EXPECT_EQ(smallest(0.999), 3688u);
    EXPECT_FALSE(quantile_ranks(0, 0.5, 0.95));
}

// A long run has hundreds of millions of values; the ranks stay where the normal approximation
// says, n p -+ 1.96 sqrt(n p (1-p)) = 9.9e8 -+ 6167.
TEST(QuantileRanks, WorksForABillionValues) {
    const auto got = quantile_ranks(1'000'000'000, 0.99, 0.95);
    ASSERT_TRUE(got);
    EXPECT_NEAR(static_cast<double>(got->low), 9.9e8 - 6167, 3);
    EXPECT_NEAR(static_cast<double>(got->high), 9.9e8 + 6167, 3);
    EXPECT_GE(got->coverage, 0.95);
    EXPECT_LT(got->coverage, 0.9501);
}

// 0.07 * 100 is 7.000000000000001 in doubles; the nearest rank is 7.
TEST(QuantileRank, IsNotMovedByRounding) {
    EXPECT_EQ(quantile_rank(100, 0.07), 7u);
    EXPECT_EQ(quantile_rank(1000, 0.999), 999u);
    EXPECT_EQ(quantile_rank(1, 0.001), 1u);
    EXPECT_EQ(quantile_rank(3, 0.99), 3u);
}

}  // namespace
}  // namespace crucible::lab::stats
