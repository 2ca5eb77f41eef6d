#include "lab/stats/sequential.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

/// First number of values at which the evidence reaches 20; null in JSON for never.
nlohmann::json stop_at(const std::vector<double>& log_e_values) {
    for (std::size_t i = 0; i < log_e_values.size(); ++i) {
        if (log_e_values[i] >= std::log(20.0)) return i + 1;
    }
    return nullptr;
}

TEST(Sequential, AgreesWithTheDefinitions) {
    const auto cases = reference_cases("sequential");
    EXPECT_EQ(cases.size(), 2u);
    for (const auto& test : cases) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        const auto d = numbers(test.at("log_ratios"));
        const double rtol = test.at("rtol");
        const auto& want = test.at("expect");
        const auto lambdas = numbers(want.at("lambda_grid"));
        const double rho = confidence_sequence_rho(0.95, 20);
        expect_close(rho, want.at("asymptotic_cs_rho"), rtol);
        std::vector<double> sign;
        std::vector<double> flips;
        for (std::size_t n = 1; n <= d.size(); ++n) {
            const auto first = std::span(d).first(n);
            const auto above = [&](double m) {
                return static_cast<std::uint64_t>(
                    std::ranges::count_if(first, [m](double x) { return x > m; }));
            };
            sign.push_back(sign_log_e_value(above(0), n));
            flips.push_back(sign_flip_log_e_value(first, lambdas));
            expect_close(std::exp(sign.back()), want.at("robbins_sign_e_value")[n - 1], rtol);
            expect_close(std::exp(one_sided_sign_log_e_value(above(0), n)),
                         want.at("one_sided_sign_e_value_margin0")[n - 1], rtol);
            expect_close(std::exp(one_sided_sign_log_e_value(above(0.02), n)),
                         want.at("one_sided_sign_e_value_margin02")[n - 1], rtol);
            expect_close(std::exp(flips.back()), want.at("sign_flip_mixture_e_value")[n - 1], rtol);
            const auto got = confidence_sequence(first, 0.95, rho);
            expect_close(got.low, want.at("asymptotic_cs_alpha05")[n - 1][0], rtol);
            expect_close(got.high, want.at("asymptotic_cs_alpha05")[n - 1][1], rtol);
        }
        EXPECT_EQ(stop_at(sign), want.at("stop_n_at_alpha05").at("robbins"));
        EXPECT_EQ(stop_at(flips), want.at("stop_n_at_alpha05").at("sign_flip"));
    }
}

// Evidence from thousands of rounds is beyond what a double holds; its logarithm is not.
TEST(Sequential, HoldsForLongRuns) {
    EXPECT_NEAR(sign_log_e_value(5000, 5000), 5000 * std::log(2.0) - std::log(5001.0), 1e-6);
    EXPECT_TRUE(std::isfinite(
        sign_flip_log_e_value(std::vector<double>(5000, 10.0), std::vector<double>{100.0})));
}

}  // namespace
}  // namespace crucible::lab::stats
