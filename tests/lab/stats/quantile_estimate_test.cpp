#include "lab/stats/quantile_estimate.h"

#include <algorithm>

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

TEST(QuantileEstimate, AgreesWithHmiscAndScipy) {
    int checked = 0;
    for (const auto& test : reference_cases("harrell_davis")) {
        auto x = numbers(test.at("x"));
        std::ranges::sort(x);
        const double rtol = test.at("rtol");
        const auto n = static_cast<double>(x.size());
        for (const auto& want : test.at("expect")) {
            const double p = want.at("p");
            SCOPED_TRACE(test.at("name").get<std::string>() + " p " + std::to_string(p));
            const auto estimate = harrell_davis(x, p);
            expect_close(estimate.mean, want.at("harrell_davis"), rtol);
            // The deviation is a difference of squares: R and SciPy agree to 1e-6 of it themselves
            // where the weights nearly all lie on one value.
            expect_close(estimate.standard_deviation, want.at("maritz_jarrett_se_hd_weights"),
                         rtol);
            expect_close(harrell_davis_jackknife_error(x, p), want.at("hd_jackknife_se_Hmisc"),
                         rtol);
            const auto resampled = nearest_rank_bootstrap(x, p);
            expect_close(resampled.mean, want.at("exact_bootstrap_mean_of_order_stat"), rtol);
            expect_close(resampled.standard_deviation, want.at("exact_bootstrap_se_of_order_stat"),
                         rtol);
            // SciPy's variant of the weights, undefined where one of them is not positive.
            const double m = std::floor(p * n + 0.5);
            const auto& variant = want.at("maritz_jarrett_se_scipy_mjci");
            ASSERT_EQ(variant.is_null(), m - 1 <= 0 || n - m <= 0);
            if (!variant.is_null()) {
                expect_close(beta_weighted(x, m - 1, n - m).standard_deviation, variant, rtol);
            }
            expect_close(sample_quantile(x, p, QuantileType::nearest_rank),
                         want.at("quantile_type1"), rtol);
            expect_close(sample_quantile(x, p, QuantileType::linear), want.at("quantile_type7"),
                         rtol);
            expect_close(sample_quantile(x, p, QuantileType::median_unbiased),
                         want.at("quantile_type8"), rtol);
            ++checked;
        }
    }
    EXPECT_EQ(checked, 15);
}

TEST(QuantileEstimate, EndsAreTheExtremes) {
    const std::vector<double> x{1, 2, 3};
    for (const auto type :
         {QuantileType::nearest_rank, QuantileType::linear, QuantileType::median_unbiased}) {
        EXPECT_EQ(sample_quantile(x, 0, type), 1);
        EXPECT_EQ(sample_quantile(x, 1, type), 3);
    }
}

}  // namespace
}  // namespace crucible::lab::stats
