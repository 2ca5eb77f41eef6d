// What a workload's content is drawn from: sizes, mix, popularity and faults.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "lab/workload/faults.h"
#include "lab/workload/mix.h"
#include "lab/workload/payload_sizes.h"
#include "lab/workload/popularity.h"

namespace crucible::lab {
namespace {

constexpr int kDraws = 200'000;

template <typename T>
std::string error_of(const Result<T>& result) {
    return result ? "accepted" : result.error().message;
}

// Moments of a log-normal distribution: mean m e^(s^2/2), median m; 68.3 % within a factor e^s.
TEST(PayloadSizes, LogNormalHasItsMoments) {
    const auto sizes = PayloadSizes::parse("lognormal:1000B,0.8");
    ASSERT_TRUE(sizes) << sizes.error().message;
    base::Rng random(1);
    double sum = 0;
    int below_median = 0;
    int within_sigma = 0;
    for (int i = 0; i < kDraws; ++i) {
        const auto bytes = static_cast<double>(sizes->draw(random));
        sum += bytes;
        below_median += bytes < 1000 ? 1 : 0;
        within_sigma += std::abs(std::log(bytes / 1000)) < 0.8 ? 1 : 0;
    }
    EXPECT_NEAR(sum / kDraws / sizes->mean(), 1, 0.01);
    EXPECT_NEAR(sizes->mean(), 1377.13, 0.01);
    EXPECT_NEAR(below_median, 0.5 * kDraws, 0.005 * kDraws);
    EXPECT_NEAR(within_sigma, 0.6827 * kDraws, 0.005 * kDraws);
}

TEST(PayloadSizes, UniformAndHistogramKeepTheirShares) {
    base::Rng random(2);
    const auto uniform = PayloadSizes::parse("uniform:100B,103B");
    std::map<std::uint64_t, int> counts;
    for (int i = 0; i < kDraws; ++i) ++counts[uniform->draw(random)];
    ASSERT_EQ(counts.size(), 4u);
    for (const auto& [size, count] : counts) EXPECT_NEAR(count, kDraws / 4, 0.01 * kDraws) << size;
    EXPECT_DOUBLE_EQ(uniform->mean(), 101.5);

    const auto histogram = PayloadSizes::parse("histogram:256B*70,1KiB*25,64KiB*5");
    counts.clear();
    for (int i = 0; i < kDraws; ++i) ++counts[histogram->draw(random)];
    ASSERT_EQ(counts.size(), 3u);
    EXPECT_NEAR(counts[256], 0.70 * kDraws, 0.005 * kDraws);
    EXPECT_NEAR(counts[1024], 0.25 * kDraws, 0.005 * kDraws);
    EXPECT_NEAR(counts[65'536], 0.05 * kDraws, 0.005 * kDraws);
    EXPECT_DOUBLE_EQ(histogram->mean(), 0.70 * 256 + 0.25 * 1024 + 0.05 * 65'536);
}

TEST(PayloadSizes, RefusesWhatIsNone) {
    EXPECT_EQ(error_of(PayloadSizes::parse("1KiB")), "accepted");
    EXPECT_EQ(error_of(PayloadSizes::parse("11MiB")),
              "payload '11MiB': from 1 B to 10 MiB less 4 KiB (an event is at most 10 MiB with its "
              "envelope)");
    EXPECT_EQ(error_of(PayloadSizes::parse("uniform:2KiB,1KiB")),
              "payload 'uniform:2KiB,1KiB': the smaller size stands first");
    EXPECT_EQ(error_of(PayloadSizes::parse("lognormal:1KiB,0")),
              "payload 'lognormal:1KiB,0': must be lognormal:MEDIAN,SIGMA with a sigma above 0, at "
              "most 5");
    EXPECT_EQ(error_of(PayloadSizes::parse("histogram:1KiB")),
              "payload 'histogram:1KiB': '1KiB' must be SIZE*WEIGHT with a weight from 1 to "
              "1000000, at most 1000 of them");
    EXPECT_EQ(error_of(PayloadSizes::parse("normal:1KiB,3")),
              "payload 'normal:1KiB,3': must be a size, uniform:LEAST,MOST, "
              "lognormal:MEDIAN,SIGMA or histogram:SIZE*WEIGHT,...");
}

TEST(Mix, BlocksAreTheLeastThatHoldTheShares) {
    EXPECT_EQ(Mix::production().block().size(), 20u);
    const auto mix = Mix::parse("database=10,mcp=5");
    ASSERT_TRUE(mix) << mix.error().message;
    EXPECT_EQ(mix->block(), (std::vector{Category::database, Category::database, Category::mcp}));
    EXPECT_EQ(error_of(Mix::parse("databse=1")),
              "mix 'databse=1': no category 'databse'; did you mean 'database'?");
    EXPECT_EQ(
        error_of(Mix::parse("database=0")),
        "mix 'database=0': 'database=0' must be CATEGORY=WEIGHT, a weight being a whole number "
        "from 1 to 1000000");
    EXPECT_EQ(error_of(Mix::parse("database=1,database=1")),
              "mix 'database=1,database=1': 'database' is given twice");
    EXPECT_EQ(error_of(Mix::parse("database=1009,mcp=1")),
              "mix 'database=1009,mcp=1': these shares are exact only in 1010 events; use rounder "
              "weights, 1000 events must do");
    EXPECT_EQ(error_of(Mix::parse("")), "mix '': must be CATEGORY=WEIGHT,...");
}

// Zipf's law: the k-th key has the share k^-s / H(N, s).
TEST(Popularity, ZipfHasItsShares) {
    const auto zipf = Popularity::parse("zipf:1000,1.1");
    ASSERT_TRUE(zipf) << zipf.error().message;
    double harmonic = 0;
    for (int k = 1; k <= 1000; ++k) harmonic += std::pow(k, -1.1);
    std::vector<int> counts(1000);
    base::Rng random(3);
    for (int i = 0; i < kDraws; ++i) ++counts.at(zipf->draw(random));
    for (const int k : {1, 2, 5, 10, 100}) {
        const double expected = std::pow(k, -1.1) / harmonic * kDraws;
        EXPECT_NEAR(counts[static_cast<std::size_t>(k - 1)], expected, 5 * std::sqrt(expected))
            << k;
    }
    const auto standard = Popularity::standard();
    for (int i = 0; i < 1000; ++i) EXPECT_LT(standard.draw(random), 64u);
    for (const auto* text : {"zipf:1000", "zipf:0,1", "zipf:10,0", "uniform:5,1", "hot:3", ""})
        EXPECT_NE(error_of(Popularity::parse(text)), "accepted") << text;
}

// Exactly the share asked, evenly spread, and the sound events between them in their order.
TEST(Faults, StandBetweenTheOthersAtExactRates) {
    const auto faults = Faults::parse("malformed=1%,failing=2%,duplicates=0.5%");
    ASSERT_TRUE(faults) << faults.error().message;
    std::map<Fault, int> counts;
    std::uint64_t sound = 0;
    for (std::uint64_t ordinal = 0; ordinal < kDraws; ++ordinal) {
        const auto fault = faults->at(7, ordinal, 4 * ordinal + 1);
        ++counts[fault];
        if (fault != Fault::none) continue;
        ASSERT_EQ(ordinal - faults->before(ordinal), sound);
        ASSERT_EQ(faults->ordinal_of(sound), ordinal);
        ++sound;
    }
    EXPECT_EQ(counts[Fault::none], kDraws * 0.965);
    EXPECT_NEAR(counts[Fault::malformed], 0.01 * kDraws, 150);
    EXPECT_NEAR(counts[Fault::failing], 0.02 * kDraws, 150);
    EXPECT_NEAR(counts[Fault::duplicate], 0.005 * kDraws, 150);
}

// The extreme: every second event is faulty, and one in a million.
TEST(Faults, OrdinalsFitAtTheLimits) {
    for (const auto* text : {"failing=50%", "failing=0.0001%", "failing=33.3333%"}) {
        const auto faults = Faults::parse(text);
        ASSERT_TRUE(faults) << faults.error().message;
        EXPECT_EQ(faults->at(1, 0, 0), Fault::none);
        for (const std::uint64_t from : {std::uint64_t{0}, std::uint64_t{1} << 32}) {
            for (std::uint64_t sound = from; sound < from + 3000; ++sound) {
                const auto ordinal = faults->ordinal_of(sound);
                ASSERT_EQ(ordinal - faults->before(ordinal), sound) << text;
                ASSERT_EQ(faults->at(1, ordinal, ordinal), Fault::none) << text;
            }
        }
    }
    for (const auto* text : {"failing=51%", "failing", "failing=0%", "wrong=1%", "", "failing=1%x",
                             "failing=30%,malformed=30%", "failing=1%,failing=1%"})
        EXPECT_NE(error_of(Faults::parse(text)), "accepted") << text;
}

}  // namespace
}  // namespace crucible::lab
