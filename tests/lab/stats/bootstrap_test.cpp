#include "lab/stats/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lab/stats/effect.h"
#include "lab/stats/reference.h"
#include "lab/stats/robust.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab::stats {
namespace {

double mean(std::span<const double> x) {
    return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}
double log_mean(std::span<const double> x) {
    double sum = 0;
    for (const double value : x) sum += std::log(value);
    return sum / static_cast<double>(x.size());
}
double p90(std::span<const double> x) {
    std::vector<double> sorted(x.begin(), x.end());
    std::sort(sorted.begin(), sorted.end());
    return interpolated_quantile(sorted, 0.9);
}

Statistic statistic_named(const std::string& name) {
    if (name == "mean") return mean;
    if (name == "logmean") return log_mean;
    EXPECT_EQ(name, "p90");
    return p90;
}

// sqrt(5/4) and sqrt(20/19) times the quantiles of Student's t that R gives, 2.7764451
// and 1.7291328; many values leave the normal's own.
TEST(ExpandedInterval, ReachesAsFarAsFewValuesAsk) {
    EXPECT_NEAR(expanded_reach(5, 0.95), 3.104160, 1e-6);
    EXPECT_NEAR(expanded_reach(20, 0.90), 1.774053, 1e-6);
    EXPECT_NEAR(expanded_reach(1'000'000, 0.95), 1.959967, 1e-5);
}

// With the replicates given nothing is random: every part of the formula has one right value.
TEST(Bca, AgreesWithTheFormulaInROnGivenReplicates) {
    const auto test = reference_cases("bca_bootstrap").at(0);
    const double rtol = test.at("rtol");
    const auto& want = test.at("expect");
    const auto x = numbers(test.at("x"));
    const auto replicates = numbers(test.at("theta_star"));
    const auto left_out = jackknife(x, mean);
    const auto wanted = numbers(want.at("jackknife"));
    ASSERT_EQ(left_out.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) expect_close(left_out[i], wanted[i], rtol);

    const auto got = bca_interval(mean(x), replicates, left_out, 0.95);
    expect_close(mean(x), want.at("theta_hat"), rtol);
    expect_close(got.bias, want.at("z0"), rtol);
    expect_close(got.acceleration, want.at("a"), rtol);
    expect_close(got.levels.low, want.at("alpha")[0], rtol);
    expect_close(got.levels.high, want.at("alpha")[1], rtol);
    expect_close(got.interval.low, want.at("ci_type7")[0], rtol);
    expect_close(got.interval.high, want.at("ci_type7")[1], rtol);
    const auto percentile = percentile_interval(replicates, 0.95);
    expect_close(percentile.low, want.at("percentile_type7")[0], rtol);
    expect_close(percentile.high, want.at("percentile_type7")[1], rtol);
}

// Our own resampling, against the ends that SciPy found with 5 x 20,000 resamples: within the
// Monte-Carlo error stated beside each, as a share of the interval's width.
TEST(Bca, AgreesWithScipyWithinMonteCarloError) {
    int checked = 0;
    for (const auto& test : reference_cases("bca_bootstrap")) {
        if (!test.contains("tol_fraction_of_width")) continue;
        SCOPED_TRACE(test.at("name").get<std::string>());
        const auto statistic = statistic_named(test.at("stat"));
        const auto x = numbers(test.at("x"));
        const auto& want = test.at("expect");
        const double low = want.at("bca95_scipy_mean_of_5x20000")[0];
        const double high = want.at("bca95_scipy_mean_of_5x20000")[1];
        const double theta = statistic(x);
        expect_close(theta, want.at("theta_hat"), 1e-12);
        const auto got = bca_interval(theta, bootstrap_replicates(x, statistic, 20'000, 7),
                                      jackknife(x, statistic), 0.95);
        const auto& tolerance = test.at("tol_fraction_of_width");
        EXPECT_NEAR(got.interval.low, low, tolerance.at("low").get<double>() * (high - low));
        EXPECT_NEAR(got.interval.high, high, tolerance.at("high").get<double>() * (high - low));
        ++checked;
    }
    EXPECT_EQ(checked, 3);
}

const std::vector<double> kDifferences{0.031, -0.012, 0.044, 0.018, 0.002,
                                       0.027, -0.005, 0.051, 0.009, 0.022};

// A report must be reproducible from its seed, and the seed must be used.
TEST(Bootstrap, IsAFunctionOfTheSeed) {
    const auto first = bootstrap_replicates(kDifferences, mean, 100, 1);
    EXPECT_EQ(first, bootstrap_replicates(kDifferences, mean, 100, 1));
    EXPECT_NE(first, bootstrap_replicates(kDifferences, mean, 100, 2));
}

// The shortcut over presorted averages is the same resampling: bit for bit, for odd and even
// numbers of averages.
TEST(Bootstrap, IntervalOfRoundsIsThatOfPlainResampling) {
    const Statistic statistic = hodges_lehmann_estimate;
    for (const std::size_t m : {2u, 5u, 6u, 10u}) {
        const auto d = std::span(kDifferences).first(m);
        const auto plain = bca_interval(statistic(d), bootstrap_replicates(d, statistic, 500, 9),
                                        jackknife(d, statistic), 0.95);
        const auto got = bootstrap_interval(d, 0.95, 500, 9);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->interval, plain.interval) << m;
    }
}

// A metric that is the same in every round gives no spread to resample: the interval is the point,
// not NaN.
TEST(Bootstrap, OfEqualDifferencesIsThePoint) {
    const auto got = bootstrap_interval(std::vector<double>(8, 0.25), 0.95, 200, 1);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->interval, (Interval{0.25, 0.25}));
    EXPECT_FALSE(bootstrap_interval(std::vector<double>{0.25}, 0.95, 200, 1));
}

// The effect's interval covers both of its parts, and is refused exactly where the exact part is.
TEST(PairedEffect, IsTheHullOfTheExactAndTheBootstrapInterval) {
    const auto exact = hodges_lehmann(kDifferences, 0.95);
    const auto resampled = bootstrap_interval(kDifferences, 0.95, kBootstrapReplicates, 3);
    const auto effect = paired_effect(kDifferences, 0.95, 3);
    ASSERT_TRUE(exact && resampled && effect);
    EXPECT_EQ(effect->interval, hull(exact->interval, resampled->interval));
    EXPECT_EQ(effect->estimate, exact->estimate);
    EXPECT_FALSE(paired_effect(std::span(kDifferences).first(5), 0.95, 3));
    EXPECT_TRUE(paired_effect(std::span(kDifferences).first(5), 0.90, 3));
}

}  // namespace
}  // namespace crucible::lab::stats
