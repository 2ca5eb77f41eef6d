#include "lab/stats/serial.h"

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

TEST(Serial, AgreesWithRAndStatsmodels) {
    const auto cases = reference_cases("serial");
    EXPECT_EQ(cases.size(), 2u);
    for (const auto& test : cases) {
        SCOPED_TRACE(test.at("name").get<std::string>());
        const auto x = numbers(test.at("x"));
        const std::size_t lags = test.at("lags");
        const double rtol = test.at("rtol");
        const auto& want = test.at("expect");
        const auto acf = autocorrelations(x, lags);
        const auto wanted = numbers(want.at("acf"));
        ASSERT_EQ(acf.size(), wanted.size());
        for (std::size_t i = 0; i < acf.size(); ++i) expect_close(acf[i], wanted[i], rtol);
        expect_close(acf.front(), want.at("ar1_yule_walker"), rtol);
        const auto test_of_independence = ljung_box(x, lags);
        expect_close(test_of_independence.q, want.at("ljung_box_Q"), rtol);
        expect_close(test_of_independence.p_value, want.at("ljung_box_p"), rtol);
        expect_close(effective_sample_size(x), want.at("n_eff_ar1"), rtol);
        const double kpss = kpss_level(x, 4);
        expect_close(kpss, want.at("kpss_stat_c_nlags4"), rtol);
        EXPECT_EQ(kpss > kKpssCritical5, want.at("kpss_reject_5pct").get<bool>());
    }
}

}  // namespace
}  // namespace crucible::lab::stats
