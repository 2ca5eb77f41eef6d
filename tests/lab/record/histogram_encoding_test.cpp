#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/rng.h"
#include "lab/record/hdr_encoding.h"
#include "lab/record/histogram.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

// Written by the reference implementation, HdrHistogram 2.1.11 for Java (as packaged by Debian 12):
// new Histogram(1, 3600000000000L, 3), encodeIntoCompressedByteBuffer, base64.
constexpr std::string_view kEmpty = "HISTFAAAACF4nJNpmSzMwMDAyAABzFAayGd2M9ixgMH+A1QEAFKmBEw=";
constexpr std::string_view kOne = "HISTFAAAACJ4nJNpmSzMwMDAxAABzFCaEch0M9ixgMH+A1SECQBXFwRP";
// 1000, 2000, … 10,000,000.
constexpr std::string_view kRamp =
    "HISTFAAAANZ4nJNpmSzMwCDyjgECmKE0I5DpZrBjAYP9B4jAeX6ms/xMUzmYnrIzLWRh+sgMRcuZmL4zYkErGZmqmSrx"
    "4GwmayC0BZPk0bpM0kyyQIgg6c/nZ+Jl4gZiCESwsIsOV3l2JlYwZIbSqJB40VH9Q18/MxMDGsQQwAWJVkgLM0ctH7V8"
    "1HIqmIkOWDBEcAEaqBy1fNTyUcvpaTkLOmDDEKGNIL3sGbV81PJRy3EKckAAFwcHBgurIAFp2ho0avmo5aOWU9UgAQEh"
    "AQHsBNVkaG0FDwBXjIQO";
// 1, 2047, 2048, 300,000 times 1,000,000 and 3.6e12.
constexpr std::string_view kWide =
    "HISTFAAAADF4nJNpmSzMwMAgwAABzFCaEch0M9ixgMH+A1SE6ac8E9P+PsYD51Uu32ZiAgDCowos";
// The same values as kRamp and kWide, written by hdr-histogram-js 3.0.1: another header, the same
// buckets.
constexpr std::string_view kRampOfJavaScript =
    "HISTFAAAANx4nO2NQQrCMBBFJz/VBrU0qDvtEQT3xa2X8QTi1huIe12JN/AS4incCq7cCm1FbVIVaQrKzE8mmT/JvP58"
    "0SHqnohIEJGkNASRHA93K7rVhxD7EEuFo4+1h7PM1ga4CMvaCswwfbEniBFjlOTvzgF6iBA95OrrEAGaCDLdb3b3X/s+"
    "aolkdj7rc5f///5/CcrJMIr08UMXMxnOcIaXMDMfnuEUhYOXDGc4w6uEe/moG44bsyoOwxnO8EJTpdFQyrhZzTdtt4MY"
    "znCGlzpI67bW9lRaxzWidQWx1YLh";
constexpr std::string_view kWideOfJavaScript =
    "HISTFAAAADV4nJNpmSzMwMAgwMDAwMjAwMDMAAGMDAzMbgY7FjDA+Uw/5ZmY9vcxHjivcvk2ExMAp2kI/w==";

Histogram ramp() {
    Histogram histogram;
    for (int i = 1; i <= 10'000; ++i) histogram.record(Duration(i * 1'000));
    return histogram;
}

Histogram wide() {
    Histogram histogram;
    for (const auto value : {1ns, 2047ns, 2048ns}) histogram.record(value);
    for (int i = 0; i < 300'000; ++i) histogram.record(1ms);
    histogram.record(1h);
    return histogram;
}

// Byte for byte: HdrHistogram's tools plot our files, and a file of theirs is one of ours.
TEST(HistogramEncoding, IsWhatTheReferenceImplementationWrites) {
    EXPECT_EQ(Histogram().encode(), kEmpty);
    Histogram one;
    one.record(1ns);
    EXPECT_EQ(one.encode(), kOne);
    EXPECT_EQ(ramp().encode(), kRamp);
    EXPECT_EQ(wide().encode(), kWide);
}

// p50, p99, mean and deviation are those that both other implementations printed for their own
// histograms.
TEST(HistogramEncoding, ReadsWhatOtherImplementationsWrote) {
    for (const auto text : {kRamp, kRampOfJavaScript}) {
        const auto decoded = Histogram::decode(text);
        ASSERT_TRUE(decoded) << decoded.error().message;
        EXPECT_EQ(decoded->count(), 10'000u);
        EXPECT_EQ(decoded->quantile(0.50).count(), 5'001'215);
        EXPECT_EQ(decoded->quantile(0.99).count(), 9'904'127);
        EXPECT_NEAR(decoded->mean_ns(), 5'000'504.7578, 1e-3);
        EXPECT_NEAR(decoded->stddev_ns(), 2'886'751.6471462087, 1e-3);
        EXPECT_EQ(decoded->encode(), kRamp);
    }
    for (const auto text : {kWide, kWideOfJavaScript}) {
        const auto decoded = Histogram::decode(text);
        ASSERT_TRUE(decoded) << decoded.error().message;
        EXPECT_EQ(decoded->count(), 300'004u);
        EXPECT_EQ(decoded->quantile(0.999).count(), 1'000'447);
        EXPECT_EQ(decoded->min(), 1ns);
        EXPECT_EQ(decoded->max(), 1h);
        EXPECT_EQ(decoded->encode(), kWide);
    }
    const auto empty = Histogram::decode(kEmpty);
    ASSERT_TRUE(empty) << empty.error().message;
    EXPECT_EQ(*empty, Histogram());
}

// Within our own processes nothing may get lost on the way: extremes, the sum and what was clamped
// travel too.
TEST(HistogramEncoding, ExactFormGivesAnEqualHistogram) {
    base::Rng rng(9);
    Histogram histogram;
    for (int i = 0; i < 20'000; ++i) {
        histogram.record(Duration(static_cast<std::int64_t>(std::exp(rng.uniform() * 29))));
    }
    histogram.record(-1ns);
    histogram.record(2h);
    for (const auto& original : {histogram, ramp(), wide(), Histogram()}) {
        const auto decoded = Histogram::decode(original.encode_exact());
        ASSERT_TRUE(decoded) << decoded.error().message;
        EXPECT_EQ(*decoded, original);
    }
    // The plain form gives the same buckets, so the same text again.
    const auto plain = Histogram::decode(histogram.encode());
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->encode(), histogram.encode());
    EXPECT_EQ(plain->quantile(0.9), histogram.quantile(0.9));
}

// A sum above 2^64 ns is carried in two words.
TEST(HistogramEncoding, ExactFormCarriesLargeSums) {
    Histogram hours;
    for (int i = 0; i < 6'000'000; ++i) hours.record(1h);
    const auto decoded = Histogram::decode(hours.encode_exact());
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(*decoded, hours);
}

// Counts of every length in LEB128, the ninth byte included, which carries eight bits instead of
// seven.
TEST(HdrEncoding, KeepsCountsOfEverySize) {
    std::vector<std::uint64_t> counts;
    for (int bits = 0; bits < 63; ++bits) {
        counts.push_back((std::uint64_t{1} << bits) - 1);
        counts.push_back(std::uint64_t{1} << bits);
    }
    counts.insert(counts.end(), 1'000, 0);
    counts.push_back(INT64_MAX);
    const auto decoded = decode_hdr(encode_hdr({3, 1, 3'600'000'000'000}, counts), counts.size());
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->counts, counts);
    EXPECT_EQ(decoded->layout.highest, 3'600'000'000'000);
    EXPECT_FALSE(decode_hdr(encode_hdr({3, 1, 3'600'000'000'000}, counts), counts.size() - 1));
}

void expect_corrupt(std::string_view text, std::string_view reason) {
    const auto decoded = Histogram::decode(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().code, Errc::corrupt);
    EXPECT_NE(decoded.error().message.find(reason), std::string::npos) << decoded.error().message;
}

TEST(HistogramEncoding, RefusesWhatIsNotAHistogramOfOurLayout) {
    expect_corrupt("", "not HdrHistogram's");
    expect_corrupt("abc", "not base64");
    expect_corrupt("HIST*AAA", "not base64");
    expect_corrupt("AAAAAAAA", "not HdrHistogram's");
    expect_corrupt(kRamp.substr(0, 100), "length");
    std::string damaged(kRamp);
    damaged[60] = damaged[60] == 'A' ? 'B' : 'A';
    expect_corrupt(damaged, "does not decompress");
    expect_corrupt(encode_hdr({2, 1, 3'600'000'000'000}, {}), "2 significant digits");
    expect_corrupt(encode_hdr({3, 1'000, 3'600'000'000'000}, {}), "from 1000");
    const std::vector<std::uint64_t> beyond(40'000, 1);
    expect_corrupt(encode_hdr({3, 1, INT64_MAX}, beyond), "more counts");
    const std::vector<std::uint64_t> too_many(3, INT64_MAX);
    expect_corrupt(encode_hdr({3, 1, 3'600'000'000'000}, too_many), "outside the range");
}

TEST(HistogramEncoding, RefusesExactFiguresThatContradictTheBuckets) {
    const std::string one(kOne);
    EXPECT_TRUE(Histogram::decode(one + ";1;1;0;1;0"));
    for (const char* facts :
         {";", ";1;1;0;1", ";1;1;0;1;0;0", ";2;1;0;1;0", ";1;2;0;1;0", ";1;1;0;2;0", ";1;1;1;1;0",
          ";1;1;0;1;2", ";x;1;0;1;0", ";-1;1;0;1;0", ";1;1;0;1; 0"}) {
        expect_corrupt(one + facts, "exact figures");
    }
}

// Any damage is an error or a valid histogram, never a crash or an endless loop (sanitizers watch).
TEST(HistogramEncoding, SurvivesRandomDamage) {
    base::Rng rng(1);
    const std::string original = wide().encode_exact();
    for (int round = 0; round < 2'000; ++round) {
        std::string damaged = original;
        for (std::uint64_t changes = 1 + rng.below(4); changes > 0; --changes) {
            damaged[rng.below(damaged.size())] = static_cast<char>(rng.below(256));
        }
        const auto decoded = Histogram::decode(damaged);
        if (!decoded) continue;
        EXPECT_LE(decoded->max(), Histogram::kHighest);
    }
}

}  // namespace
}  // namespace crucible::lab
