#include "lab/scale/insight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "simulated_trial.h"

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;

/// One trial that a runner was told to run.
struct Asked {
    std::string target;
    Plan plan;
    bool activity = false;
};

/// A runner of simulated trials that keeps what was asked for. `change` makes of the n-th result
/// what the test is about.
class SimulatedRunner {
public:
    using Change = std::function<void(std::size_t number, TrialResult& result)>;

    SimulatedRunner(Axis axis, SimulatedSystem system, Change change = nullptr,
                    Duration time_budget = {})
        : trials_(simulated_trials({{"daemon", system}, {"synthetic", system}})),
          change_(std::move(change)) {
        scenario_.plan.phases = {axis == Axis::rate
                                     ? steady_phase(*base::Rate::per_second(1'000), 2'000, 300ms)
                                     : maximum_phase(2s, 300ms)};
        TrialRunner::Options options;
        options.axis = axis;
        options.scenario = &scenario_;
        options.slo = &slo_;
        options.time_budget = time_budget;
        options.clock = &clock_;
        options.stop = stop_.get_token();
        options.run = [this](const TargetUrl& target, const SystemOptions& setup, const Plan& plan,
                             const TrialOptions& how) { return run(target, setup, plan, how); };
        runner_.emplace(std::move(options));
    }

    TrialRunner& operator*() { return *runner_; }
    const std::vector<Asked>& asked() const { return asked_; }
    void stop() { stop_.request_stop(); }

private:
    Result<TrialResult> run(const TargetUrl& target, const SystemOptions& setup, const Plan& plan,
                            const TrialOptions& how) {
        asked_.push_back({target.text, plan, how.activity});
        for (const auto& phase : plan.phases) clock_.pass(phase.warmup + phase.duration());
        auto result = trials_(target, setup, plan, how);
        if (!result) return result;
        if (how.activity) {
            auto& phase = result->phases.front();
            phase.activity = ActivityReport{};
            phase.activity->samples = 200;
            phase.activity->cores = 2;
            phase.activity->neighbour_cores = 0;
            phase.activity->injector_on_cores = 1;
            phase.limits = {{"descriptors", "RLIMIT_NOFILE", "pid 7", "1", 20, 100, {}}};
        }
        if (change_) change_(asked_.size(), *result);
        return result;
    }

    TrialFunction trials_;
    Change change_;
    TrialClock clock_;
    Scenario scenario_;
    Slo slo_ = *Slo::parse("latency_p99<10ms");
    std::stop_source stop_;
    std::vector<Asked> asked_;
    std::optional<TrialRunner> runner_;
};

TargetUrl url(const char* text) {
    return *parse_target(text);
}

/// As if the system had done all that was asked of it.
void hold(TrialResult& trial) {
    const auto held = simulated_phase(trial.phases.front().phase, 1'200, {.capacity = 2'000});
    const auto activity = trial.phases.front().activity;
    trial.phases = {held};
    trial.phases.front().activity = activity;
    trial.checks = trial_checks(trial.phases);
}

// The first trial at the upper bound happens to hold, which shows nothing of the limit: the second
// one breaks, and what it broke is what is told.
TEST(LookForBottleneck, LooksAgainUntilTheLimitIsReached) {
    SimulatedRunner runner(Axis::rate, {.capacity = 1'000},
                           [](std::size_t number, TrialResult& trial) {
                               if (number == 1) hold(trial);
                           });
    const auto insight =
        look_for_bottleneck(*runner, url("daemon:"), {.load = 1'200, .broke = true}, 5);
    ASSERT_TRUE(insight);
    EXPECT_EQ(runner.asked().size(), 2U);
    EXPECT_TRUE(runner.asked()[0].activity);
    EXPECT_NE(runner.asked()[0].plan.workload.seed, runner.asked()[1].plan.workload.seed);
    EXPECT_EQ(insight->judgement.verdict, Bottleneck::unknown);
    EXPECT_NE(insight->judgement.reason.find("latency_p99<10ms broken"), std::string::npos)
        << insight->judgement.reason;
    ASSERT_EQ(insight->limits.size(), 1U);
    EXPECT_EQ(insight->limits[0].used, 20);
}

// Where every watched trial holds there is no limit to tell of, whatever broke in other trials.
TEST(LookForBottleneck, TellsOfNoLimitThatItDidNotSee) {
    for (const bool broke : {false, true}) {
        SimulatedRunner runner(Axis::rate, {.capacity = 2'000});
        const auto insight =
            look_for_bottleneck(*runner, url("daemon:"), {.load = 1'200, .broke = broke}, 5);
        ASSERT_TRUE(insight);
        EXPECT_EQ(runner.asked().size(), broke ? kLooksMax : 1U);
        EXPECT_EQ(insight->judgement.verdict, Bottleneck::headroom);
        EXPECT_EQ(insight->judgement.reason.find("broken"), std::string::npos)
            << insight->judgement.reason;
    }
}

// 80 events/s have what the SLO needs after 15 s, as the trial before at that load tells: longer
// than a look is without it.
TEST(LookForBottleneck, LooksForAsLongAsTheSloNeeds) {
    SimulatedRunner runner(Axis::clients, {.capacity = 80});
    (*runner).run_load(url("daemon:"), 1, 2s, 1);
    const auto insight = look_for_bottleneck(*runner, url("daemon:"), {.load = 1}, 5);
    ASSERT_TRUE(insight) << insight.error().message;
    ASSERT_EQ(runner.asked().size(), 2U);
    EXPECT_FALSE(runner.asked()[0].activity);
    EXPECT_EQ(runner.asked()[0].plan.phases.front().duration(), 2s);
    EXPECT_TRUE(runner.asked()[1].activity);
    EXPECT_EQ(runner.asked()[1].plan.phases.front().duration(), 15s);
}

// As many samples in five times the time move the latencies of what they watch less.
TEST(LookForBottleneck, LooksForLongerThanOtherTrials) {
    for (const auto axis : {Axis::rate, Axis::clients}) {
        SimulatedRunner runner(axis, {.capacity = 2'000});
        ASSERT_TRUE(look_for_bottleneck(*runner, url("daemon:"), {.load = 1'200}, 5));
        EXPECT_EQ(runner.asked().at(0).plan.phases.front().duration(), 10s);
    }
}

// Not begun, a look of 10.3 s would say nothing: where there is no time for it, one that the SLO
// can judge does. Once there is no time for that either, what was seen is told.
TEST(LookForBottleneck, LooksForLessWhereTheTimeDoesNotAllowMore) {
    for (const auto& [budget, looked] : {std::pair{11s, 10s}, std::pair{10s, 2s}}) {
        SimulatedRunner runner(Axis::rate, {.capacity = 2'000}, nullptr, budget);
        const auto insight =
            look_for_bottleneck(*runner, url("daemon:"), {.load = 1'200, .broke = true}, 5);
        ASSERT_TRUE(insight) << insight.error().message;
        EXPECT_EQ(runner.asked().at(0).plan.phases.front().duration(), looked);
    }
    SimulatedRunner slow(Axis::clients, {.capacity = 200}, nullptr, 12s);
    (*slow).run_load(url("daemon:"), 2, 2s, 1);
    ASSERT_TRUE(look_for_bottleneck(*slow, url("daemon:"), {.load = 2, .broke = true}, 5));
    ASSERT_EQ(slow.asked().size(), 2U);
    EXPECT_EQ(slow.asked()[1].plan.phases.front().duration(), 6s);
}

// The injector's own lateness says nothing about the system.
TEST(LookForBottleneck, SkipsTrialsThatAreNotValid) {
    SimulatedRunner late(Axis::rate, {.capacity = 2'000, .own_lateness = 20ms});
    const auto none = look_for_bottleneck(*late, url("daemon:"), {.load = 1'200}, 5);
    ASSERT_FALSE(none);
    EXPECT_TRUE(none.error().message.starts_with("no trial there was valid: schedule_kept"))
        << none.error().message;
    EXPECT_EQ(late.asked().size(), kLooksMax);
}

// An injector that was late by 6.5 ms does not explain 80 ms where 10 are allowed, nor a backlog
// that grew by 1,000 events a second: what binds is not the load generator, and that is told.
TEST(LookForBottleneck, DoesNotBlameALateInjectorForWhatItDoesNotExplain) {
    for (const double capacity : {1'000.0, 2'000.0}) {
        SimulatedRunner runner(Axis::rate,
                               {.capacity = capacity, .latency = 80ms, .own_lateness = 6'500us});
        const auto insight =
            look_for_bottleneck(*runner, url("daemon:"), {.load = 2'000, .broke = true}, 5);
        ASSERT_TRUE(insight) << insight.error().message;
        EXPECT_EQ(insight->judgement.verdict, Bottleneck::unknown);
        const auto& first = insight->judgement.excluded.front();
        EXPECT_EQ(first.verdict, Bottleneck::client_limited);
        EXPECT_EQ(first.why,
                  "the limit was reached by more than this lateness explains 100 % (below 100 %)");
    }
}

TEST(LookForBottleneck, SaysNothingOfATargetThatDiesOrIsInterrupted) {
    SimulatedRunner dying(Axis::rate, {.capacity = 2'000, .dies_at = 1'000});
    EXPECT_FALSE(look_for_bottleneck(*dying, url("daemon:"), {.load = 1'200, .broke = true}, 5));
    EXPECT_EQ(dying.asked().size(), 1U);
    SimulatedRunner stopped(Axis::rate, {.capacity = 1'000},
                            [](std::size_t, TrialResult& trial) { trial.interrupted = true; });
    EXPECT_FALSE(look_for_bottleneck(*stopped, url("daemon:"), {.load = 1'200, .broke = true}, 5));
    EXPECT_EQ(stopped.asked().size(), 1U);
}

const LawCheck* law_of(const Insight& insight, OperationalLaw law) {
    const auto found = std::ranges::find(insight.laws, law, &LawCheck::law);
    return found == insight.laws.end() ? nullptr : &*found;
}

/// What an event costs comes from the processes' time over all events, how busy they were from the
/// threads'. 10,000 events of 0.6 ms each in 10 s are 0.6 cores.
Insight insight_with(Duration processes, double threads_cores) {
    SimulatedRunner runner(Axis::rate, {.capacity = 2'000}, [&](std::size_t, TrialResult& trial) {
        auto& phase = trial.phases.front();
        phase.usage_system.cpu = processes;
        phase.activity->sides[0].cpu_cores = threads_cores;
    });
    const auto insight = look_for_bottleneck(*runner, url("daemon:"), {.load = 1'000}, 5);
    EXPECT_TRUE(insight);
    return insight.value_or(Insight());
}

TEST(LookForBottleneck, ChecksOneSourceAgainstAnother) {
    const auto agreeing = insight_with(6000ms, 0.6);
    const auto* utilization = law_of(agreeing, OperationalLaw::utilization);
    ASSERT_NE(utilization, nullptr);
    EXPECT_NEAR(utilization->expected, 0.3, 1e-3);
    EXPECT_NEAR(utilization->observed, 0.3, 1e-3);
    EXPECT_TRUE(utilization->holds);
    const auto* bottleneck = law_of(agreeing, OperationalLaw::bottleneck);
    ASSERT_NE(bottleneck, nullptr);
    EXPECT_NEAR(bottleneck->expected, 2 / 0.0006, 1);
    EXPECT_NEAR(bottleneck->observed, 1'000, 1);
    ASSERT_NE(law_of(agreeing, OperationalLaw::littles), nullptr);
    // Threads that were not seen.
    const auto missed = insight_with(6000ms, 0.5);
    ASSERT_NE(law_of(missed, OperationalLaw::utilization), nullptr);
    EXPECT_FALSE(law_of(missed, OperationalLaw::utilization)->holds);
}

// A bound from the same figure that is bounded would always hold.
TEST(LookForBottleneck, ChecksNothingAgainstItself) {
    for (const Duration processes : {Duration(0ms), Duration(500ms)}) {
        const auto insight = insight_with(processes, 0.6);
        EXPECT_EQ(law_of(insight, OperationalLaw::utilization), nullptr);
        EXPECT_EQ(law_of(insight, OperationalLaw::bottleneck), nullptr);
        EXPECT_NE(law_of(insight, OperationalLaw::littles), nullptr);
    }
}

// What is drained afterwards costs something else than what was done under the load, and what is
// there is of another time than what leaves.
TEST(LookForBottleneck, ChecksNoLawWhereTheBacklogGrew) {
    enum class Backlog { steady, saturated, growing };
    for (const auto backlog : {Backlog::steady, Backlog::saturated, Backlog::growing}) {
        SimulatedRunner runner(Axis::rate, {.capacity = 2'000},
                               [backlog](std::size_t, TrialResult& trial) {
                                   auto& phase = trial.phases.front();
                                   phase.usage_system.cpu = 6s;
                                   phase.activity->sides[0].cpu_cores = 0.6;
                                   phase.saturated = backlog == Backlog::saturated;
                                   if (backlog != Backlog::growing) return;
                                   std::uint64_t events = 0;
                                   for (auto& sample : phase.clients.front().backlog)
                                       sample += events++;
                               });
        const auto insight = look_for_bottleneck(*runner, url("daemon:"), {.load = 1'000}, 5);
        ASSERT_TRUE(insight) << insight.error().message;
        EXPECT_EQ(insight->laws.empty(), backlog != Backlog::steady);
    }
}

// Samples that are this different say nothing of what is there on average.
TEST(LookForBottleneck, ChecksNoPopulationThatIsNotKnown) {
    for (const std::uint64_t most : {12U, 2'000U}) {
        SimulatedRunner runner(Axis::rate, {.capacity = 2'000},
                               [most](std::size_t, TrialResult& trial) {
                                   auto& backlog = trial.phases.front().clients.front().backlog;
                                   for (std::size_t i = 0; i < backlog.size(); ++i)
                                       backlog[i] = i % 50 == 25 ? most : 10;
                               });
        const auto insight = look_for_bottleneck(*runner, url("daemon:"), {.load = 1'000}, 5);
        ASSERT_TRUE(insight) << insight.error().message;
        EXPECT_EQ(law_of(*insight, OperationalLaw::littles) != nullptr, most == 12);
    }
}

/// One thread that is busy all the time while a core is free.
void keep_a_worker_busy(TrialResult& trial) {
    if (!trial.phases.front().activity) return;
    auto& system = trial.phases.front().activity->sides[0];
    system.cpu_cores = 0.95;
    system.busiest_cpu = system.busiest_ready = 0.95;
    system.busiest_thread = "worker-0";
    system.mean[static_cast<std::size_t>(Activity::running)] = 0.95;
    system.present[static_cast<std::size_t>(Activity::running)] = 0.95;
}

// Three times the capacity in a long look leaves more than can be drained: of 12,000 events 4,000
// end in the window and 4,000 while it drains. What binds is told by the load's own time, as if all
// had ended.
TEST(LookForBottleneck, TellsTheSameOfEventsThatDoNotEnd) {
    std::vector<Insight> insights;
    for (const double lost : {0.0, 1.0 / 3}) {
        SimulatedRunner runner(Axis::rate, {.capacity = 400, .lost_share = lost},
                               [](std::size_t, TrialResult& trial) { keep_a_worker_busy(trial); });
        const auto insight =
            look_for_bottleneck(*runner, url("daemon:"), {.load = 1'200, .broke = true}, 5);
        ASSERT_TRUE(insight) << insight.error().message;
        EXPECT_EQ(runner.asked().size(), 1U);
        insights.push_back(*insight);
    }
    EXPECT_EQ(insights[0].judgement.verdict, Bottleneck::workers) << insights[0].judgement.reason;
    EXPECT_EQ(insights[1].judgement.verdict, insights[0].judgement.verdict);
    EXPECT_EQ(insights[1].judgement.confidence, insights[0].judgement.confidence);
    EXPECT_EQ(insights[1].judgement.reason, insights[0].judgement.reason);
    EXPECT_EQ(insights[1].intervention->change, "workers=3");
}

// At four workers five are proposed, not one more than what the URL has without the axis.
TEST(LookForBottleneck, ProposesAChangeOfWhatWasRun) {
    SimulatedRunner runner(Axis::workers, {.capacity = 1'000},
                           [](std::size_t, TrialResult& trial) { keep_a_worker_busy(trial); });
    const auto insight = look_for_bottleneck(*runner, url("daemon:"), {.load = 4}, 5);
    ASSERT_TRUE(insight);
    EXPECT_EQ(insight->judgement.verdict, Bottleneck::workers) << insight->judgement.reason;
    ASSERT_TRUE(insight->intervention);
    EXPECT_EQ(insight->intervention->change, "workers=5");
    EXPECT_EQ(insight->intervention->target, "daemon:?workers=5");
    EXPECT_DOUBLE_EQ(insight->intervention->predicted.value_or(0), 1.25);
}

/// Threads of the system that have used a share of its processor time in running services.
ActivityReport services_take(double share) {
    ActivityReport activity;
    activity.threads.resize(2);
    activity.threads[0].name = "worker-0";
    activity.threads[1].name = "io";
    for (auto& thread : activity.threads) thread.side = ActivitySide::system;
    activity.threads[0].cpu = std::chrono::milliseconds(std::lround(1'000 * share));
    activity.threads[1].cpu = std::chrono::milliseconds(std::lround(1'000 * (1 - share)));
    return activity;
}

// What takes all of the time has no bound that a share could give.
TEST(ChooseIntervention, PredictsNoMoreThanItsShareCanSay) {
    const auto half =
        choose_intervention(url("daemon:"), Bottleneck::cpu_bound, services_take(0.5));
    ASSERT_TRUE(half);
    EXPECT_EQ(half->change, "work=none");
    EXPECT_NEAR(half->predicted.value_or(0), 2, 1e-9);
    const auto all = choose_intervention(url("daemon:"), Bottleneck::cpu_bound, services_take(1));
    ASSERT_TRUE(all);
    EXPECT_FALSE(all->predicted);
}

Intervention five_workers() {
    Intervention intervention;
    intervention.target = "daemon:?workers=5";
    intervention.change = "workers=5";
    intervention.predicted = 1.25;
    return intervention;
}

/// Throughput as if the change gained a fifth, with `noise` of the pair's own.
void gain_a_fifth(std::size_t number, TrialResult& trial) {
    const double noise = 1 + 0.001 * static_cast<double>((number - 1) / 2);
    const bool changed = trial.target.ends_with("workers=5");
    trial.phases.front().throughput = (changed ? 1'200 : 1'000) * noise;
}

// Both arms have the axis's load, eight clients, and differ in the change alone; which one is first
// alternates.
TEST(MeasureIntervention, ComparesAtTheLoadOfTheAxis) {
    SimulatedRunner runner(Axis::clients, {.capacity = 1'000}, gain_a_fifth);
    auto intervention = five_workers();
    measure_intervention(*runner, url("daemon:?workers=4"), 8, intervention, 4, 5);
    ASSERT_EQ(runner.asked().size(), 8U);
    for (std::size_t i = 0; i < 8; ++i) {
        EXPECT_EQ(runner.asked()[i].plan.clients, 8U);
        EXPECT_FALSE(runner.asked()[i].plan.phases.front().open_loop());
        const bool changed = i % 4 == 1 || i % 4 == 2;
        EXPECT_EQ(runner.asked()[i].target, changed ? "daemon:?workers=5" : "daemon:?workers=4");
    }
    EXPECT_EQ(runner.asked()[0].plan.workload.seed, runner.asked()[1].plan.workload.seed);
    ASSERT_TRUE(intervention.measured) << intervention.absent;
    EXPECT_NEAR(intervention.measured->estimate, 1.2, 1e-9);
    EXPECT_TRUE(intervention.confirmed);
}

// The axis of workers has put an option into the URL, which the change replaces.
TEST(MeasureIntervention, ChangesWhatTheAxisHasSet) {
    SimulatedRunner runner(Axis::workers, {.capacity = 1'000}, gain_a_fifth);
    auto intervention = five_workers();
    measure_intervention(*runner, url("daemon:"), 4, intervention, 2, 5);
    ASSERT_EQ(runner.asked().size(), 4U);
    EXPECT_EQ(runner.asked()[0].target, "daemon:?workers=4");
    EXPECT_EQ(runner.asked()[1].target, "daemon:?workers=5");
    EXPECT_EQ(runner.asked()[2].target, "daemon:?workers=5");
}

// Of rates, too, arms run as fast as events are acknowledged, for as long as the scenario says.
TEST(MeasureIntervention, AsksForAllThereIs) {
    SimulatedRunner runner(Axis::rate, {.capacity = 1'000}, gain_a_fifth);
    auto intervention = five_workers();
    measure_intervention(*runner, url("daemon:"), 200, intervention, 2, 5);
    const auto& phase = runner.asked()[0].plan.phases.front();
    EXPECT_FALSE(phase.open_loop());
    EXPECT_EQ(phase.duration(), 2s);
    EXPECT_EQ(phase.warmup, 300ms);
}

// Of four pairs one has a trial that lost events it had accepted, and one is interrupted with half
// of its throughput: the two whole ones are left.
TEST(MeasureIntervention, LeavesOutPairsThatAreNotWhole) {
    SimulatedRunner* self = nullptr;
    SimulatedRunner runner(Axis::clients, {.capacity = 1'000},
                           [&](std::size_t number, TrialResult& trial) {
                               gain_a_fifth(number, trial);
                               if (number == 3) {
                                   trial.phases.front().throughput = 10;
                                   trial.checks.push_back({"conservation", false, "3 lost"});
                               }
                               if (number == 8) {
                                   trial.phases.front().throughput = 10;
                                   trial.interrupted = true;
                                   self->stop();
                               }
                           });
    self = &runner;
    auto intervention = five_workers();
    measure_intervention(*runner, url("daemon:"), 8, intervention, 9, 5);
    EXPECT_EQ(runner.asked().size(), 8U);
    ASSERT_TRUE(intervention.measured) << intervention.absent;
    EXPECT_NEAR(intervention.measured->estimate, 1.2, 1e-9);
}

TEST(MeasureIntervention, SaysWhyItIsAbsent) {
    SimulatedRunner dying(Axis::clients, {}, [](std::size_t, TrialResult& trial) {
        trial.failure = Error{Errc::failed, "it was killed by signal 9"};
    });
    auto intervention = five_workers();
    measure_intervention(*dying, url("daemon:"), 8, intervention, 4, 5);
    EXPECT_EQ(intervention.absent, "it was killed by signal 9");
    SimulatedRunner stopped(Axis::clients, {});
    stopped.stop();
    intervention = five_workers();
    measure_intervention(*stopped, url("daemon:"), 8, intervention, 4, 5);
    EXPECT_EQ(intervention.absent, "too few trials");
    EXPECT_FALSE(intervention.confirmed);
}

}  // namespace
}  // namespace crucible::lab::scale
