#include "lab/stats/scalability.h"

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

// Published measurements (Gunther 2007; Schwartz 2015) and made-up ones, fitted by R's nls(port).
TEST(Scalability, AgreesWithRsFits) {
    int checked = 0;
    for (const char* file : {"usl_published", "usl_synthetic"}) {
        for (const auto& test : reference_cases(file)) {
            SCOPED_TRACE(test.at("name").get<std::string>());
            const auto& want = test.at("expect");
            const double rtol = test.at("rtol");
            const auto got = fit_scalability(numbers(test.at("n")), numbers(test.at("x")));
            ASSERT_TRUE(got);
            expect_close(got->gamma, want.at("gamma"), rtol);
            expect_close(got->alpha, want.at("alpha"), rtol);
            expect_close(got->beta, want.at("beta"), rtol);
            if (want.contains("rss")) {
                expect_close(got->residual_sum_of_squares, want.at("rss"), rtol);
                expect_close(got->residual_error, want.at("sigma"), rtol);
            }
            EXPECT_EQ(got->peak.has_value(), want.contains("n_max"));
            if (got->peak) expect_close(*got->peak, want.at("n_max"), rtol);
            if (want.contains("se")) {
                ASSERT_TRUE(got->standard_errors);
                for (std::size_t i = 0; i < 3; ++i) {
                    expect_close((*got->standard_errors)[i], want.at("se")[i], rtol);
                }
            }
            ++checked;
        }
    }
    EXPECT_EQ(checked, 5);
}

// Superlinear data want a negative alpha: both stay at 0 or above, and the line through the data
// is what is left.
TEST(Scalability, KeepsParametersInTheirRange) {
    const std::vector<double> n{1, 2, 4, 8};
    const std::vector<double> x{10, 22, 48, 110};
    const auto got = fit_scalability(n, x);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->alpha, 0);
    EXPECT_EQ(got->beta, 0);
    EXPECT_FALSE(got->peak);
    EXPECT_FALSE(got->standard_errors);
    // gamma = sum n x / sum n^2 = 1126 / 85.
    EXPECT_NEAR(got->gamma, 1126.0 / 85, 1e-9);
}

}  // namespace
}  // namespace crucible::lab::stats
