#include "lab/scale/limit_search.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crucible/error.h"

namespace crucible::lab::scale {
namespace {

ScalingTrial judged_trial(double load) {
    ScalingTrial trial;
    trial.load = load;
    trial.planned = trial.length = std::chrono::seconds(1);
    return trial;
}

// One start that failed, as while a socket is still in use, is no death.
TEST(LimitSearch, ForgetsAStartThatFailedOnce) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    auto search = LimitSearch::create({.lowest = 100, .highest = 1'000}, slo);
    ASSERT_TRUE(search) << search.error().message;
    EXPECT_TRUE(search->step([](const std::vector<double>& loads, bool) {
        return std::vector{not_started(loads.front(), {Errc::closed, "connection refused"})};
    }));
    EXPECT_EQ(search->result().death, "connection refused");
    EXPECT_TRUE(search->step([](const std::vector<double>& loads, bool) {
        return std::vector{judged_trial(loads[0])};
    }));
    EXPECT_EQ(search->result().death, "");
}

// A metric without a value is not an unsteady system.
TEST(LimitSearch, TellsWhatCouldNotBeJudgedFromWhatWasNotSteady) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    const auto invalid_all_along = [&slo](const std::string& why) {
        auto search = LimitSearch::create({.lowest = 100, .highest = 1'000}, slo);
        while (search->step([&](const std::vector<double>& loads, bool) {
            auto trial = judged_trial(loads.front());
            trial.slo = judge_slo(slo, {}, false);
            trial.invalid = why;
            return std::vector{trial};
        }))
            continue;
        return search->result().point.invalidity;
    };
    EXPECT_EQ(invalid_all_along("latency_p99<10ms not judged: no sample"), Validity::not_judged);
    EXPECT_EQ(invalid_all_along("stationary: the backlog grew by -9 events/s"), Validity::unsteady);
    EXPECT_EQ(invalid_all_along("schedule_kept: 9 ms late"), Validity::injector_late);
    EXPECT_EQ(invalid_all_along("client: client-1 was killed"), Validity::client_failed);
}

// What dies at once has broken as much as what dies at the end of a trial.
TEST(LimitSearch, DecidesOnTargetsThatDieEarly) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    auto search = LimitSearch::create({.lowest = 100, .highest = 10'000}, slo);
    ASSERT_TRUE(search) << search.error().message;
    while (search->step([](const std::vector<double>& loads, bool) {
        auto trial = judged_trial(loads.front());
        if (trial.load < 1'000) return std::vector{trial};
        trial.length = std::chrono::milliseconds(70);
        trial.broken = kBrokenTarget;
        trial.failure = Error{Errc::failed, "it was killed by signal 9"};
        return std::vector{trial};
    }))
        continue;
    const auto found = search->result();
    EXPECT_EQ(found.point.ending, Ending::found);
    ASSERT_TRUE(found.point.lower_bound && found.point.upper_bound);
    EXPECT_LT(*found.point.lower_bound, 1'000);
    EXPECT_GE(*found.point.upper_bound, 1'000);
    EXPECT_LT(*found.point.upper_bound, 1'100);
}

// What needs ten times as long for the events of the SLO is one trial nevertheless: broken by
// chance it is repeated, even where it would end the search.
TEST(LimitSearch, BelievesNoSingleTrialHoweverLongItIs) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    auto search = LimitSearch::create({.lowest = 100, .highest = 10'000}, slo);
    ASSERT_TRUE(search) << search.error().message;
    int steps = 0;
    while (search->step([&steps](const std::vector<double>& loads, bool) {
        std::vector<ScalingTrial> trials;
        for (const double load : loads) {
            trials.push_back(judged_trial(load));
            trials.back().planned = std::chrono::seconds(load < 1'000 ? 10 : 1);
            if (load > 300 || ++steps == 1) trials.back().broken = "latency_p99<10ms";
        }
        return trials;
    }))
        continue;
    const auto found = search->result();
    EXPECT_EQ(found.point.ending, Ending::found);
    ASSERT_TRUE(found.point.lower_bound && found.point.upper_bound);
    EXPECT_NEAR(*found.point.lower_bound, 300, 12);
    EXPECT_NEAR(*found.point.upper_bound, 300, 12);
}

// Dead at a load that it had held, after an overload: the overload may have killed it.
TEST(LimitSearch, BlamesTheOverloadForADeathOnTheWayDown) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    auto search = LimitSearch::create({.lowest = 100, .highest = 10'000}, slo);
    ASSERT_TRUE(search) << search.error().message;
    while (const auto probe = search->next()) {
        if (!search->step([&](const std::vector<double>& loads, bool) {
                std::vector<ScalingTrial> trials;
                for (const double load : loads) {
                    trials.push_back(judged_trial(load));
                    if (load > 1'000) trials.back().broken = "latency_p99<10ms";
                }
                if (trials.size() > 1) {
                    trials.resize(2);
                    trials.back().broken = kBrokenTarget;
                    trials.back().failure = Error{Errc::failed, "it was killed by signal 9"};
                }
                return trials;
            }))
            break;
    }
    const auto found = search->result();
    ASSERT_TRUE(found.died_at && found.point.upper_bound);
    EXPECT_GT(*found.died_at, *found.point.upper_bound);
}

// The reason is of the load that ended the search, not of a trial below it that came later.
TEST(LimitSearch, SaysWhyTrialsWhereItEndedWereNotValid) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    auto search = LimitSearch::create({.lowest = 100, .highest = 10'000}, slo);
    ASSERT_TRUE(search) << search.error().message;
    bool ended = false;
    int below = 0;
    while (search->step([&](const std::vector<double>& loads, bool) {
        auto trial = judged_trial(loads.front());
        if (trial.load > 1'000) {
            trial.invalid = "client: client-1 was killed";
            ended = true;
        } else if (ended && ++below == 1) {
            trial.invalid = "schedule_kept: 9 ms late";
        }
        return std::vector{trial};
    }))
        continue;
    const auto found = search->result();
    ASSERT_GE(below, 1);
    EXPECT_EQ(found.point.ending, Ending::injector_limited);
    EXPECT_EQ(found.invalid, "client: client-1 was killed");
}

// A load that breaks nothing is no overload, and one that cannot be offered is none either.
TEST(LimitSearch, SaysWhyThereWasNoOverload) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    const auto absent = [&slo](const SearchOptions& options, Stage invalid, Stage holds) {
        auto search = LimitSearch::create(options, slo);
        while (const auto probe = search->next()) {
            search->step([&](const std::vector<double>& loads, bool) {
                auto trial = judged_trial(loads.front());
                if (trial.load > 300 && probe->stage != holds) trial.broken = "latency_p99<10ms";
                if (trial.load > 300 && probe->stage == invalid)
                    trial.invalid = "schedule_kept: 9 ms late";
                return std::vector{trial};
            });
        }
        return search->result().hysteresis_absent;
    };
    const SearchOptions options{.lowest = 100, .highest = 1'000};
    EXPECT_EQ(
        absent({.lowest = 299, .highest = 301, .whole_numbers = true}, Stage::soak, Stage::soak),
        "no higher load than the one that breaks is in the range");
    EXPECT_EQ(absent({.lowest = 299, .highest = 1'000}, Stage::soak, Stage::soak),
              "no load is in the range at which the backlog of an overload would be gone in time");
    EXPECT_EQ(absent(options, Stage::refine, Stage::soak),
              "trials above the load that breaks were not valid: schedule_kept: 9 ms late");
    EXPECT_EQ(absent(options, Stage::soak, Stage::overload),
              "the load that was to overload it was held");
}

/// Breaks above 300/s, and dies on the way down of each overload; `second` is what becomes of a
/// later overload.
LimitFound search_with_second_overload(const ScalingTrial& second) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    auto search = LimitSearch::create({.lowest = 100, .highest = 1'000}, slo);
    int overloads = 0;
    while (search->step([&](const std::vector<double>& loads, bool) {
        std::vector<ScalingTrial> trials;
        for (const double load : loads) {
            trials.push_back(judged_trial(load));
            if (load > 300) trials.back().broken = "latency_p99<10ms";
        }
        if (loads.size() > 1 && ++overloads > 1) {
            trials.front() = second;
            trials.front().load = loads.front();
        } else if (loads.size() > 1) {
            trials.resize(2);
            trials.back().broken = kBrokenTarget;
            trials.back().failure = Error{Errc::failed, "it was killed by signal 9"};
        }
        return trials;
    }))
        continue;
    return search->result();
}

// What follows a second overload counts only where that was one, as with the first.
TEST(LimitSearch, GoesDownFromASecondOverloadOnlyIfItBroke) {
    auto broken = judged_trial(400);
    broken.broken = "latency_p99<10ms";
    const auto after_one = search_with_second_overload(broken);
    ASSERT_TRUE(after_one.point.hysteresis) << after_one.hysteresis_absent;
    EXPECT_FALSE(after_one.point.hysteresis->present);
    const auto after_none = search_with_second_overload(judged_trial(400));
    EXPECT_FALSE(after_none.point.hysteresis);
    EXPECT_EQ(after_none.hysteresis_absent, "the load that was to overload it was held");
    EXPECT_EQ(after_none.trials.back().stage, Stage::overload);
}

// Late for the first two trials after the overload of 1 s each, with one of three that count broken
// by chance: it recovered within 2 s. Those in which it may recover decide nothing.
TEST(LimitSearch, TellsWhenItRecovered) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    const auto recovered = [&slo](std::size_t late) {
        auto search = LimitSearch::create({.lowest = 100, .highest = 1'000}, slo);
        while (search->step([&](const std::vector<double>& loads, bool) {
            std::vector<ScalingTrial> trials;
            for (std::size_t i = 0; i < loads.size(); ++i) {
                trials.push_back(judged_trial(loads[i]));
                const bool by_chance = loads.size() > 1 && i + 1 == loads.size();
                if (loads[i] > 300 || (i > 0 && i <= late) || by_chance)
                    trials.back().broken = "latency_p99<10ms";
            }
            return trials;
        }))
            continue;
        return search->result();
    };
    const auto soon = recovered(2);
    ASSERT_TRUE(soon.point.hysteresis);
    EXPECT_FALSE(soon.point.hysteresis->present);
    EXPECT_EQ(soon.recovery_seconds, 2);
    EXPECT_GE(soon.recovery_allowed_seconds.value_or(0), 4);
    const auto never = recovered(SIZE_MAX);
    ASSERT_TRUE(never.point.hysteresis);
    EXPECT_TRUE(never.point.hysteresis->present);
    EXPECT_FALSE(never.recovery_seconds);
    EXPECT_EQ(never.recovery_allowed_seconds, soon.recovery_allowed_seconds);
}

// A way down that the time ends at the first load says so, with what that load was.
TEST(LimitSearch, SaysWhatEndedTheWayDown) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    const auto ended_by = [&slo](const ScalingTrial& last) {
        auto search = LimitSearch::create({.lowest = 100, .highest = 1'000}, slo);
        std::optional<double> first;
        for (;;) {
            const auto probe = search->next();
            if (!probe) break;
            if (probe->stage == Stage::descend && !first) first = probe->load;
            const bool lower = probe->stage == Stage::descend && probe->load < *first;
            if (!search->step([&](const std::vector<double>& loads, bool) {
                    if (lower) return std::vector{last};
                    std::vector<ScalingTrial> trials;
                    for (const double load : loads) {
                        trials.push_back(judged_trial(load));
                        if (load > 300 || probe->stage == Stage::overload)
                            trials.back().broken = "latency_p99<10ms";
                    }
                    return trials;
                }))
                break;
        }
        const auto found = search->result();
        EXPECT_TRUE(found.point.hysteresis && found.point.hysteresis->present);
        EXPECT_FALSE(found.point.hysteresis->recovers_at);
        EXPECT_EQ(found.point.hysteresis->broken_down_to, first);
        return found.hysteresis_absent;
    };
    auto interrupted = judged_trial(100);
    interrupted.interrupted = true;
    EXPECT_EQ(ended_by(interrupted), "the time or the user ended it first");
    EXPECT_EQ(ended_by(not_started(100, {Errc::closed, "connection refused"})),
              "it could not be started again");
}

// Soaks that say nothing say why, and so does the way down.
TEST(LimitSearch, SaysWhyThereIsNoSoakAndNoWayDown) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    auto search =
        LimitSearch::create({.lowest = 100, .highest = 1'000, .invalid_in_row_max = 5}, slo);
    ASSERT_TRUE(search) << search.error().message;
    while (const auto probe = search->next()) {
        ASSERT_TRUE(search->step([&](const std::vector<double>& loads, bool) {
            auto trial = judged_trial(loads.front());
            if (trial.load > 300) trial.broken = "latency_p99<10ms";
            if (probe->stage == Stage::soak) trial.invalid = "schedule_kept: 9 ms late";
            if (probe->stage == Stage::overload) trial.invalid = "schedule_kept: 20 ms late";
            return std::vector{trial};
        }));
    }
    const auto found = search->result();
    EXPECT_EQ(found.soak_absent, "5 trials in a row were not valid: schedule_kept: 9 ms late");
    EXPECT_EQ(found.hysteresis_absent,
              "5 trials in a row were not valid: schedule_kept: 20 ms late");
}

// Off the axis of rates a load that is not a whole number does not exist, and none changes while
// its system runs.
TEST(LimitSearch, CountsLoadsThatAreNoRates) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    auto search = LimitSearch::create({.lowest = 1, .highest = 16}, slo, Axis::clients);
    ASSERT_TRUE(search) << search.error().message;
    while (search->step([](const std::vector<double>& loads, bool) {
        EXPECT_EQ(loads.size(), 1U);
        auto trial = judged_trial(loads.front());
        EXPECT_EQ(trial.load, std::floor(trial.load));
        if (trial.load > 5) trial.broken = "latency_p99<10ms";
        return std::vector{trial};
    }))
        continue;
    const auto found = search->result();
    EXPECT_EQ(found.point.lower_bound, 5);
    EXPECT_EQ(found.point.upper_bound, 6);
    EXPECT_EQ(found.hysteresis_absent,
              "only a rate changes while a system runs; each of these loads has a system of its "
              "own");
    EXPECT_FALSE(found.point.conditional_throughput);  // no trial had one
}

// A rate begins when the system has started: it is no reason why one does not.
TEST(LimitSearch, BlamesNoRateForAStartThatFailed) {
    const auto slo = *Slo::parse("latency_p99<10ms");
    for (const auto axis : {Axis::rate, Axis::clients}) {
        auto search = LimitSearch::create({.lowest = 1, .highest = 16}, slo, axis);
        ASSERT_TRUE(search) << search.error().message;
        while (search->step([](const std::vector<double>& loads, bool) {
            const double load = loads.front();
            return std::vector{load < 9 ? judged_trial(load)
                                        : not_started(load, {Errc::closed, "connection refused"})};
        }))
            continue;
        const auto found = search->result();
        const bool of_rates = axis == Axis::rate;
        EXPECT_EQ(found.point.ending, of_rates ? Ending::running : Ending::injector_limited);
        EXPECT_EQ(found.death, of_rates ? "connection refused" : "");
        if (!of_rates) {
            EXPECT_EQ(found.point.lower_bound, 8);
            EXPECT_EQ(found.point.invalidity, Validity::not_started);
        }
    }
}

}  // namespace
}  // namespace crucible::lab::scale
