#include "lab/experiment/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <stop_token>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

class FakeClock final : public base::Clock {
public:
    TimePoint now() noexcept override { return now_; }
    void sleep_until(TimePoint deadline) noexcept override { now_ = std::max(now_, deadline); }
    void advance(Duration duration) { now_ += duration; }

private:
    TimePoint now_{};
};

struct Call {
    std::string target;
    std::uint64_t system_seed;
    std::uint64_t workload_seed;
};

/// Stands for run_trial: every trial takes three seconds of the fake clock and succeeds, unless
/// `change` makes something else of it.
struct Bench {
    FakeClock clock;
    std::vector<Call> calls;
    std::function<void(std::size_t call, TrialResult&)> change;
    std::optional<std::pair<std::size_t, Error>> error;

    ExperimentOptions options(std::string baseline, std::string candidate, std::uint32_t rounds) {
        ExperimentOptions options;
        options.baseline = {.scheme = "coordinator", .text = std::move(baseline)};
        options.candidate = {.scheme = "daemon", .text = std::move(candidate)};
        options.scenarios.push_back({.name = "medium"});
        options.scenarios[0].plan.phases = {steady_phase(*base::Rate::per_second(1000), 1000)};
        options.rounds = rounds;
        options.clock = &clock;
        options.run = [this](const TargetUrl& target, const SystemOptions& system, const Plan& plan,
                             const TrialOptions& trial_options) -> Result<TrialResult> {
            const std::size_t call = calls.size();
            calls.push_back({target.text, system.seed, plan.workload.seed});
            clock.advance(1s);
            if (trial_options.on_progress) trial_options.on_progress({.phase = "steady"});
            clock.advance(2s);
            if (error && error->first == call) return std::unexpected(error->second);
            TrialResult result;
            result.target = target.text;
            result.phases.push_back({.phase = plan.phases.front()});
            result.phases[0].throughput = 1000;
            result.phases[0].delivery = {.planned = 10, .sent = 10, .handled = 10};
            result.phases[0].usage = {.wall = 1s, .cpu = 10ms, .samples = 3};
            if (target.text != "null:") result.phases[0].usage.cpu = 30ms;
            if (change) change(call, result);
            return result;
        };
        return options;
    }
};

// In any block of four rounds every arm is once in every place and once behind every other arm, so
// neither a place nor a predecessor can favour one.
TEST(ArmOrder, IsBalancedOverFourRounds) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        for (std::uint32_t block = 0; block < 3; ++block) {
            std::map<std::pair<std::size_t, Arm>, int> places;
            std::map<std::pair<Arm, Arm>, int> successions;
            for (std::uint32_t r = 4 * block; r < 4 * block + 4; ++r) {
                const auto order = arm_order(seed, 0, r);
                ASSERT_EQ(order.size(), kArmCount);
                for (std::size_t i = 0; i < kArmCount; ++i) ++places[{i, order[i]}];
                for (std::size_t i = 1; i < kArmCount; ++i) ++successions[{order[i - 1], order[i]}];
            }
            EXPECT_EQ(places.size(), 16u);
            EXPECT_EQ(successions.size(), 12u);
        }
    }
}

// Random: over many seeds the first arm of the first round is each of the four, about evenly. With
// 400 seeds each count has mean 100 and deviation 8.7.
TEST(ArmOrder, IsRandomOverSeeds) {
    std::map<Arm, int> first;
    for (std::uint64_t seed = 0; seed < 400; ++seed) ++first[arm_order(seed, 0, 0).front()];
    ASSERT_EQ(first.size(), 4u);
    for (const auto& [arm, count] : first) EXPECT_NEAR(count, 100, 35) << to_string(arm);
}

// The arms of a round see the same events; another round, seed or scenario sees others.
TEST(RoundSeed, DependsOnAllItsParts) {
    EXPECT_EQ(round_seed(1, 0, 0), round_seed(1, 0, 0));
    const std::set<std::uint64_t> seeds{round_seed(1, 0, 0), round_seed(1, 0, 1),
                                        round_seed(1, 1, 0), round_seed(2, 0, 0)};
    EXPECT_EQ(seeds.size(), 4u);
}

// Every discarded trial of the candidate settles after two seconds: from then on both systems warm
// up for as long in that scenario, and the result says so. Where the rule is off, the plan's half
// second stays.
TEST(RunExperiment, WarmsUpAsLongAsTheSlowerSystemNeeds) {
    for (const bool by_rule : {true, false}) {
        Bench bench;
        bench.change = [](std::size_t, TrialResult& result) {
            auto& phase = result.phases[0];
            phase.clients.push_back({.window_start = 500ms, .window = 5500ms});
            for (int i = 0; i < 60; ++i) {
                const bool settled = result.target != "daemon:" || i >= 20;
                phase.series.push_back(
                    {.handled = 100, .latency_sum = settled ? 100ms + i % 2 * 1ms : 300ms});
            }
        };
        auto options = bench.options("coordinator:", "daemon:", 1);
        options.scenarios[0].plan.phases[0].warmup = 500ms;
        options.scenarios[0].warmup_by_rule = by_rule;
        options.scenarios.push_back(options.scenarios[0]);
        options.scenarios[1].name = "heavy";
        const auto experiment = run_experiment(options);
        ASSERT_TRUE(experiment) << experiment.error().message;
        const Duration expected = by_rule ? 2s : 500ms;
        for (const auto& scenario : experiment->scenarios) {
            EXPECT_EQ(scenario.scenario.plan.phases[0].warmup, expected);
            for (const auto& arm : scenario.rounds[0].arms)
                EXPECT_EQ(arm.phases[0].phase.warmup, expected);
        }
        // Three discarded trials of the first scenario, two more of the second, two rounds.
        EXPECT_EQ(bench.calls.size(), (by_rule ? 5u : 3u) + 8u);
    }
}

// Rounds that are done were measured with a warm-up that was found then; the others get the same,
// or the rounds could not be compared.
TEST(RunExperiment, GoesOnWithTheWarmUpFoundEarlier) {
    Bench bench;
    auto options = bench.options("coordinator:", "daemon:", 2);
    options.scenarios[0].warmup_by_rule = true;
    options.scenarios[0].plan.phases[0].warmup = 1500ms;
    auto first = run_experiment(options);
    ASSERT_TRUE(first);
    first->scenarios[0].rounds.resize(1);
    options.scenarios[0].plan.phases[0].warmup = 500ms;
    options.done = {first->scenarios[0].rounds};
    const auto second = run_experiment(options);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->scenarios[0].rounds[1][Arm::candidate].phases[0].phase.warmup, 1500ms);
}

// One discarded trial of each distinct system, then every arm once a round in the stated order.
TEST(RunExperiment, WarmsUpThenRunsEveryArmOncePerRound) {
    Bench bench;
    const auto experiment = run_experiment(bench.options("coordinator:", "daemon:", 3));
    ASSERT_TRUE(experiment) << experiment.error().message;
    ASSERT_EQ(bench.calls.size(), 3u + 3u * 4u);
    EXPECT_EQ(bench.calls[0].target, "coordinator:");
    EXPECT_EQ(bench.calls[1].target, "daemon:");
    EXPECT_EQ(bench.calls[2].target, "null:");

    const auto& rounds = experiment->scenarios.at(0).rounds;
    ASSERT_EQ(rounds.size(), 3u);
    std::set<std::uint64_t> seeds{bench.calls[0].workload_seed};
    for (std::size_t r = 0; r < 3; ++r) {
        EXPECT_TRUE(rounds[r].valid());
        for (std::size_t i = 0; i < kArmCount; ++i) {
            const auto& call = bench.calls[3 + 4 * r + i];
            EXPECT_EQ(call.target, rounds[r][rounds[r].order[i]].target);
            EXPECT_EQ(call.workload_seed, round_seed(1, 0, static_cast<std::uint32_t>(r)));
            EXPECT_EQ(call.system_seed, call.workload_seed);
            seeds.insert(call.workload_seed);
        }
    }
    EXPECT_EQ(seeds.size(), 4u);  // the warm-up's stream is nobody else's
}

// `compare null: null:` warms up one system, not three.
TEST(RunExperiment, WarmsUpEachDistinctTargetOnce) {
    Bench bench;
    ASSERT_TRUE(run_experiment(bench.options("null:", "null:", 1)));
    EXPECT_EQ(bench.calls.size(), 1u + 4u);
}

// Net cost needs the harness of the same round, wherever in the order it ran: (30 - 10) ms / 10.
TEST(RunExperiment, SubtractsTheHarnessOfTheRound) {
    Bench bench;
    const auto experiment = run_experiment(bench.options("coordinator:", "daemon:", 4));
    ASSERT_TRUE(experiment);
    for (const auto& round : experiment->scenarios[0].rounds) {
        for (const Arm arm : {Arm::baseline, Arm::control, Arm::candidate}) {
            const auto found = std::ranges::find_if(round[arm].metrics, [](const auto& metric) {
                return metric.info->name == "cpu_per_event";
            });
            ASSERT_TRUE(found->value);
            EXPECT_DOUBLE_EQ(*found->value, 2e-3);
        }
    }
}

// The fifth trial is the second arm of the first round. What ran before it is kept, its own partial
// result too, and nothing runs after it.
TEST(RunExperiment, AFailedTargetEndsItWithWhatThereIs) {
    Bench bench;
    bench.change = [](std::size_t call, TrialResult& result) {
        if (call == 4) result.failure = Error{Errc::failed, "was killed by signal 9"};
    };
    const auto experiment = run_experiment(bench.options("coordinator:", "daemon:", 3));
    ASSERT_TRUE(experiment);
    EXPECT_EQ(bench.calls.size(), 5u);
    ASSERT_TRUE(experiment->failure);
    EXPECT_EQ(experiment->failure->message, bench.calls[4].target + ": was killed by signal 9");
    const auto& rounds = experiment->scenarios.at(0).rounds;
    ASSERT_EQ(rounds.size(), 1u);
    EXPECT_FALSE(rounds[0].valid());
    EXPECT_TRUE(rounds[0][rounds[0].order[0]].valid);
    const auto& failed = rounds[0][rounds[0].order[1]];
    EXPECT_TRUE(failed.failure);
    EXPECT_EQ(failed.phases.size(), 1u);
    EXPECT_EQ(rounds[0][rounds[0].order[2]].target, "");
}

// Nothing came up at all: an error, not an empty experiment.
TEST(RunExperiment, AnImpossibleTargetIsAnError) {
    Bench bench;
    bench.error = {1, Error{Errc::not_found, "no such socket"}};
    const auto experiment = run_experiment(bench.options("coordinator:", "daemon:", 3));
    ASSERT_FALSE(experiment);
    EXPECT_EQ(experiment.error().code, Errc::not_found);
    EXPECT_EQ(experiment.error().message, "daemon:: no such socket");
}

// A late injector makes its trial invalid: shown with its check, its round not compared.
TEST(RunExperiment, KeepsAnInvalidTrialMarked) {
    Bench bench;
    bench.change = [](std::size_t call, TrialResult& result) {
        if (call == 5) {
            result.checks.push_back(
                {.name = "schedule_kept", .passed = false, .detail = "lateness p99 12 ms"});
        }
    };
    const auto experiment = run_experiment(bench.options("coordinator:", "daemon:", 2));
    ASSERT_TRUE(experiment);
    EXPECT_FALSE(experiment->failure);
    const auto& rounds = experiment->scenarios[0].rounds;
    ASSERT_EQ(rounds.size(), 2u);
    EXPECT_FALSE(rounds[0].valid());
    EXPECT_EQ(rounds[0][rounds[0].order[2]].checks.at(0).detail, "lateness p99 12 ms");
    EXPECT_TRUE(rounds[1].valid());
}

// Ctrl-C between two trials: no further one starts.
TEST(RunExperiment, StopsWhenAsked) {
    Bench bench;
    std::stop_source stop;
    bench.change = [&stop](std::size_t call, TrialResult&) {
        if (call == 7) stop.request_stop();
    };
    auto options = bench.options("coordinator:", "daemon:", 3);
    options.stop = stop.get_token();
    const auto experiment = run_experiment(options);
    ASSERT_TRUE(experiment);
    EXPECT_TRUE(experiment->interrupted);
    EXPECT_EQ(bench.calls.size(), 8u);
    EXPECT_EQ(experiment->scenarios[0].rounds.size(), 2u);
    EXPECT_TRUE(experiment->scenarios[0].rounds[0].valid());
}

// 7 trials planned at 1 s of load and 1 s of overhead each; every one takes 3 s. Before the first
// ends the plan is all there is: 14 s, less the second that passed. After it: 6 trials of 3 s.
TEST(RunExperiment, LearnsTheTimeLeftFromTheTrials) {
    Bench bench;
    std::vector<ExperimentProgress> seen;
    auto options = bench.options("coordinator:", "daemon:", 1);
    options.on_progress = [&seen](const ExperimentProgress& progress) { seen.push_back(progress); };
    ASSERT_TRUE(run_experiment(options));
    ASSERT_EQ(seen.size(), 14u);
    EXPECT_EQ(seen[0].round, 0u);
    EXPECT_EQ(seen[0].remaining, 14s);
    EXPECT_EQ(seen[1].remaining, 13s);
    EXPECT_EQ(seen[2].remaining, 18s);
    EXPECT_EQ(seen[3].remaining, 17s);
    EXPECT_EQ(seen[6].round, 1u);
    EXPECT_EQ(seen[6].remaining, 12s);
    EXPECT_EQ(seen[13].remaining, 2s);
    EXPECT_EQ(seen[13].elapsed, 19s);
}

// A scenario goes on as long as it wants to and no longer, while another one does; in passes, so
// that a slow change of the machine meets both alike.
TEST(RunExperiment, RunsEachScenarioAsLongAsItWants) {
    Bench bench;
    auto options = bench.options("null:", "null:", 100);
    options.scenarios.push_back(options.scenarios[0]);
    options.scenarios[1].name = "heavy";
    options.needs_more = [](const Experiment& experiment) {
        return std::vector<bool>{experiment.scenarios[0].rounds.size() < 2,
                                 experiment.scenarios[1].rounds.size() < 4};
    };
    std::vector<std::pair<std::size_t, std::uint32_t>> kept;
    options.on_round = [&kept](std::size_t scenario, const Round& round) -> Result<> {
        kept.emplace_back(scenario, round.index);
        return {};
    };
    const auto experiment = run_experiment(options);
    ASSERT_TRUE(experiment);
    EXPECT_FALSE(experiment->out_of_time);
    using Kept = std::vector<std::pair<std::size_t, std::uint32_t>>;
    EXPECT_EQ(kept, (Kept{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {1, 2}, {1, 3}}));
}

// A trial takes 3 s, so that a round takes 12: after the warm-up (3 s) two rounds fit into 30 s.
TEST(RunExperiment, BeginsNoRoundBeyondTheTimeBudget) {
    Bench bench;
    auto options = bench.options("null:", "null:", 100);
    options.time_budget = 30s;
    const auto experiment = run_experiment(options);
    ASSERT_TRUE(experiment);
    EXPECT_EQ(experiment->scenarios[0].rounds.size(), 2u);
    EXPECT_TRUE(experiment->out_of_time);
    EXPECT_EQ(bench.clock.now().time_since_epoch(), 27s);
    // Too short a time for anything is no reason to measure nothing.
    Bench hurried;
    options = hurried.options("null:", "null:", 100);
    options.time_budget = 1s;
    EXPECT_EQ(run_experiment(options)->scenarios[0].rounds.size(), 1u);
}

// Two rounds are there: the third is the next, with its own order and events, as if the first two
// had just been run.
TEST(RunExperiment, GoesOnBehindTheRoundsThatAreDone) {
    Bench whole;
    auto options = whole.options("coordinator:", "daemon:", 4);
    const auto first = run_experiment(options);
    ASSERT_TRUE(first);
    Bench bench;
    options = bench.options("coordinator:", "daemon:", 4);
    options.done = {{first->scenarios[0].rounds[0], first->scenarios[0].rounds[1]}};
    const auto experiment = run_experiment(options);
    ASSERT_TRUE(experiment);
    ASSERT_EQ(experiment->scenarios[0].rounds.size(), 4u);
    EXPECT_EQ(bench.calls.size(), 3u + 2u * 4u);
    for (std::uint32_t r = 0; r < 4; ++r) {
        EXPECT_EQ(experiment->scenarios[0].rounds[r].index, r);
        EXPECT_EQ(experiment->scenarios[0].rounds[r].order, first->scenarios[0].rounds[r].order);
    }
    EXPECT_EQ(bench.calls[3].workload_seed, whole.calls[3 + 8].workload_seed);
    EXPECT_EQ(bench.calls[3].target, whole.calls[3 + 8].target);
}

// Rounds that cannot be kept would be lost at the next interruption.
TEST(RunExperiment, EndsWhenARoundCannotBeKept) {
    Bench bench;
    auto options = bench.options("null:", "null:", 5);
    options.on_round = [](std::size_t, const Round& round) -> Result<> {
        if (round.index < 1) return {};
        return std::unexpected(Error{Errc::io, "No space left on device"});
    };
    const auto experiment = run_experiment(options);
    ASSERT_TRUE(experiment);
    ASSERT_TRUE(experiment->failure);
    EXPECT_EQ(experiment->failure->message, "No space left on device");
    EXPECT_EQ(experiment->scenarios[0].rounds.size(), 2u);
}

// Asking for nothing is a mistake of the caller.
TEST(RunExperiment, RefusesNoRoundsAndNoScenarios) {
    Bench bench;
    EXPECT_EQ(run_experiment(bench.options("a:", "b:", 0)).error().code, Errc::invalid_argument);
    auto options = bench.options("a:", "b:", 1);
    options.scenarios.clear();
    EXPECT_EQ(run_experiment(options).error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace crucible::lab
