#include "lab/scale/scaling_trial.h"

#include <gtest/gtest.h>

#include "simulated_trial.h"

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;

Phase two_seconds(double rate) {
    return steady_phase(*base::Rate::per_second(rate), static_cast<std::uint64_t>(2 * rate));
}

TrialResult trial_at(double rate, const SimulatedSystem& system) {
    TrialResult trial;
    trial.phases = {simulated_phase(two_seconds(rate), rate, system)};
    trial.checks = trial_checks(trial.phases);
    return trial;
}

const Slo& ten_milliseconds() {
    static const Slo slo = *Slo::parse("latency_p99<10ms,error_rate<0.1%");
    return slo;
}

TEST(ScalingTrial, HoldsBelowCapacity) {
    const auto trial = judge_trial(900, trial_at(900, {}), ten_milliseconds());
    EXPECT_TRUE(trial.held()) << trial.invalid << trial.broken;
    EXPECT_TRUE(trial.backlog.judged);
    EXPECT_EQ(trial.checks.back().name, "stationary");
}

// Twice the capacity: the percentile is withheld as it only says how long the trial was, and is
// broken all the same.
TEST(ScalingTrial, BreaksItsSloBeyondCapacity) {
    const auto trial = judge_trial(2'000, trial_at(2'000, {}), ten_milliseconds());
    EXPECT_TRUE(trial.valid()) << trial.invalid;
    EXPECT_EQ(trial.broken, "latency_p99<10ms");
    EXPECT_NE(trial.detail.find("the backlog grew"), std::string::npos) << trial.detail;
}

// 0.7 % too much: after 2 s the last event waits 14 ms more, 99 of 100 less than 10 ms longer.
// Whoever waited longer would see it break.
TEST(ScalingTrial, SeesABacklogThatHasNotBrokenTheSloYet) {
    const auto slo = *Slo::parse("latency_p99<100ms");
    const auto trial = judge_trial(1'007, trial_at(1'007, {}), slo);
    EXPECT_EQ(trial.broken, kBrokenBacklog) << trial.detail;
    EXPECT_FALSE(trial.slo.broken);
}

// An injector that was late by 8 ms says nothing of a system that held, or broke by no more.
TEST(ScalingTrial, IsInvalidWhereTheInjectorWasLate) {
    const auto late = judge_trial(900, trial_at(900, {.own_lateness = 8ms}), ten_milliseconds());
    EXPECT_FALSE(late.valid());
    EXPECT_TRUE(late.invalid.starts_with("schedule_kept: lateness p99 8.")) << late.invalid;
    // Nothing that it did explains a backlog of 2,000 events.
    const auto broken =
        judge_trial(2'000, trial_at(2'000, {.own_lateness = 8ms}), ten_milliseconds());
    EXPECT_TRUE(broken.valid()) << broken.invalid;
    EXPECT_EQ(broken.broken, "latency_p99<10ms");
}

TEST(ScalingTrial, ThatItDiedOfIsBrokenWithTheCause) {
    auto died = trial_at(900, {});
    died.failure = Error{Errc::failed, "crucibled (pid 7) was killed by signal 9"};
    const auto trial = judge_trial(900, died, ten_milliseconds());
    EXPECT_TRUE(trial.valid());
    EXPECT_EQ(trial.broken, kBrokenTarget);
    EXPECT_EQ(trial.detail, "crucibled (pid 7) was killed by signal 9");
}

// A load generator that died says nothing of a daemon, and is the death of what lives in it.
TEST(ScalingTrial, AClientThatDiedIsOfTheTargetOnlyWhereItLivesInIt) {
    auto died = trial_at(900, {});
    died.failure = Error{Errc::failed, "client-1 (pid 7) was killed by signal 9"};
    died.failed_part = FailedPart::client;
    died.embedded = false;
    const auto beside = judge_trial(900, died, ten_milliseconds());
    EXPECT_FALSE(beside.valid());
    EXPECT_EQ(beside.invalid, "client: client-1 (pid 7) was killed by signal 9");
    EXPECT_EQ(beside.broken, "");
    EXPECT_FALSE(beside.failure);
    died.embedded = true;
    const auto within = judge_trial(900, died, ten_milliseconds());
    EXPECT_TRUE(within.valid());
    EXPECT_EQ(within.broken, kBrokenTarget);
}

// The client lives: that a daemon hung up on it, if only on one of many, is what broke there.
TEST(ScalingTrial, ATargetThatLeavesOneClientHasBroken) {
    auto left = trial_at(2'000, {});
    left.failure = Error{Errc::closed, "client-1: the daemon closed the connection"};
    left.embedded = false;
    const auto trial = judge_trial(2'000, left, ten_milliseconds());
    EXPECT_TRUE(trial.valid()) << trial.invalid;
    EXPECT_EQ(trial.broken, kBrokenTarget);
    EXPECT_EQ(trial.detail, "client-1: the daemon closed the connection");
    EXPECT_TRUE(trial.failure);
}

// Of what a limit on memory is about the harness has a share, and without it nobody can tell.
TEST(ScalingTrial, JudgesResourcesNetOfTheHarness) {
    const auto slo = *Slo::parse("memory_peak<=64MiB");
    const auto trial = trial_at(900, {.memory_bytes = 80e6});
    const auto harness = trial_at(900, {.capacity = 1e6, .memory_bytes = 30e6});
    const auto held = judge_trial(900, trial, slo, &harness);
    EXPECT_TRUE(held.held()) << held.invalid << held.detail;
    ASSERT_TRUE(held.metric("memory_peak") && held.metric("memory_peak")->value);
    EXPECT_NEAR(*held.metric("memory_peak")->value, 50e6, 1);
    const auto broken = judge_trial(900, trial_at(900, {.memory_bytes = 110e6}), slo, &harness);
    EXPECT_EQ(broken.broken, "memory_peak<=64MiB");
    auto unknown = judge_trial(900, trial, slo);
    EXPECT_FALSE(unknown.valid());
    EXPECT_NE(unknown.invalid.find("the harness alone was not measured"), std::string::npos)
        << unknown.invalid;
    auto failed = harness;
    failed.failure = Error{Errc::failed, "gone"};
    EXPECT_FALSE(judge_trial(900, trial, slo, &failed).valid());
    // A server of others has no client in it.
    auto server = trial;
    server.includes_clients = false;
    EXPECT_EQ(judge_trial(900, server, slo).broken, "memory_peak<=64MiB");
}

// Of 31 MB 30 are the harness's: what the target uses is not known, and is no more than 3.
TEST(ScalingTrial, HoldsALimitThatIsPlainlyKept) {
    const auto trial = trial_at(900, {.memory_bytes = 31e6});
    const auto harness = trial_at(900, {.capacity = 1e6, .memory_bytes = 30e6});
    const auto held =
        judge_trial(900, trial, *Slo::parse("latency_p99<10ms,memory_peak<64MiB"), &harness);
    EXPECT_TRUE(held.held()) << held.invalid << held.detail;
    // The reason is that of the limit of which nothing is known.
    const auto unknown =
        judge_trial(900, trial, *Slo::parse("memory_peak<64MiB,memory_mean<1MiB"), &harness);
    EXPECT_EQ(unknown.invalid, "memory_mean<1MiB not judged: within the harness's own cost");
}

// What did not stop in order had held its load, and what never started said nothing of it.
TEST(ScalingTrial, NeitherItsStartNorItsEndJudgesALoad) {
    auto stopped = trial_at(900, {});
    stopped.failure = Error{Errc::timeout, "crucibled did not end"};
    stopped.failed_part = FailedPart::stop;
    EXPECT_TRUE(judge_trial(900, stopped, ten_milliseconds()).held());
    const auto none = not_started(1, {Errc::closed, "connection refused"});
    EXPECT_FALSE(none.started);
    EXPECT_FALSE(none.valid());
    EXPECT_EQ(none.broken, "");
    EXPECT_EQ(none.invalid, "could not be started: connection refused");
}

// A percentile that has no value says nothing, either way.
TEST(ScalingTrial, IsInvalidWhereTheSloCannotBeJudged) {
    const auto trial = judge_trial(50, trial_at(50, {}), *Slo::parse("latency_p999<10ms"));
    EXPECT_FALSE(trial.valid());
    EXPECT_TRUE(trial.invalid.starts_with("latency_p999<10ms not judged: ")) << trial.invalid;
    EXPECT_EQ(events_needed(*Slo::parse("latency_p999<10ms,latency_p50<1ms")), 10'000U);
}

}  // namespace
}  // namespace crucible::lab::scale
