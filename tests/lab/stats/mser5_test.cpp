#include "lab/stats/mser5.h"

#include <numeric>

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

TEST(Mser5, AgreesWithTheDefinition) {
    const auto cases = reference_cases("mser5");
    EXPECT_EQ(cases.size(), 3u);
    for (const auto& test : cases) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        const auto x = numbers(test.at("x"));
        const double rtol = test.at("rtol");
        const auto& want = test.at("expect");
        const auto got = mser5(x);
        EXPECT_EQ(got.values, want.at("truncate_observations").get<std::size_t>());
        EXPECT_EQ(got.values, 5 * want.at("d_batches").get<std::size_t>());
        expect_close(got.error, want.at("mser_at_d"), rtol);
        expect_close(got.error_at_start, want.at("mser_at_0"), rtol);
        EXPECT_EQ(got.steady, !want.at("at_search_bound").get<bool>());
        const auto rest = std::span(x).subspan(got.values);
        expect_close(
            std::accumulate(rest.begin(), rest.end(), 0.0) / static_cast<double>(rest.size()),
            want.at("mean_after_truncation"), rtol);
    }
}

// A constant series has nothing to drop and is as steady as can be.
TEST(Mser5, KeepsAConstantSeries) {
    const auto got = mser5(std::vector<double>(20, 3.0));
    EXPECT_EQ(got.values, 0u);
    EXPECT_TRUE(got.steady);
}

}  // namespace
}  // namespace crucible::lab::stats
