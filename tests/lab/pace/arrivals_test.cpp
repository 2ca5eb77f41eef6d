#include "lab/pace/arrivals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace crucible::lab {
namespace {

/// variance / mean of the counts in `windows` windows of `length` mean gaps.
double dispersion(const Arrivals& arrivals, std::uint64_t seed, double length, int windows) {
    Gaps gaps(arrivals, seed);
    std::vector<double> counts(static_cast<std::size_t>(windows), 0.0);
    for (double at = gaps.next(); at < length * windows; at += gaps.next())
        counts[static_cast<std::size_t>(at / length)] += 1;
    double sum = 0;
    double squares = 0;
    for (const double count : counts) {
        sum += count;
        squares += count * count;
    }
    const double mean = sum / windows;
    return (squares / windows - mean * mean) / mean;
}

/// The closed form of the interrupted Poisson process, in its own terms.
double expected_dispersion(const Arrivals& arrivals, double length) {
    const double s = 2 * (1 - arrivals.duty) / (arrivals.duty * (arrivals.dispersion - 1));
    const double share = (1 - std::exp(-s * length)) / (s * length);
    return 1 + (arrivals.dispersion - 1) * (1 - share);
}

// Independent gaps: as many events more or fewer as chance alone makes, whatever the window: 1 ms
// to 1 s at 1,000/s.
TEST(Arrivals, PoissonHasAnIndexOfDispersionOfOne) {
    for (const double length : {1.0, 10.0, 100.0, 1000.0}) {
        const int windows = length < 1000 ? 20'000 : 5'000;
        EXPECT_NEAR(dispersion(Arrivals::poisson(), 11, length, windows), 1, 0.05) << length;
    }
}

// The one asked for in long windows, and the process's closed form in short ones.
TEST(Arrivals, OnOffHasTheIndexOfDispersionAskedFor) {
    for (const auto& [wanted, duty] : {std::pair{5.0, 0.5}, {20.0, 0.5}, {20.0, 0.1}}) {
        const Arrivals arrivals{Arrivals::Kind::on_off, wanted, duty};
        for (const double length : {2.0, 30.0, 2000.0}) {
            const double expected = expected_dispersion(arrivals, length);
            EXPECT_NEAR(dispersion(arrivals, 12, length, 20'000), expected, 0.05 * expected)
                << wanted << ' ' << duty << ' ' << length;
        }
        EXPECT_NEAR(expected_dispersion(arrivals, 2000), wanted, 0.05 * wanted);
    }
}

// Burstiness changes when events come, not how many.
TEST(Arrivals, GapsHaveMeanOne) {
    for (const auto& arrivals : {Arrivals::poisson(), Arrivals{Arrivals::Kind::on_off, 10, 0.3}}) {
        Gaps gaps(arrivals, 13);
        double sum = 0;
        constexpr int kGaps = 400'000;
        for (int i = 0; i < kGaps; ++i) sum += gaps.next();
        EXPECT_NEAR(sum / kGaps, 1, 0.03) << to_string(arrivals);
    }
}

TEST(Arrivals, TextReadsBack) {
    EXPECT_EQ(parse_arrivals("constant"), Arrivals::constant());
    EXPECT_EQ(parse_arrivals("onoff:7"), (Arrivals{Arrivals::Kind::on_off, 7, 0.5}));
    EXPECT_EQ(parse_arrivals("onoff:7.5,20%"), (Arrivals{Arrivals::Kind::on_off, 7.5, 0.2}));
    for (const auto& arrivals :
         {Arrivals::constant(), Arrivals::poisson(), Arrivals{Arrivals::Kind::on_off, 3.25, 0.125}})
        EXPECT_EQ(parse_arrivals(to_string(arrivals)), arrivals);
}

TEST(Arrivals, MistakesSayWhatIsAllowed) {
    const auto refusal = [](std::string_view text) {
        const auto arrivals = parse_arrivals(text);
        return arrivals ? "accepted" : arrivals.error().message;
    };
    EXPECT_EQ(refusal("uniform"),
              "arrivals 'uniform': must be constant, poisson or onoff:DISPERSION[,DUTY]");
    for (const auto* text : {"onoff:1", "onoff:x", "onoff:", "onoff:nan", "onoff:20000"}) {
        EXPECT_EQ(refusal(text),
                  std::string("arrivals '") + text +
                      "': the index of dispersion must be above 1 and at most 10000");
    }
    EXPECT_EQ(refusal("onoff:5,0%"),
              "arrivals 'onoff:5,0%': the share of time that is on must be from 1% to 99%");
}

}  // namespace
}  // namespace crucible::lab
