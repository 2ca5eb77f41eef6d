#include "lab/stats/round_bootstrap.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/rng.h"
#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

/// Buckets as wide as one distinct value: nothing is rounded.
PairedRounds exact_rounds(const std::vector<std::vector<double>>& a,
                          const std::vector<std::vector<double>>& b) {
    std::vector<double> values;
    for (const auto* side : {&a, &b}) {
        for (const auto& round : *side) values.insert(values.end(), round.begin(), round.end());
    }
    std::ranges::sort(values);
    values.erase(std::unique(values.begin(), values.end()), values.end());
    const auto counts = [&](const std::vector<double>& round) {
        std::vector<std::uint64_t> result(values.size());
        for (const double value : round) {
            ++result[static_cast<std::size_t>(std::ranges::lower_bound(values, value) -
                                              values.begin())];
        }
        return result;
    };
    PairedRounds rounds(values, a.size());
    for (std::size_t r = 0; r < a.size(); ++r) rounds.set_round(r, counts(a[r]), counts(b[r]));
    return rounds;
}

// With the drawn rounds given nothing is random: every replicate has one right value.
TEST(RoundBootstrap, AgreesWithTheDefinitionOnGivenDraws) {
    const auto test = reference_cases("round_bootstrap").at(0);
    const auto rounds = exact_rounds(test.at("A").get<std::vector<std::vector<double>>>(),
                                     test.at("B").get<std::vector<std::vector<double>>>());
    const double rtol = test.at("rtol");
    int replicates = 0;
    for (const auto& [name, p] :
         std::map<std::string, double>{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}}) {
        SCOPED_TRACE(name);
        const auto& want = test.at("expect").at(name);
        std::vector<std::uint32_t> times(rounds.rounds(), 1);
        expect_close(rounds.log_ratio(p, times), want.at("observed"), rtol);
        for (std::size_t i = 0; i < want.at("replicates").size(); ++i) {
            std::ranges::fill(times, 0);
            for (const auto& r : test.at("index_vectors").at(i)) ++times[r.get<std::size_t>()];
            expect_close(rounds.log_ratio(p, times), want.at("replicates")[i], rtol);
            ++replicates;
        }
        for (std::size_t r = 0; r < rounds.rounds(); ++r) {
            std::ranges::fill(times, 0);
            times[r] = 1;
            expect_close(rounds.log_ratio(p, times), want.at("per_round_log_ratio")[r], rtol);
        }
    }
    EXPECT_EQ(replicates, 120);
}

// A shift of 10 % under noise that differs from round to round: the interval finds it, is a
// function of its seed, and does not exist where bootstrap intervals are too narrow to be believed.
TEST(RoundBootstrap, FindsAShiftAndRefusesTooFewRounds) {
    base::Rng rng(5);
    const auto sample = [&](double level) {
        std::vector<double> values(200);
        for (double& value : values) value = std::round(level * (50 + 100 * rng.exponential()));
        return values;
    };
    std::vector<std::vector<double>> a;
    std::vector<std::vector<double>> b;
    for (int r = 0; r < 24; ++r) {
        const double level = 1 + 0.2 * rng.uniform();
        a.push_back(sample(10 * level));
        b.push_back(sample(11 * level));
    }
    const auto rounds = exact_rounds(a, b);
    const auto got = pooled_quantile_ratio(rounds, 0.5, 0.95, 500, 1);
    ASSERT_TRUE(got);
    EXPECT_LT(got->interval.low, std::log(1.1));
    EXPECT_GT(got->interval.high, std::log(1.1));
    EXPECT_GT(got->interval.low, 0);
    EXPECT_EQ(got->interval, pooled_quantile_ratio(rounds, 0.5, 0.95, 500, 1)->interval);
    EXPECT_NE(got->interval, pooled_quantile_ratio(rounds, 0.5, 0.95, 500, 2)->interval);
    a.resize(19);
    b.resize(19);
    EXPECT_FALSE(pooled_quantile_ratio(exact_rounds(a, b), 0.5, 0.95, 500, 1));
}

}  // namespace
}  // namespace crucible::lab::stats
