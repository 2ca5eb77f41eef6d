#include "lab/scale/slo.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

namespace crucible::lab::scale {
namespace {

std::string slo_refusal(std::string_view text) {
    const auto slo = Slo::parse(text);
    EXPECT_FALSE(slo) << text;
    return slo ? "" : slo.error().message;
}

MetricValue valued(std::string_view name, double value) {
    MetricValue metric{.info = find_metric(name)};
    metric.value = value;
    return metric;
}

TEST(Slo, TakesEachMetricInItsUnit) {
    const auto slo = Slo::parse(
        "latency_p99 < 10ms, error_rate<0.1%,throughput>=2k/s,memory_peak<=64MiB,"
        "payload_throughput>1MiB/s,lost<=0,context_switches_per_event<2.5");
    ASSERT_TRUE(slo) << slo.error().message;
    ASSERT_EQ(slo->limits.size(), 7U);
    const double bounds[] = {0.01, 0.001, 2'000, 67'108'864, 1'048'576, 0, 2.5};
    for (std::size_t i = 0; i < slo->limits.size(); ++i)
        EXPECT_DOUBLE_EQ(slo->limits[i].bound, bounds[i]) << slo->limits[i].text;
    EXPECT_EQ(slo->text,
              "latency_p99<10ms,error_rate<0.1%,throughput>=2k/s,memory_peak<=64MiB,"
              "payload_throughput>1MiB/s,lost<=0,context_switches_per_event<2.5");
}

TEST(Slo, HoldsUpToItsBound) {
    const auto slo = Slo::parse("lost<1,lost>0,threads<=1,threads>=1");
    ASSERT_TRUE(slo) << slo.error().message;
    const bool at_one[] = {false, true, true, true};
    const bool at_zero[] = {true, false, true, false};
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(slo->limits[i].holds(1), at_one[i]) << slo->limits[i].text;
        EXPECT_EQ(slo->limits[i].holds(0), at_zero[i]) << slo->limits[i].text;
    }
}

// One line: where, what is wrong, what is allowed.
TEST(Slo, SaysWhereItDoesNotParse) {
    EXPECT_EQ(slo_refusal("latency_p99<10ms,latency_p98<5ms"),
              "slo 'latency_p99<10ms,latency_p98<5ms', column 18, at 'latency_p98<5ms': unknown "
              "metric 'latency_p98'; did you mean: latency_p90?");
    EXPECT_EQ(slo_refusal("latency_p99<10"),
              "slo 'latency_p99<10', column 13, at '10': latency_p99 takes: a time with its unit, "
              "e.g. 10ms");
    EXPECT_EQ(slo_refusal("error_rate=1%"),
              "slo 'error_rate=1%', column 11, at '=1%': after error_rate one of: <, <=, >, >=");
    EXPECT_EQ(slo_refusal("error_rate<1ms"),
              "slo 'error_rate<1ms', column 12, at '1ms': error_rate takes: a share, e.g. 0.1% or "
              "0.001");
    EXPECT_EQ(slo_refusal("throughput>"),
              "slo 'throughput>', column 12, at its end: throughput takes: events per second, e.g. "
              "500/s or 2k/s");
    EXPECT_EQ(slo_refusal("lost<1,lost<=2"),
              "slo 'lost<1,lost<=2', column 8, at 'lost<=2': lost has this limit already: lost<1");
    EXPECT_TRUE(slo_refusal("lost<1,").starts_with(
        "slo 'lost<1,', column 8, at its end: a metric is expected: throughput, "));
    EXPECT_TRUE(slo_refusal("").starts_with("slo '', column 1, at its end: "));
}

TEST(JudgeSlo, TellsWhatBrokeAndByHowMuch) {
    const auto slo = Slo::parse("latency_p99<10ms,error_rate<0.1%,throughput>=1000/s");
    ASSERT_TRUE(slo);
    const auto judged = judge_slo(
        *slo,
        {valued("latency_p99", 0.0142), valued("error_rate", 0.002), valued("throughput", 990)},
        false);
    EXPECT_TRUE(judged.broken);
    EXPECT_FALSE(judged.unknown);
    ASSERT_EQ(judged.outcomes.size(), 3U);
    EXPECT_EQ(describe(judged.outcomes[0]), "latency_p99<10ms broken: 14.2 ms, 42 % beyond");
    EXPECT_NEAR(*judged.outcomes[2].excess, 0.01, 1e-9);
    EXPECT_EQ(judged.worst()->limit->metric->name, "error_rate");  // twice its bound
}

// A latency that only reflects how long one waited is over every limit; one that nobody could
// measure is not.
TEST(JudgeSlo, TellsUnknownFromBroken) {
    const auto slo = Slo::parse("latency_p99<10ms");
    ASSERT_TRUE(slo);
    MetricValue none{.info = find_metric("latency_p99")};
    none.absent = "no value";
    const auto saturated = judge_slo(*slo, {none}, true);
    EXPECT_TRUE(saturated.broken);
    EXPECT_EQ(describe(*saturated.worst()), "latency_p99<10ms broken: no value");
    const auto unknown = judge_slo(*slo, {none}, false);
    EXPECT_FALSE(unknown.broken);
    EXPECT_TRUE(unknown.unknown);
    EXPECT_EQ(unknown.worst(), nullptr);
}

// What is known to be below 3 MiB keeps a limit of 64, and of one of 2 nobody can tell.
TEST(JudgeSlo, TakesABoundOfWhatTheHarnessHides) {
    MetricValue hidden{.info = find_metric("memory_peak")};
    hidden.absent = "within the harness's own cost";
    hidden.at_most = 3.0 * (1 << 20);
    const auto judge = [&](std::string_view text) {
        const auto slo = Slo::parse(text);
        EXPECT_TRUE(slo);
        const auto judged = judge_slo(*slo, {hidden}, false);
        EXPECT_FALSE(judged.broken);
        return std::pair(judged.unknown, describe(judged.outcomes.front()));
    };
    EXPECT_EQ(judge("memory_peak<64MiB"),
              std::pair(false, std::string("memory_peak<64MiB kept: at most 3.00 MiB, within the "
                                           "harness's own cost")));
    EXPECT_EQ(judge("memory_peak<=3MiB").first, false);
    const std::string unknown = "not judged: within the harness's own cost";
    EXPECT_EQ(judge("memory_peak<3MiB"), std::pair(true, "memory_peak<3MiB " + unknown));
    EXPECT_EQ(judge("memory_peak>1MiB"), std::pair(true, "memory_peak>1MiB " + unknown));
}

}  // namespace
}  // namespace crucible::lab::scale
