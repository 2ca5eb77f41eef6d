#include <gtest/gtest.h>

#include <chrono>

#include "lab/aggregate/metric.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// An open-loop phase of two clients with `samples` latencies of 1, 2, 3, … microseconds.
PhaseResult steady_phase(std::uint64_t samples) {
    PhaseResult result;
    result.phase = lab::steady_phase(*base::Rate::per_second(1000), samples);
    for (std::uint64_t i = 1; i <= samples; ++i) {
        result.latency.record(std::chrono::microseconds(i));
        result.service_time.record(std::chrono::microseconds(i));
        result.lateness.record(5us);
    }
    result.completed = samples;
    result.throughput = 990;
    result.payload_throughput = 990 * 1024;
    result.delivery = {.planned = 1000, .sent = 1000, .handled = 1000};
    result.usage = {.wall = 1s,
                    .cpu = 500ms,
                    .memory_peak_bytes = 50e6,
                    .memory_mean_bytes = 40e6,
                    .threads_max = 12,
                    .voluntary_switches = 2500,
                    .involuntary_switches = 500,
                    .samples = 10};
    for (std::uint32_t client = 0; client < 2; ++client) {
        result.clients.push_back({.client = client,
                                  .completed_in_window = 450 + 50 * client,
                                  .window = 1s,
                                  .longest_stall = 3ms * (client + 1)});
    }
    return result;
}

PhaseResult maximum_phase() {
    auto result = steady_phase(400);
    result.phase.name = "maximum";
    result.phase.pattern.reset();
    result.lateness = Histogram();
    result.throughput = 8000;
    result.delivery = {.planned = 4000, .sent = 4000, .handled = 3990, .rejected = 6, .lost = 4};
    result.clients[0].completed_in_window = 3000;
    result.clients[1].completed_in_window = 5000;
    return result;
}

const MetricValue& metric(const std::vector<MetricValue>& metrics, std::string_view name) {
    for (const auto& value : metrics) {
        if (value.info->name == name) return value;
    }
    ADD_FAILURE() << name;
    return metrics.front();
}

// Seven metrics decide; they are declared before any run.
TEST(KnownMetrics, TheGateFamilyIsDeclared) {
    std::vector<std::string_view> gated;
    for (const auto& info : known_metrics()) {
        if (info.gated) gated.push_back(info.name);
        EXPECT_EQ(find_metric(info.name), &info);
    }
    EXPECT_EQ(gated, (std::vector<std::string_view>{"throughput", "latency_p50", "latency_p95",
                                                    "latency_p99", "cpu_per_event", "memory_peak",
                                                    "error_rate"}));
    EXPECT_EQ(find_metric("nonsense"), nullptr);
}

// The sizes at which a two-sided 95 % interval of a quantile begins to exist.
TEST(QuantileSamples, AreThoseOfTheBinomial) {
    EXPECT_EQ(quantile_samples_min(0.5), 6u);
    EXPECT_EQ(quantile_samples_min(0.9), 36u);
    EXPECT_EQ(quantile_samples_min(0.95), 72u);
    EXPECT_EQ(quantile_samples_min(0.99), 368u);
    EXPECT_EQ(quantile_samples_min(0.999), 3688u);
}

// One sample fewer than a p99 needs: it is refused and says so; one more and it is there.
TEST(TrialMetrics, RefuseAQuantileFromTooFewSamples) {
    TrialResult trial;
    trial.phases = {steady_phase(367)};
    const auto few = trial_metrics(trial, nullptr);
    EXPECT_FALSE(metric(few, "latency_p99").value);
    EXPECT_EQ(metric(few, "latency_p99").absent, "367 samples; p99 needs 368");
    EXPECT_TRUE(metric(few, "latency_p95").value);

    trial.phases = {steady_phase(368)};
    const auto enough = trial_metrics(trial, nullptr);
    // ceil(0.99 * 368) = 365, recorded to 3 digits.
    EXPECT_NEAR(*metric(enough, "latency_p99").value, 365e-6, 0.4e-6);
    EXPECT_NEAR(*metric(enough, "latency_p99").ci_high, 368e-6, 0.4e-6);
    EXPECT_EQ(metric(enough, "latency_p99").n, 368u);
    EXPECT_EQ(metric(enough, "latency_p999").absent, "368 samples; p99.9 needs 3,688");
}

// Throughput and fairness under full load, latencies and resources at the offered rate, delivery
// over everything.
TEST(TrialMetrics, TakeEachMetricFromThePhaseThatShowsIt) {
    TrialResult trial;
    trial.phases = {steady_phase(1000), maximum_phase()};
    const auto metrics = trial_metrics(trial, nullptr);
    EXPECT_EQ(metric(metrics, "throughput").value, 8000);
    EXPECT_EQ(metric(metrics, "throughput").phase, "maximum");
    EXPECT_EQ(metric(metrics, "throughput").n, 8000u);
    EXPECT_EQ(metric(metrics, "fairness").value, 0.6);
    EXPECT_EQ(metric(metrics, "latency_p50").phase, "steady");
    EXPECT_NEAR(*metric(metrics, "latency_mean").value, 500.5e-6, 1e-9);
    EXPECT_EQ(metric(metrics, "latency_max").value, 1e-3);
    EXPECT_EQ(metric(metrics, "longest_stall").value, 6e-3);
    EXPECT_DOUBLE_EQ(*metric(metrics, "cpu_per_event").value, 0.5e-3);
    EXPECT_EQ(metric(metrics, "context_switches_per_event").value, 3);
    EXPECT_EQ(metric(metrics, "error_rate").value, 10.0 / 5000);
    EXPECT_EQ(metric(metrics, "error_rate").n, 5000u);
    EXPECT_EQ(metric(metrics, "lost").value, 4);
    EXPECT_EQ(metric(metrics, "error_rate").phase, "");
}

// In open loop alone the completion rate is the throughput; in closed loop alone there is no due
// time, so no lateness.
TEST(TrialMetrics, ServeASinglePhase) {
    TrialResult trial;
    trial.phases = {steady_phase(1000)};
    EXPECT_EQ(metric(trial_metrics(trial, nullptr), "throughput").value, 990);
    trial.phases = {maximum_phase()};
    const auto closed = trial_metrics(trial, nullptr);
    EXPECT_EQ(metric(closed, "lateness_p99").absent, "closed loop: no event has a due time");
    EXPECT_EQ(metric(closed, "latency_p50").phase, "maximum");
}

// With a growing backlog a latency says how long the run was, so there is none; what the system
// did complete and cost stays.
TEST(TrialMetrics, ASaturatedPhaseHasNoLatency) {
    TrialResult trial;
    trial.phases = {steady_phase(1000)};
    trial.phases[0].saturated = true;
    // Both clients together: 0 to 400 events within 10 intervals of 50 ms, then it drains.
    trial.phases[0].clients[0].backlog = {0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 50};
    trial.phases[0].clients[1].backlog = {0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200};
    const auto metrics = trial_metrics(trial, nullptr);
    for (const auto name : {"latency_mean", "latency_p50", "latency_p90", "latency_p95",
                            "latency_p99", "latency_max", "service_time_p99"}) {
        EXPECT_FALSE(metric(metrics, name).value) << name;
        EXPECT_EQ(metric(metrics, name).absent,
                  "saturated: the backlog grew by 800 events/s; latency would only reflect how "
                  "long the run was");
    }
    EXPECT_EQ(metric(metrics, "throughput").value, 990);
    EXPECT_TRUE(metric(metrics, "cpu_per_event").value);
}

// The harness's own cost under the same load is taken off, phase by phase.
TEST(TrialMetrics, AreNetOfTheHarness) {
    TrialResult trial;
    trial.phases = {steady_phase(1000)};
    TrialResult harness = trial;
    harness.phases[0].usage.cpu = 100ms;
    harness.phases[0].usage.memory_peak_bytes = 10e6;
    harness.phases[0].usage.memory_mean_bytes = 9e6;
    harness.phases[0].usage.threads_max = 8;
    harness.phases[0].usage.voluntary_switches = 500;
    const auto metrics = trial_metrics(trial, &harness);
    EXPECT_DOUBLE_EQ(*metric(metrics, "cpu_per_event").value, 0.4e-3);
    EXPECT_DOUBLE_EQ(*metric(metrics, "cpu_utilization").value, 0.4);
    EXPECT_DOUBLE_EQ(*metric(metrics, "memory_peak").value, 40e6);
    EXPECT_DOUBLE_EQ(*metric(metrics, "memory_mean").value, 31e6);
    EXPECT_EQ(metric(metrics, "threads").value, 4);
    EXPECT_EQ(metric(metrics, "context_switches_per_event").value, 2);
}

// A net cost of 8 % of the harness's own could be its noise; 12 % is not.
TEST(TrialMetrics, DoNotSeeBelowTheHarness) {
    TrialResult trial;
    trial.phases = {steady_phase(1000)};
    TrialResult harness = trial;
    trial.phases[0].usage.cpu = 540ms;
    auto metrics = trial_metrics(trial, &harness);
    EXPECT_FALSE(metric(metrics, "cpu_per_event").value);
    EXPECT_EQ(metric(metrics, "cpu_per_event").absent, "within the harness's own cost");
    EXPECT_EQ(metric(metrics, "memory_peak").absent, "within the harness's own cost");
    EXPECT_DOUBLE_EQ(metric(metrics, "cpu_per_event").at_most.value_or(0), 0.05e-3);
    EXPECT_EQ(metric(metrics, "threads").value, 0);

    trial.phases[0].usage.cpu = 560ms;
    metrics = trial_metrics(trial, &harness);
    EXPECT_NEAR(*metric(metrics, "cpu_per_event").value, 0.06e-3, 1e-12);
    EXPECT_FALSE(metric(metrics, "cpu_per_event").at_most);
}

// A trial that failed before its first phase has metrics without values, not a crash.
TEST(TrialMetrics, OfNothingAreAbsent) {
    for (const auto& value : trial_metrics(TrialResult(), nullptr)) {
        EXPECT_FALSE(value.value);
        EXPECT_EQ(value.absent, "no phase was run");
    }
}

TEST(FormatInteger, GroupsThousands) {
    EXPECT_EQ(format_integer(0), "0");
    EXPECT_EQ(format_integer(999), "999");
    EXPECT_EQ(format_integer(1000), "1,000");
    EXPECT_EQ(format_integer(1234567), "1,234,567");
}

/// 10,000 latencies of 1 to 100 us, the same number in each of 20 stretches of 100 ms: mixed, or
/// those of a stretch all alike.
PhaseResult course(bool mixed) {
    auto result = steady_phase(0);
    result.latency_series.resize(20);
    result.series.resize(20);
    for (int i = 0; i < 10'000; ++i) {
        const auto stretch = static_cast<std::size_t>(i / 500);
        const auto latency = mixed ? 1us * (i % 100 + 1) : 5us * static_cast<int>(stretch + 1);
        result.latency.record(latency);
        result.latency_series[stretch].record(latency);
        ++result.series[stretch].handled;
        result.series[stretch].latency_sum += latency;
    }
    for (auto& client : result.clients) {
        client.window = 2s;
        client.latency_interval = 100ms;
    }
    return result;
}

TEST(TrialMetrics, IntervalsTellWhatNeighboursShare) {
    const auto mixed = trial_metrics({.phases = {course(true)}}, nullptr);
    const auto& p50 = metric(mixed, "latency_p50");
    EXPECT_NEAR(*p50.ci_low, 50e-6, 0.2e-6);
    EXPECT_NEAR(*p50.ci_high, 51e-6, 0.2e-6);
    EXPECT_NEAR(*metric(mixed, "latency_mean").ci_high, 50.5e-6, 0.1e-6);

    // 10,000 samples, but twenty values: there is no such thing as their p90.
    const auto alike = trial_metrics({.phases = {course(false)}}, nullptr);
    const auto& median = metric(alike, "latency_p50");
    EXPECT_LT(*median.ci_low, 35e-6);
    EXPECT_GT(*median.ci_high, 70e-6);
    EXPECT_TRUE(metric(alike, "latency_p90").value);
    EXPECT_FALSE(metric(alike, "latency_p90").ci_low);
    EXPECT_LT(*metric(alike, "latency_mean").ci_low, 42e-6);
    EXPECT_GT(*metric(alike, "latency_mean").ci_high, 63e-6);
}

TEST(TrialMetrics, AHighQuantileOfFewSamplesIsNotShownWithoutItsInterval) {
    auto phase = course(true);
    for (int i = 0; i < 20; ++i) {
        const auto stretch = static_cast<std::size_t>(7);
        phase.latency.record(10ms);
        phase.latency_series[stretch].record(10ms);
    }
    // 10,020 are enough for p99.9 to be shown, if only as what was seen.
    const auto burst = trial_metrics({.phases = {phase}}, nullptr);
    EXPECT_NEAR(*metric(burst, "latency_p999").value, 10e-3, 10e-6);
    EXPECT_FALSE(metric(burst, "latency_p999").ci_low);
    PhaseResult fewer = course(false);
    Histogram latencies;
    for (int i = 1; i <= 5000; ++i) latencies.record(i <= 4990 ? 5us : 100us);
    fewer.latency = latencies;
    const auto few = trial_metrics({.phases = {fewer}}, nullptr);
    EXPECT_FALSE(metric(few, "latency_p999").value);
    EXPECT_TRUE(metric(few, "latency_p999").absent.starts_with("5,000 samples are worth "))
        << metric(few, "latency_p999").absent;
}

}  // namespace
}  // namespace crucible::lab
