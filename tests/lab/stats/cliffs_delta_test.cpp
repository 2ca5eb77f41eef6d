#include "lab/stats/cliffs_delta.h"

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

TEST(CliffsDelta, AgreesWithBruteForceInR) {
    const auto cases = reference_cases("cliffs_delta");
    EXPECT_EQ(cases.size(), 7u);
    int refused = 0;
    for (const auto& test : cases) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        const auto& want = test.at("expect");
        const double rtol = test.at("rtol");
        const auto got = cliffs_delta(numbers(test.at("x")), numbers(test.at("y")), 0.95);
        expect_close(got.delta, want.at("delta"), rtol);
        expect_close(got.a12, want.at("A12"), rtol);
        expect_close(got.standard_error, want.at("s_d"), rtol);
        ASSERT_EQ(got.interval.has_value(), !want.at("ci95").is_null());
        if (!got.interval) {
            ++refused;
            continue;
        }
        expect_close(got.interval->low, want.at("ci95")[0], rtol);
        expect_close(got.interval->high, want.at("ci95")[1], rtol);
    }
    EXPECT_EQ(refused, 1);
}

}  // namespace
}  // namespace crucible::lab::stats
