#include "lab/experiment/round_json.h"

#include <gtest/gtest.h>

#include "lab/run/merge.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// A round with something of everything that a comparison reads.
Round sample_round() {
    Round round{.index = 3,
                .order = {Arm::harness, Arm::candidate, Arm::baseline, Arm::control},
                .arms = {}};
    for (const Arm arm : round.order) {
        auto& result = round[arm];
        result.target = std::string(to_string(arm)) + ":";
        result.valid = arm != Arm::control;
        result.metrics = {{.info = find_metric("throughput"),
                           .value = 1234.5678901234567,
                           .ci_low = 1200.1,
                           .ci_high = 1300.2,
                           .n = 99,
                           .phase = "maximum"},
                          {.info = find_metric("latency_p999"), .absent = "too few samples"}};
        result.checks = {{.name = "conservation", .passed = false, .detail = "1 missing"}};
        ClientPhase first{.client = 0};
        first.delivery = {.planned = 11, .sent = 10, .handled = 8, .rejected = 1, .lost = 1};
        first.delivery.reordered[2] = 4;
        for (int i = 1; i <= 8; ++i) first.latency.record(i * 111us);
        first.lateness.record(7us);
        first.completed = 8;
        first.completed_in_window = 8;
        first.window = 2s;
        first.backlog = {0, 3, 1};
        first.series = {{.sent = 10,
                         .handled = 8,
                         .refused = 1,
                         .latency_sum = 4ms,
                         .latency_max = 888us,
                         .lateness_max = 7us}};
        first.latency_series.emplace_back().record(111us);
        first.remarks = "status 500";
        ClientPhase second{.client = 1};
        second.delivery = {.planned = 5, .sent = 5, .handled = 5};
        second.latency.record(2ms);
        second.window = 2s;
        auto phase =
            merge_phase(steady_phase(*base::Rate::per_second(1000), 2000, 100ms), {first, second});
        phase.usage = {.wall = 2s, .cpu = 30ms, .memory_peak_bytes = 5e6, .samples = 20};
        result.phases.push_back(std::move(phase));
    }
    round[Arm::candidate].failure = Error{Errc::closed, "daemon: went away"};
    return round;
}

// What goes on after an interruption must not know that it was interrupted.
TEST(RoundJson, KeepsEverything) {
    const Round round = sample_round();
    const auto read = decode_round(encode(round));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->index, 3u);
    EXPECT_EQ(read->order, round.order);
    for (const Arm arm : round.order) {
        const auto& was = round[arm];
        const auto& is = (*read)[arm];
        EXPECT_EQ(is.target, was.target);
        EXPECT_EQ(is.valid, was.valid);
        ASSERT_EQ(is.metrics.size(), 2u);
        EXPECT_EQ(is.metrics[0].info, was.metrics[0].info);
        EXPECT_EQ(is.metrics[0].value, was.metrics[0].value);  // to the last bit
        EXPECT_EQ(is.metrics[0].ci_low, was.metrics[0].ci_low);
        EXPECT_EQ(is.metrics[0].n, 99u);
        EXPECT_EQ(is.metrics[0].phase, "maximum");
        EXPECT_FALSE(is.metrics[1].value);
        EXPECT_EQ(is.metrics[1].absent, "too few samples");
        EXPECT_EQ(is.checks[0].detail, "1 missing");
        ASSERT_EQ(is.phases.size(), 1u);
        const auto& phase = is.phases[0];
        EXPECT_EQ(phase.delivery, was.phases[0].delivery);
        EXPECT_EQ(phase.latency, was.phases[0].latency);
        EXPECT_EQ(phase.lateness, was.phases[0].lateness);
        EXPECT_EQ(phase.series, was.phases[0].series);
        EXPECT_EQ(phase.latency_series, was.phases[0].latency_series);
        EXPECT_EQ(phase.throughput, was.phases[0].throughput);
        EXPECT_EQ(phase.saturated, was.phases[0].saturated);
        EXPECT_EQ(phase.clients.size(), 2u);
        EXPECT_EQ(phase.clients[0].backlog, was.phases[0].clients[0].backlog);
        EXPECT_EQ(phase.clients[0].remarks, "status 500");
        EXPECT_EQ(phase.usage.cpu, 30ms);
        EXPECT_EQ(phase.usage.memory_peak_bytes, 5e6);
        EXPECT_EQ(phase.phase.name, "steady");
    }
    ASSERT_TRUE((*read)[Arm::candidate].failure);
    EXPECT_EQ((*read)[Arm::candidate].failure->code, Errc::closed);
    EXPECT_EQ(encode(*read), encode(round));
}

TEST(RoundJson, RefusesWhatIsNoRound) {
    const std::string line = encode(sample_round());
    for (const auto& text :
         {std::string(), std::string("{}"), std::string("[]"), line.substr(0, line.size() / 2)}) {
        const auto read = decode_round(text);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code, Errc::corrupt);
    }
}

}  // namespace
}  // namespace crucible::lab
