#include "lab/scale/trial_runner.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "simulated_queue.h"
#include "simulated_trial.h"

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;

/// Trials that take `overhead` beyond the load that is planned.
class BudgetedRunner {
public:
    BudgetedRunner(Duration budget, Duration overhead, Axis axis = Axis::rate) {
        scenario_.plan.phases = {steady_phase(*base::Rate::per_second(1'000), 2'000, 300ms)};
        TrialRunner::Options options;
        options.axis = axis;
        options.scenario = &scenario_;
        options.slo = &slo_;
        options.time_budget = budget;
        options.clock = &clock_;
        options.run = [this, overhead, run = simulated_trials({{"daemon", {.capacity = 1e6}}})](
                          const TargetUrl& target, const SystemOptions& system, const Plan& plan,
                          const TrialOptions& how) mutable {
            for (const auto& phase : plan.phases) clock_.pass(phase.warmup + phase.duration());
            clock_.pass(overhead);
            ++begun_;
            return run(target, system, plan, how);
        };
        runner_.emplace(std::move(options));
    }

    TrialRunner& operator*() { return *runner_; }
    TrialRunner* operator->() { return &*runner_; }
    int begun() const { return begun_; }
    Duration passed() { return clock_.now() - TimePoint{}; }

private:
    TrialClock clock_;
    Scenario scenario_;
    Slo slo_ = *Slo::parse("latency_p99<10ms");
    int begun_ = 0;
    std::optional<TrialRunner> runner_;
};

const TargetUrl& daemon_url() {
    static const auto url = *parse_target("daemon:");
    return url;
}

// Three trials of 2.3 s and 0.2 s for the system take 7.5 s; a fourth would end at 10 s.
TEST(TrialRunner, BeginsNothingThatWouldEndTooLate) {
    BudgetedRunner runner(9900ms, 200ms);
    for (std::uint32_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(runner->going());
        EXPECT_FALSE(runner->run_at(daemon_url(), 1'000, 2s, i).interrupted);
    }
    EXPECT_TRUE(runner->going());
    EXPECT_TRUE(runner->run_at(daemon_url(), 1'000, 2s, 3).interrupted);
    EXPECT_EQ(runner.begun(), 3);
    EXPECT_FALSE(runner->going());
    EXPECT_TRUE(runner->out_of_time());
    EXPECT_FALSE(runner->interrupted());
}

// The plan decides, not how long trials have been: a soak of 10 s after one of 2 s, and the four
// loads of an overload and what follows.
TEST(TrialRunner, KnowsHowLongEachTrialIs) {
    for (const bool soak : {true, false}) {
        BudgetedRunner runner(10s, 100ms);
        EXPECT_FALSE(runner->run_at(daemon_url(), 1'000, 2s, 0).interrupted);
        const auto trials = soak ? runner->run_rates(daemon_url(), {1'000}, 10s, 1)
                                 : runner->run_rates(daemon_url(), {1'200, 950, 950, 950}, 2s, 1);
        ASSERT_EQ(trials.size(), 1U);
        EXPECT_TRUE(trials.front().interrupted);
        EXPECT_EQ(runner.begun(), 1);
        EXPECT_LE(runner.passed(), 10s);
        EXPECT_TRUE(runner->out_of_time());
    }
}

// Loads that follow each other flow into one another, without a warm-up in between; a single one
// has its own.
TEST(TrialRunner, OffersRatesWithoutARestBetweenThem) {
    Scenario scenario;
    scenario.plan.phases = {steady_phase(*base::Rate::per_second(1'000), 2'000, 300ms)};
    const Slo slo = *Slo::parse("latency_p99<10ms");
    TrialRunner::Options options;
    options.scenario = &scenario;
    options.slo = &slo;
    Plan plan;
    options.run = [&plan](const TargetUrl&, const SystemOptions&, const Plan& asked,
                          const TrialOptions&) -> Result<TrialResult> {
        plan = asked;
        return TrialResult{};
    };
    TrialRunner runner(options);
    runner.run_rates(daemon_url(), {1'200, 950, 950}, 2s, 1);
    ASSERT_EQ(plan.phases.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(plan.phases[i].flows_on, i < 2) << i;
        EXPECT_EQ(plan.phases[i].warmup, 0s) << i;
    }
    runner.run_rates(daemon_url(), {950}, 2s, 1);
    ASSERT_EQ(plan.phases.size(), 1U);
    EXPECT_FALSE(plan.phases[0].flows_on);
    EXPECT_EQ(plan.phases[0].warmup, 300ms);
}

// What an overload has left drains: that is no fault of the trial which follows it.
TEST(TrialRunner, JudgesWhatDrainsAfterAHigherRate) {
    Scenario scenario;
    scenario.plan.phases = {steady_phase(*base::Rate::per_second(1'000), 2'000)};
    const Slo slo = *Slo::parse("latency_p99<10ms");
    TrialRunner::Options options;
    options.scenario = &scenario;
    options.slo = &slo;
    options.run = simulated_queue_trials({.service = 1ms, .workers = 1});
    const auto trials = TrialRunner(options).run_rates(daemon_url(), {1'800, 800, 800}, 2s, 1);
    ASSERT_EQ(trials.size(), 3U);
    for (std::size_t i = 1; i < 3; ++i) {
        EXPECT_TRUE(trials[i].backlog.draining());
        EXPECT_EQ(trials[i].invalid, "");
        EXPECT_EQ(trials[i].broken, "latency_p99<10ms");
    }
}

// A soak of 10 s after a trial of 2 s that took 0.1 s more; and at another load than a rate the
// system of each trial is its own.
TEST(TrialRunner, KnowsHowLongATrialAtALoadIs) {
    BudgetedRunner runner(11s, 100ms, Axis::clients);
    const auto trial = runner->run_load(daemon_url(), 4, 2s, 0);
    EXPECT_EQ(trial.load, 4);
    EXPECT_TRUE(trial.held()) << trial.invalid << trial.broken;
    EXPECT_TRUE(runner->run_load(daemon_url(), 4, 10s, 1).interrupted);
    EXPECT_EQ(runner.begun(), 1);
    EXPECT_TRUE(runner->out_of_time());
}

// What the harness takes of the time counts where the SLO may need it; asking ends nothing.
TEST(TrialRunner, KnowsWhatFitsIntoTheTime) {
    Scenario scenario;
    scenario.plan.phases = {steady_phase(*base::Rate::per_second(1'000), 2'000, 300ms)};
    TrialClock clock;
    for (const bool resources : {false, true}) {
        const Slo slo = *Slo::parse(resources ? "memory_peak<=64MiB" : "latency_p99<10ms");
        TrialRunner::Options options;
        options.scenario = &scenario;
        options.slo = &slo;
        options.clock = &clock;
        options.time_budget = 20s;
        TrialRunner runner(options);
        EXPECT_TRUE(runner.fits(9'700ms));
        EXPECT_EQ(runner.fits(9'800ms), !resources);
        EXPECT_FALSE(runner.fits(19'800ms));
        EXPECT_FALSE(runner.out_of_time());
    }
}

// A quantile needs its events: at a low rate they take longer.
TEST(TrialRunner, IsLongEnoughForTheEvents) {
    Scenario scenario;
    scenario.plan.phases = {steady_phase(*base::Rate::per_second(100), 100, 200ms)};
    const Slo slo = *Slo::parse("latency_p99<10ms");
    TrialRunner::Options options;
    options.scenario = &scenario;
    options.slo = &slo;
    Phase phase;
    options.run = [&phase](const TargetUrl&, const SystemOptions&, const Plan& plan,
                           const TrialOptions&) -> Result<TrialResult> {
        phase = plan.phases.front();
        return TrialResult{};
    };
    TrialRunner runner(options);
    runner.run_at(daemon_url(), 500, 1s, 1);
    EXPECT_EQ(phase.events(), 1'000U);
    EXPECT_EQ(phase.warmup, 200ms);
    runner.run_at(daemon_url(), 5'000, 1s, 1);
    EXPECT_EQ(phase.events(), 5'000U);
}

/// A trial of a client that sends as fast as events are acknowledged.
struct ClosedTrial {
    double throughput = 0;
    bool interrupted = false;
    std::optional<FailedPart> failed_part = std::nullopt;
};

/// Asks a runner that has run `trials` of 2 s, where the SLO needs 1,000 events.
template <typename Ask>
auto ask_after(const std::vector<ClosedTrial>& trials, Ask ask) {
    Scenario scenario;
    scenario.plan.phases = {maximum_phase(2s)};
    const Slo slo = *Slo::parse("latency_p99<10ms");
    TrialRunner::Options options;
    options.axis = Axis::clients;
    options.scenario = &scenario;
    options.slo = &slo;
    std::size_t next = 0;
    options.run = [&](const TargetUrl&, const SystemOptions&, const Plan& plan,
                      const TrialOptions&) -> Result<TrialResult> {
        const auto& asked = trials.at(next++);
        TrialResult trial;
        trial.phases = {simulated_phase(plan.phases.front(), asked.throughput, {})};
        trial.interrupted = asked.interrupted;
        if (asked.failed_part) {
            trial.failure = Error{Errc::failed, "it exited with code 1"};
            trial.failed_part = *asked.failed_part;
        }
        return trial;
    };
    TrialRunner runner(options);
    for (std::size_t i = 0; i < trials.size(); ++i) runner.run_at(daemon_url(), 1, 2s, 1);
    return ask(runner);
}

Duration long_enough_after(const std::vector<ClosedTrial>& trials, Duration length) {
    return ask_after(trials, [length](const TrialRunner& runner) {
        return runner.long_enough(daemon_url(), 1, length);
    });
}

bool too_short_after(const std::vector<ClosedTrial>& trials, Duration length) {
    return ask_after(trials, [length](const TrialRunner& runner) {
        return runner.too_short(daemon_url(), 1, length);
    });
}

// One that stalled says nothing of the others, and nor does one that did not run to its end.
TEST(TrialRunner, LearnsFromWholeTrials) {
    EXPECT_EQ(long_enough_after({}, 2s), 2s);
    EXPECT_EQ(long_enough_after({{.throughput = 100}}, 2s), 12s);
    EXPECT_EQ(long_enough_after({{1'000}, {1'000}, {100}}, 2s), 2s);
    EXPECT_EQ(long_enough_after({{100, /*interrupted=*/true}}, 2s), 2s);
    EXPECT_EQ(long_enough_after({{100, false, FailedPart::system}}, 2s), 2s);
    EXPECT_EQ(long_enough_after({{100, false, FailedPart::client}}, 2s), 2s);
    EXPECT_EQ(long_enough_after({{100, false, FailedPart::stop}}, 2s), 12s);
}

// 1,000 of 100 events/s take 10 s: a trial of 11 s has them, though the next one is to be longer.
// Where all would take too long none is to be longer.
TEST(TrialRunner, KnowsWhichTrialsAreTooShort) {
    EXPECT_TRUE(too_short_after({{100}}, 9s));
    EXPECT_FALSE(too_short_after({{100}}, 11s));
    EXPECT_FALSE(too_short_after({{50}}, 2s));
    EXPECT_FALSE(too_short_after({}, 2s));
}

// Ten times a trial's length is too long for any of them, if it is not one that is longer itself.
TEST(TrialRunner, LengthensASoakNoFurtherThanATrial) {
    EXPECT_EQ(long_enough_after({{100}}, 10s), 12s);
    EXPECT_EQ(long_enough_after({{50}}, 2s), 2s);
    EXPECT_EQ(long_enough_after({{50}}, 10s), 10s);
    EXPECT_EQ(long_enough_after({{50}}, 30s), 30s);
}

// Two loads on one system, of which `unreported` clients told nothing, as one of them died.
std::vector<ScalingTrial> trials_of_a_dead_client(std::uint32_t unreported, bool embedded) {
    Scenario scenario;
    scenario.plan.phases = {steady_phase(*base::Rate::per_second(1'000), 2'000)};
    const Slo slo = *Slo::parse("latency_p99<10ms");
    TrialRunner::Options options;
    options.scenario = &scenario;
    options.slo = &slo;
    options.run = [&, run = simulated_trials({{"daemon", {.capacity = 1e6}}})](
                      const TargetUrl& target, const SystemOptions& system, const Plan& plan,
                      const TrialOptions& how) mutable {
        auto trial = run(target, system, plan, how);
        for (auto& phase : trial->phases) {
            phase.unreported = unreported;
            phase.delivery.planned += unreported * phase.delivery.sent;
        }
        trial->embedded = embedded;
        trial->failure = Error{Errc::timeout, "client-1 has been silent for 10 s"};
        trial->failed_part = FailedPart::client;
        return trial;
    };
    return TrialRunner(options).run_rates(daemon_url(), {1'000, 2'000}, 2s, 1);
}

// It told of both loads and was lost when all was over: the last one is its failure.
TEST(TrialRunner, TakesAClientThatHasToldOfAllForTheLastLoadAlone) {
    const auto trials = trials_of_a_dead_client(0, /*embedded=*/false);
    ASSERT_EQ(trials.size(), 2U);
    EXPECT_TRUE(trials[0].held()) << trials[0].invalid << trials[0].broken;
    EXPECT_EQ(trials[1].invalid, "client: client-1 has been silent for 10 s");
}

// It died at the last load, and what it did at the first went with it: that is not taken for a
// target that was not offered enough, nor where the target lives in the client for its death.
TEST(TrialRunner, JudgesNoLoadOfWhichADeadClientToldNothing) {
    for (const bool embedded : {false, true}) {
        const auto trials = trials_of_a_dead_client(1, embedded);
        ASSERT_EQ(trials.size(), 2U);
        EXPECT_EQ(trials[0].invalid, "client: client-1 has been silent for 10 s");
        EXPECT_FALSE(trials[0].failure);
        EXPECT_EQ(trials[1].failure.has_value(), embedded);
        EXPECT_EQ(trials[1].valid(), embedded);
    }
}

}  // namespace
}  // namespace crucible::lab::scale
