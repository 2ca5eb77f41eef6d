// The search of a breaking point along the axes whose loads are counted.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/scale/scaling.h"
#include "lab/scale/scaling_json.h"
#include "simulated_scaling.h"
#include "simulated_trial.h"

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;

/// Where on its axis a trial is. The harness has neither services nor workers.
double load_of(Axis axis, const TargetUrl& target, const SystemOptions& system, const Plan& plan) {
    switch (axis) {
        case Axis::clients:
            return plan.clients;
        case Axis::services:
            return system.services;
        case Axis::payload:
            return plan.workload.payload.mean();
        case Axis::workers:
            return target.option("workers") ? std::stod(*target.option("workers")) : 0;
        case Axis::rate:
            break;
    }
    ADD_FAILURE() << "no counted axis";
    return 0;
}

/// What a system is at a load.
using SystemAt = std::function<SimulatedSystem(double load)>;

/// 1,000 events/s at each load, with 1 ms up to `truth` and 20 ms beyond.
SystemAt slow_beyond(double truth) {
    return [truth](double load) { return SimulatedSystem{.latency = load > truth ? 20ms : 1ms}; };
}

/// In closed loop as much is done as the capacity allows, whatever the number of clients.
TrialFunction trials_of(Axis axis, SystemAt system_at) {
    return [axis, system_at = std::move(system_at)](
               const TargetUrl& target, const SystemOptions& options, const Plan& plan,
               const TrialOptions& how) -> Result<TrialResult> {
        if (how.on_progress) how.on_progress({});
        const auto system = system_at(load_of(axis, target, options, plan));
        if (!system.starts) return std::unexpected(Error{Errc::closed, "connection refused"});
        const Phase& phase = plan.phases.front();
        const double seconds = std::chrono::duration<double>(phase.duration()).count();
        const double offered =
            phase.open_loop() ? static_cast<double>(phase.events()) / seconds : system.capacity;
        TrialResult trial;
        trial.target = target.text;
        trial.phases = {simulated_phase(phase, offered, system)};
        if (offered >= system.dies_at)
            trial.failure = Error{Errc::failed, "it was killed by signal 9"};
        trial.checks = trial_checks(trial.phases);
        return trial;
    };
}

/// A search from the first to the last of `points`.
ScalingOptions counted(Axis axis, std::vector<double> points, SystemAt system_at) {
    auto options = simulated_scaling();
    options.targets = {*parse_target("daemon:")};
    options.axis = axis;
    options.scenario.plan.phases = {maximum_phase(2s)};
    options.search.lowest = points.front();
    options.search.highest = points.back();
    options.points = std::move(points);
    options.rounds = 1;
    options.bottleneck = false;
    options.run = trials_of(axis, std::move(system_at));
    return options;
}

Scaling run(const ScalingOptions& options) {
    auto scaling = run_scaling(options);
    EXPECT_TRUE(scaling) << scaling.error().message;
    return scaling ? *std::move(scaling) : Scaling{};
}

/// As in a file.
nlohmann::json point_of(const ScalingOptions& options, const Scaling& scaling) {
    return scaling_json({}, options, scaling)["targets"][0]["breaking_point"];
}

std::set<std::string> members_of(const nlohmann::json& object) {
    std::set<std::string> names;
    for (const auto& [name, value] : object.items()) names.insert(name);
    return names;
}

std::set<double> loads_tried(const LimitFound& found) {
    std::set<double> loads;
    for (const auto& trial : found.trials) loads.insert(trial.load);
    return loads;
}

struct Known {
    Axis axis;
    std::vector<double> points;
    double truth;
};

// Along each axis the truth lies between two whole numbers: next to each other where a step is no
// more than the precision asked for, else no further apart than that. What follows is as of rates,
// but for the way down.
TEST(ScalingCounted, FindsWhereItBreaksOnEachAxis) {
    const std::vector<Known> known{{Axis::clients, {1, 2, 4, 8, 16}, 12.5},
                                   {Axis::clients, {2, 4}, 2.5},
                                   {Axis::services, {1, 10, 100}, 37.5},
                                   {Axis::payload, {256, 4'096, 65'536}, 10'000.5},
                                   {Axis::workers, {1, 2, 4, 8}, 3.5}};
    for (const auto& [axis, points, truth] : known) {
        SCOPED_TRACE(to_string(axis));
        const auto options = counted(axis, points, slow_beyond(truth));
        const auto scaling = run(options);
        const auto& target = scaling.targets.at(0);
        ASSERT_TRUE(target.limit);
        const auto& found = *target.limit;
        const auto& point = found.point;
        EXPECT_EQ(point.ending, Ending::found);
        ASSERT_TRUE(point.lower_bound && point.upper_bound && point.estimate && point.soak_load);
        EXPECT_LT(*point.lower_bound, truth);
        EXPECT_GT(*point.upper_bound, truth);
        EXPECT_LE(*point.upper_bound - *point.lower_bound, std::max(1.0, 0.06 * truth));
        EXPECT_LE(point.estimate->interval.low, truth);
        EXPECT_GE(point.estimate->interval.high, truth);
        EXPECT_EQ(found.broken, "latency_p99<10ms");
        EXPECT_DOUBLE_EQ(point.conditional_throughput.value_or(0), 1'000);
        EXPECT_LE(point.trials, 40U);
        for (const double load : loads_tried(found)) {
            EXPECT_EQ(load, std::floor(load));
            EXPECT_TRUE(load >= points.front() && load <= points.back()) << load;
        }
        EXPECT_EQ(point.soak_passed, true);
        EXPECT_EQ(*point.soak_load,
                  std::max(std::floor(0.95 * *point.lower_bound), points.front()));
        EXPECT_EQ(found.trials.back().stage, Stage::soak);
        EXPECT_EQ(found.trials.back().seconds, 4);
        EXPECT_FALSE(point.hysteresis);
        EXPECT_TRUE(found.hysteresis_absent.starts_with("only a rate changes while a system runs"));
        ASSERT_EQ(target.sweep.points.size(), points.size());
        for (const auto& at : target.sweep.points)
            EXPECT_EQ(at.held, at.load < truth ? 1U : 0U) << at.load;
    }
}

// A reader of the one is a reader of the others.
TEST(ScalingCounted, HasTheMembersOfASearchOfRates) {
    auto rates = simulated_scaling();
    rates.targets = {*parse_target("daemon:")};
    rates.rounds = 0;
    rates.bottleneck = false;
    rates.run = simulated_trials({{"daemon", {.capacity = 1'300}}});
    const auto counts = counted(Axis::clients, {1, 16}, slow_beyond(5.5));
    const auto of_clients = point_of(counts, run(counts));
    EXPECT_EQ(members_of(of_clients), members_of(point_of(rates, run(rates))));
    EXPECT_EQ(of_clients["unit"], "clients");
    EXPECT_EQ(of_clients["lower"], 5);
    EXPECT_EQ(of_clients["upper"], 6);
    EXPECT_FALSE(of_clients["ci_low"].is_null());
    EXPECT_FALSE(of_clients["course"].empty());
}

// Two workers do not do what four do: broken at the lowest load, and nothing is searched. The
// points tell from where on it holds.
TEST(ScalingCounted, EndsAtOnceWhereTheLowestLoadBreaks) {
    auto options = counted(Axis::workers, {1, 2, 4, 8}, [](double workers) {
        return SimulatedSystem{.capacity = 100 * workers};
    });
    options.slo = *Slo::parse("throughput>=350/s");
    const auto target = run(options).targets.at(0);
    EXPECT_EQ(target.limit->point.ending, Ending::below_lowest);
    EXPECT_EQ(target.limit->point.trials, 4U);
    EXPECT_EQ(loads_tried(*target.limit), std::set<double>{1});
    EXPECT_EQ(target.limit->detail, "throughput>=350/s broken: 100/s, 71 % beyond");
    EXPECT_EQ(target.limit->hysteresis_absent, "");
    ASSERT_EQ(target.sweep.points.size(), 4U);
    EXPECT_EQ(target.sweep.points[1].broken, 1U);
    EXPECT_EQ(target.sweep.points[2].held, 1U);
}

TEST(ScalingCounted, SaysThatTheHighestLoadHolds) {
    const auto target = run(counted(Axis::services, {1, 100}, slow_beyond(1'000))).targets.at(0);
    const auto& point = target.limit->point;
    EXPECT_EQ(point.ending, Ending::above_highest);
    EXPECT_EQ(point.lower_bound, 100);
    EXPECT_FALSE(point.upper_bound || point.estimate || point.soak_load);
    EXPECT_EQ(target.limit->hysteresis_absent, "");
    EXPECT_EQ(point.trials, 9U);  // 1, 2, … 64, and twice 100
}

// Below the lowest load of the range there is nothing to soak.
TEST(ScalingCounted, SoaksTheLowestLoadWhereThatIsAllThatHolds) {
    const auto point =
        run(counted(Axis::clients, {1, 4}, slow_beyond(1.5))).targets.at(0).limit->point;
    EXPECT_EQ(point.lower_bound, 1);
    EXPECT_EQ(point.soak_load, 1);
    EXPECT_EQ(point.soak_passed, true);
}

// What breaks in a soak only is searched again with trials of its length.
TEST(ScalingCounted, SearchesAgainWhatASoakBreaks) {
    auto options = counted(Axis::clients, {1, 16}, slow_beyond(12.5));
    options.run = [run = options.run](const TargetUrl& target, const SystemOptions& system,
                                      const Plan& plan, const TrialOptions& how) {
        auto trial = run(target, system, plan, how);
        if (plan.phases.front().duration() > 3s && plan.clients > 7)
            trial->failure = Error{Errc::failed, "it ran out of memory"};
        return trial;
    };
    const auto found = *run(options).targets.at(0).limit;
    EXPECT_EQ(found.point.reopened, 1U);
    EXPECT_EQ(found.point.lower_bound, 7);
    EXPECT_EQ(found.point.upper_bound, 8);
    EXPECT_EQ(found.point.soak_load, 6);
    EXPECT_EQ(found.point.soak_passed, true);
    EXPECT_EQ(found.death, "it ran out of memory");
}

/// Runs `options` where trials of the search are as `change` makes them, by their stage.
Scaling run_where(ScalingOptions options,
                  const std::function<void(std::string_view, TrialResult&)>& change) {
    std::string stage;
    options.on_progress = [&stage](const ScalingProgress& at) { stage = at.what; };
    options.run = [&, run = options.run](const TargetUrl& target, const SystemOptions& system,
                                         const Plan& plan, const TrialOptions& how) {
        auto trial = run(target, system, plan, how);
        change(stage, *trial);
        return trial;
    };
    return run(options);
}

// What was known when it was ended is kept, and no curve is begun.
TEST(ScalingCounted, KeepsWhatIsKnownWhereItIsInterrupted) {
    for (const auto ended_in : {Stage::ramp, Stage::refine, Stage::soak}) {
        SCOPED_TRACE(to_string(ended_in));
        std::stop_source stop;
        auto options = counted(Axis::clients, {1, 16}, slow_beyond(12.5));
        options.stop = stop.get_token();
        options.demand = Demand{.rate = 500};
        const auto scaling =
            run_where(std::move(options), [&](std::string_view stage, TrialResult& trial) {
                if (stage != to_string(ended_in)) return;
                stop.request_stop();
                trial.interrupted = true;
            });
        EXPECT_TRUE(scaling.interrupted);
        const auto& target = scaling.targets.at(0);
        EXPECT_EQ(target.limit->point.ending, Ending::running);
        EXPECT_EQ(target.limit->why_not_over, "the user ended it first");
        EXPECT_EQ(target.limit->point.lower_bound.has_value(), ended_in == Stage::soak);
        EXPECT_FALSE(target.forecast);
        for (const auto& point : target.sweep.points) EXPECT_EQ(point.held, 0U);
    }
}

TEST(ScalingCounted, EndsWithItsTime) {
    TrialClock clock;
    auto options = counted(Axis::clients, {1, 16}, slow_beyond(12.5));
    options.clock = &clock;
    options.time_budget = 15s;
    options.run = [&clock, run = options.run](const TargetUrl& target, const SystemOptions& system,
                                              const Plan& plan, const TrialOptions& how) {
        for (const auto& phase : plan.phases) clock.pass(phase.duration());
        return run(target, system, plan, how);
    };
    const auto scaling = run(options);
    EXPECT_TRUE(scaling.out_of_time);
    EXPECT_EQ(scaling.targets.at(0).limit->why_not_over, "the time was up first");
    EXPECT_EQ(scaling.targets.at(0).limit->trials.size(), 7U);
}

// From nine clients on trials say nothing: what holds below is told, with why it is no limit.
TEST(ScalingCounted, SaysWhereTrialsAreNotValid) {
    auto options = counted(Axis::clients, {1, 16}, [](double clients) {
        return SimulatedSystem{.own_lateness = clients > 8 ? 20ms : 0ms};
    });
    options.scenario.plan.phases = {steady_phase(*base::Rate::per_second(500), 1'000)};
    const auto found = *run(options).targets.at(0).limit;
    EXPECT_EQ(found.point.ending, Ending::injector_limited);
    EXPECT_EQ(found.point.lower_bound, 8);
    EXPECT_FALSE(found.point.upper_bound);
    EXPECT_TRUE(found.invalid.starts_with("schedule_kept: ")) << found.invalid;
}

// More clients than can be started at all are no limit of those that were.
TEST(ScalingCounted, SearchesBelowLoadsThatDoNotStart) {
    auto options = counted(Axis::clients, {1, 16},
                           [](double clients) { return SimulatedSystem{.starts = clients < 9}; });
    const auto scaling = run(options);
    EXPECT_FALSE(scaling.failure);
    const auto& found = *scaling.targets.at(0).limit;
    EXPECT_EQ(found.point.ending, Ending::injector_limited);
    EXPECT_EQ(found.point.lower_bound, 8);
    EXPECT_EQ(found.invalid, "could not be started: connection refused");
    EXPECT_FALSE(found.died_at);
    EXPECT_EQ(found.death, "");
}

// It dies at four clients and does not start again: that is not for their number.
TEST(ScalingCounted, GivesUpWhatDoesNotStartAgain) {
    bool dead = false;
    auto options = counted(Axis::clients, {1, 16}, [&dead](double clients) {
        SimulatedSystem system{.starts = !dead};
        if (clients >= 4) system.dies_at = 0;
        dead = dead || clients >= 4;
        return system;
    });
    const auto scaling = run(options);
    EXPECT_FALSE(scaling.failure);
    const auto& found = *scaling.targets.at(0).limit;
    EXPECT_EQ(found.why_not_over, "the target does not start again");
    EXPECT_EQ(found.died_at, 4);
    EXPECT_EQ(found.death, "it was killed by signal 9");
}

// One that never starts is not tried again and again, and is a failure.
TEST(ScalingCounted, FailsWhereItNeverStarts) {
    int begun = 0;
    auto options = counted(Axis::services, {1, 100}, [&begun](double) {
        ++begun;
        return SimulatedSystem{.starts = false};
    });
    const auto scaling = run(options);
    ASSERT_TRUE(scaling.failure);
    EXPECT_EQ(scaling.failure->message, "daemon:: connection refused");
    EXPECT_EQ(begun, 2);
}

// 100 events/s have their 99th percentile after 12 s, which the first trial of 2 s tells: the next
// ones have that length. For the bounds they count as one trial each.
TEST(ScalingCounted, MakesTrialsAsLongAsTheSloNeeds) {
    auto options = counted(Axis::payload, {1'024, 65'536}, [](double bytes) {
        return SimulatedSystem{.capacity = 100, .latency = bytes > 3'000 ? 20ms : 1ms};
    });
    options.rounds = 0;
    const auto target = run(options).targets.at(0);
    const auto& found = *target.limit;
    ASSERT_GE(found.trials.size(), 3U);
    EXPECT_FALSE(found.trials[0].valid);
    EXPECT_EQ(found.trials[0].seconds, 2);
    EXPECT_TRUE(found.trials[1].valid);
    EXPECT_EQ(found.trials[1].seconds, 12);
    EXPECT_EQ(found.point.invalid_trials, 1U);
    EXPECT_EQ(found.point.ending, Ending::found);
    EXPECT_LT(*found.point.lower_bound, 3'000);
    EXPECT_GT(*found.point.upper_bound, 3'000);
    // At a load that decides more than one trial broke.
    const auto broke = std::ranges::count_if(found.trials, [&](const auto& trial) {
        return trial.load == found.point.upper_bound && !trial.broken.empty();
    });
    EXPECT_GE(broke, 2);
}

// What the search found valid is so in the curves and where it is looked for what binds: 100
// events/s are too few in 2 s there, too. Both targets and the harness have the slower one's
// length.
TEST(ScalingCounted, MakesEveryTrialThatTheSloJudgesAsLong) {
    auto options = counted(Axis::payload, {1'024, 65'536}, nullptr);
    options.targets = {*parse_target("coordinator:"), *parse_target("daemon:")};
    options.slo = *Slo::parse("latency_p99<10ms,memory_peak<=64MiB");
    std::string stage;
    std::map<std::string, std::set<double>> seconds;  // of trials, by stage and scheme
    options.on_progress = [&stage](const ScalingProgress& progress) { stage = progress.what; };
    options.run = [&](const TargetUrl& target, const SystemOptions& system, const Plan& plan,
                      const TrialOptions& how) {
        const auto at = [&](double bytes) {
            return SimulatedSystem{.capacity = target.scheme == "coordinator" ? 100.0 : 1'000.0,
                                   .latency = bytes > 3'000 ? 20ms : 1ms,
                                   .memory_bytes = target.scheme == "null" ? 10e6 : 30e6};
        };
        auto trial = trials_of(Axis::payload, at)(target, system, plan, how);
        const auto& phase = plan.phases.front();
        seconds[stage + " " + target.scheme].insert(
            std::chrono::duration<double>(phase.duration()).count());
        if (how.activity) trial->phases.front().activity = ActivityReport{};
        return trial;
    };
    options.rounds = 2;
    options.bottleneck = true;
    const auto scaling = run(options);
    for (const std::string round : {"round 1/2 ", "round 2/2 "}) {
        for (const auto* const scheme : {"coordinator", "daemon", "null"})
            EXPECT_EQ(seconds[round + scheme], std::set<double>{12}) << round << scheme;
    }
    EXPECT_EQ(seconds["bottleneck coordinator"], std::set<double>{12});
    EXPECT_EQ(seconds["bottleneck daemon"], std::set<double>{10});
    EXPECT_EQ(seconds["bottleneck null"], (std::set<double>{10, 12}));
    for (const auto& target : scaling.targets) {
        EXPECT_TRUE(target.insight) << target.target << ": " << target.why_no_insight;
        EXPECT_EQ(target.sweep.points[0].held, 2U) << target.target;
        EXPECT_EQ(target.sweep.points[1].broken, 2U) << target.target;
        for (const auto& point : target.sweep.points) {
            EXPECT_TRUE(point.invalid.empty()) << point.invalid.front();
            EXPECT_EQ(point.rounds.size(), 2U);
        }
    }
}

/// The lengths of trials at 64 KiB, by round and scheme.
using Lengths = std::map<std::string, std::vector<double>>;

/// Runs `options`, whose search ends below 64 KiB; `coordinator` says what a trial of it does
/// there, given how many there were before.
Scaling run_where(ScalingOptions options, Lengths& seconds,
                  const std::function<double(std::size_t trials)>& coordinator) {
    std::size_t trials = 0;
    std::string round;
    options.on_progress = [&round](const ScalingProgress& progress) { round = progress.what; };
    options.run = [&](const TargetUrl& target, const SystemOptions& system, const Plan& plan,
                      const TrialOptions& how) {
        const auto at = [&](double bytes) {
            SimulatedSystem simulated{.latency = bytes > 3'000 ? 20ms : 1ms};
            if (bytes < 50'000) return simulated;
            if (target.scheme == "coordinator") simulated.capacity = coordinator(trials++);
            const auto length =
                std::chrono::round<std::chrono::milliseconds>(plan.phases.front().duration());
            seconds[round + " " + target.scheme].push_back(
                std::chrono::duration<double>(length).count());
            return simulated;
        };
        return trials_of(Axis::payload, at)(target, system, plan, how);
    };
    return run(options);
}

ScalingOptions searched_below_the_last_point(std::uint32_t rounds) {
    auto options = counted(Axis::payload, {1'024, 65'536}, nullptr);
    options.targets = {*parse_target("coordinator:"), *parse_target("daemon:")};
    options.search.highest = 4'096;
    options.rounds = rounds;
    return options;
}

// A load that no search has been at tells in the first round how long its trials have to be: there
// all of that load are run again, so that no round is lost and all are of one length.
TEST(ScalingCounted, RunsALoadAgainWhereOneOfItsTrialsWasTooShort) {
    Lengths seconds;
    const auto scaling =
        run_where(searched_below_the_last_point(2), seconds, [](std::size_t) { return 100.0; });
    for (const auto& target : scaling.targets) {
        for (const auto& point : target.sweep.points) {
            EXPECT_EQ(point.rounds, (std::vector<std::uint32_t>{0, 1})) << target.target;
            EXPECT_TRUE(point.invalid.empty()) << point.invalid.front();
        }
        EXPECT_EQ(target.limit_uses.size(), 4U);
    }
    EXPECT_EQ(seconds["round 1/2 coordinator"], (std::vector<double>{2, 12}));
    for (const std::string scheme : {"daemon", "null"}) {
        ASSERT_FALSE(seconds["round 1/2 " + scheme].empty()) << scheme;
        EXPECT_EQ(seconds["round 1/2 " + scheme].back(), 12) << scheme;
        EXPECT_EQ(seconds["round 2/2 " + scheme], std::vector<double>{12}) << scheme;
    }
    EXPECT_EQ(seconds["round 2/2 coordinator"], std::vector<double>{12});
}

// One that does less each time would go on: by the median of 300/s, 100/s and 50/s after a trial of
// 6 s it takes 10 s, but twice were enough.
TEST(ScalingCounted, RunsALoadAgainTwiceAtMost) {
    Lengths seconds;
    run_where(searched_below_the_last_point(1), seconds, [](std::size_t trials) {
        return std::array{300.0, 100.0, 50.0, 25.0}.at(trials);
    });
    EXPECT_EQ(seconds["round 1/1 coordinator"], (std::vector<double>{2, 4, 6}));
    EXPECT_EQ(seconds["round 1/1 daemon"].back(), 6);
}

// A trial that stalled does not make all that follow longer.
TEST(ScalingCounted, TakesAStalledTrialForOneOfThem) {
    Lengths seconds;
    run_where(searched_below_the_last_point(4), seconds,
              [](std::size_t trials) { return trials == 0 ? 100.0 : 1'000.0; });
    EXPECT_EQ(seconds["round 1/4 coordinator"], (std::vector<double>{2, 12}));
    EXPECT_EQ(seconds["round 2/4 coordinator"], std::vector<double>{2.182});  // of 550/s
    EXPECT_EQ(seconds["round 3/4 coordinator"], std::vector<double>{2});
    EXPECT_EQ(seconds["round 4/4 daemon"], std::vector<double>{2});
}

// Where nothing is judged no trial is too short: curves without an SLO keep --duration.
TEST(ScalingCounted, LengthensNothingWithoutAnSlo) {
    auto options = counted(Axis::payload, {1'024, 65'536}, nullptr);
    options.slo = {};
    options.rounds = 2;
    options.run = [](const TargetUrl& target, const SystemOptions& system, const Plan& plan,
                     const TrialOptions& how) {
        EXPECT_EQ(plan.phases.front().duration(), 2s);
        return trials_of(Axis::payload, [](double) { return SimulatedSystem{.capacity = 10}; })(
            target, system, plan, how);
    };
    EXPECT_EQ(run(options).targets.at(0).sweep.points[1].rounds.size(), 2U);
    options.scenario.plan.phases = {steady_phase(*base::Rate::per_second(10), 20)};
    EXPECT_EQ(run(options).targets.at(0).sweep.points[1].rounds.size(), 2U);
}

// Where a rate is offered at each load, trials have the events that the SLO needs from the start.
TEST(ScalingCounted, OffersTheEventsThatTheSloNeeds) {
    auto options = counted(Axis::workers, {1, 8}, slow_beyond(3.5));
    options.scenario.plan.phases = {steady_phase(*base::Rate::per_second(200), 400)};
    options.rounds = 0;
    const auto& found = *run(options).targets.at(0).limit;
    EXPECT_EQ(found.point.invalid_trials, 0U);
    EXPECT_EQ(found.point.lower_bound, 3);
    EXPECT_EQ(found.point.upper_bound, 4);
    for (const auto& trial : found.trials) EXPECT_EQ(trial.seconds, 5);
    EXPECT_NEAR(found.point.conditional_throughput.value_or(0), 200, 1e-9);
    // So do those of the curves.
    options.rounds = 1;
    const auto target = run(options).targets.at(0);
    EXPECT_EQ(target.sweep.points[0].held, 1U);
    EXPECT_EQ(target.sweep.points[1].broken, 1U);
}

// Of trials that held a load what most of them did is told, not the best.
TEST(ScalingCounted, TellsTheThroughputThatMostTrialsHad) {
    int trials_at_five = 0;
    auto options = counted(Axis::clients, {1, 16}, [&](double clients) {
        auto system = slow_beyond(5.5)(clients);
        if (clients == 5 && ++trials_at_five > 1) system.capacity = 600;
        return system;
    });
    options.rounds = 0;
    options.search.soaks = false;
    const auto& point = run(options).targets.at(0).limit->point;
    EXPECT_EQ(point.lower_bound, 5);
    ASSERT_GE(trials_at_five, 3);
    EXPECT_NEAR(point.conditional_throughput.value_or(0), 600, 1e-9);
}

// Two targets have a search each, and the same curves.
TEST(ScalingCounted, SearchesBothTargets) {
    auto options = counted(Axis::workers, {1, 2, 4, 8}, nullptr);
    options.targets = {*parse_target("coordinator:"), *parse_target("daemon:")};
    options.run = [few = trials_of(Axis::workers, slow_beyond(2.5)),
                   many = trials_of(Axis::workers, slow_beyond(6.5))](
                      const TargetUrl& target, const SystemOptions& system, const Plan& plan,
                      const TrialOptions& how) {
        return (target.scheme == "coordinator" ? few : many)(target, system, plan, how);
    };
    const auto scaling = run(options);
    EXPECT_EQ(scaling.targets.at(0).limit->point.lower_bound, 2);
    EXPECT_EQ(scaling.targets.at(1).limit->point.lower_bound, 6);
    EXPECT_EQ(scaling.targets.at(1).sweep.points.size(), 4U);
}

// The law says how many are needed, the search how many hold; a soak that breaks says that these
// do not for long.
TEST(ScalingCounted, ForecastsWithinWhatHolds) {
    const std::vector<double> points{1, 2, 3, 4, 6, 8, 12, 16};
    const auto linear = [](double until) {
        return [until](double clients) {
            return SimulatedSystem{.capacity = 1'000 * clients / (1 + 0.03 * (clients - 1)),
                                   .latency = clients > until ? 20ms : 1ms};
        };
    };
    auto options = counted(Axis::workers, points, linear(6.5));
    options.scenario.plan.phases = {maximum_phase(1s)};
    options.rounds = 2;
    options.demand = Demand{.rate = 3'500};
    auto target = run(options).targets.at(0);
    ASSERT_TRUE(target.forecast) << target.why_no_forecast;
    EXPECT_EQ(target.forecast->measured_enough, 4);
    EXPECT_EQ(std::ranges::count(target.forecast->refused, Refusal::slo_broken, &Refused::refusal),
              0);
    options.demand->rate = 8'000;
    target = run(options).targets.at(0);
    ASSERT_TRUE(target.forecast) << target.why_no_forecast;
    EXPECT_FALSE(target.forecast->measured_enough);
    EXPECT_EQ(std::ranges::count(target.forecast->refused, Refusal::slo_broken, &Refused::refusal),
              1);
    options.search.soaks_max = 1;
    target = run_where(options, [](std::string_view stage, TrialResult& trial) {
                 if (stage == to_string(Stage::soak))
                     trial.failure = Error{Errc::failed, "it ran out of memory"};
             }).targets.at(0);
    EXPECT_FALSE(target.forecast);
    EXPECT_EQ(target.why_no_forecast,
              "what it holds for a trial it does not hold for longer: the soak at 5 workers broke");
}

}  // namespace
}  // namespace crucible::lab::scale
