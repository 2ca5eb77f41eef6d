#include "lab/scale/search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "search_simulation.h"

namespace crucible::lab::scale {
namespace {

using Answer = std::function<Outcome(const Probe&)>;

/// A search to its end, and the trials that it asked for.
struct Searched {
    BreakingPoint point;
    std::vector<Probe> probes;
};

Searched searched(const SearchOptions& options, const Answer& answer) {
    auto search = BreakingPointSearch::create(options);
    EXPECT_TRUE(search) << search.error().message;
    Searched result;
    while (const auto probe = search->next()) {
        result.probes.push_back(*probe);
        search->add(probe->load, answer(*probe));
        if (result.probes.size() > 1000) {
            ADD_FAILURE() << "the search does not end";
            break;
        }
    }
    result.point = search->result();
    return result;
}

Outcome held() {
    return {};
}
Outcome broken(std::size_t objective = 0) {
    return {.broken = {objective}, .loss_ratio = 0.5};
}

/// Holds up to `knee` and never by chance.
Answer steady(double knee) {
    return [knee](const Probe& probe) { return probe.load > knee ? broken() : held(); };
}

std::vector<Probe> of_stage(const Searched& search, Stage stage) {
    std::vector<Probe> found;
    for (const auto& probe : search.probes) {
        if (probe.stage == stage) found.push_back(probe);
    }
    return found;
}

// A system without noise: 1, 2, 4, … until 128 breaks twice of three times, then the interval, both
// of its bounds confirmed, a soak at 95 % of the lower one, an overload and the way down.
TEST(Search, GoesThroughItsStages) {
    const auto got = searched({.lowest = 1, .highest = 1000}, steady(100));
    EXPECT_EQ(got.point.ending, Ending::found);
    const auto ramp = of_stage(got, Stage::ramp);
    ASSERT_EQ(ramp.size(), 9U);
    EXPECT_EQ(ramp[6].load, 64);
    EXPECT_EQ(ramp[7].load, 128);
    EXPECT_EQ(ramp[8].load, 128);
    ASSERT_TRUE(got.point.estimate && got.point.lower_bound && got.point.upper_bound);
    EXPECT_NEAR(got.point.estimate->estimate, 100, 2);
    EXPECT_LE(*got.point.lower_bound, 100);
    EXPECT_GT(*got.point.upper_bound, 100);
    EXPECT_LT(*got.point.upper_bound / *got.point.lower_bound, 1.06);
    EXPECT_EQ(got.point.conditional_throughput, got.point.lower_bound);
    EXPECT_EQ(got.point.broke_first, 0U);
    const auto soak = of_stage(got, Stage::soak);
    ASSERT_EQ(soak.size(), 1U);
    EXPECT_TRUE(soak[0].long_trial);
    EXPECT_NEAR(soak[0].load, 0.95 * *got.point.lower_bound, 1e-9);
    EXPECT_EQ(got.point.soak_passed, true);
    const auto overload = of_stage(got, Stage::overload);
    ASSERT_EQ(overload.size(), 1U);
    EXPECT_NEAR(overload[0].load, 1.2 * *got.point.upper_bound, 1e-9);
    // What takes no more than the lower bound has worked off one trial of it by then.
    const double spare = *got.point.lower_bound - overload[0].then;
    const double backlog = overload[0].load - *got.point.lower_bound;
    EXPECT_EQ(overload[0].recovery, std::ceil(backlog / spare) + 1);
    EXPECT_EQ(of_stage(got, Stage::descend).front().recovery, overload[0].recovery);
    EXPECT_TRUE(of_stage(got, Stage::descend).front().continues);
    ASSERT_TRUE(got.point.hysteresis);
    EXPECT_FALSE(got.point.hysteresis->present);
    EXPECT_LE(got.point.trials, 40U);
    EXPECT_EQ(got.point.trials + got.point.other_trials, got.probes.size());
}

// Broken at once: that is said, and nothing is searched.
TEST(Search, SaysThatTheLowestLoadBreaks) {
    const auto got = searched({.lowest = 10, .highest = 1000}, steady(5));
    EXPECT_EQ(got.point.ending, Ending::below_lowest);
    EXPECT_EQ(got.probes.size(), 4U);
    EXPECT_FALSE(got.point.estimate);
    EXPECT_FALSE(got.point.lower_bound);
    EXPECT_EQ(got.point.upper_bound, 10);
    EXPECT_EQ(got.point.broke_first, 0U);
}

// One trial broken by chance at the lowest load is repeated, not believed.
TEST(Search, OneBrokenTrialIsNoUpperBound) {
    int trials = 0;
    const auto got = searched({.lowest = 10, .highest = 1000}, [&](const Probe& probe) {
        return ++trials == 1 ? broken() : steady(100)(probe);
    });
    EXPECT_EQ(got.point.ending, Ending::found);
    EXPECT_EQ(got.point.estimate->interval.low <= 100, true);
    EXPECT_GE(got.point.estimate->interval.high, 99);
}

// A range that ends below the breaking point gives a lower bound and no estimate.
TEST(Search, SaysThatTheHighestLoadHolds) {
    const auto got = searched({.lowest = 10, .highest = 1000}, steady(5000));
    EXPECT_EQ(got.point.ending, Ending::above_highest);
    EXPECT_EQ(got.point.lower_bound, 1000);
    EXPECT_FALSE(got.point.upper_bound);
    EXPECT_FALSE(got.point.estimate);
    EXPECT_FALSE(got.point.broke_first);
    EXPECT_EQ(got.probes.back().load, 1000);
}

/// Holds up to `knee`, but at 1,000 the first three trials are broken, held and held.
Answer undecided_at_first(double knee) {
    return [knee, there = 0](const Probe& probe) mutable {
        if (probe.load < 1000 || ++there > 3) return steady(knee)(probe);
        return there == 1 ? broken() : held();
    };
}

// Two of three trials held at the highest load, by chance: the next ones there break it.
TEST(Search, BelievesNoMajorityOfThreeAtTheHighestLoad) {
    const auto got = searched({.lowest = 10, .highest = 1000}, undecided_at_first(900));
    EXPECT_EQ(got.point.ending, Ending::found);
    ASSERT_TRUE(got.point.estimate && got.point.lower_bound && got.point.upper_bound);
    EXPECT_NEAR(got.point.estimate->estimate, 900, 20);
}

// One of them broke by chance: a few more decide it, where trials are left for them.
TEST(Search, SaysThatTheHighestLoadHoldsInSpiteOfChance) {
    for (const std::uint32_t trials_max : {40, 11}) {
        const auto got = searched({.lowest = 10, .highest = 1000, .trials_max = trials_max},
                                  undecided_at_first(5000));
        EXPECT_EQ(got.point.ending, Ending::above_highest);
        EXPECT_EQ(got.point.lower_bound, 1000);
        if (trials_max == 11) {
            EXPECT_EQ(got.probes.size(), 10U);
        } else {
            EXPECT_GT(got.probes.size(), 10U);
            EXPECT_LE(got.probes.size(), 15U);
        }
    }
}

// From 300 up the injector is late. That is its limit and no break: the search says so, with the
// highest load that was held, classified.
TEST(Search, TellsTheInjectorsLimitFromTheSystems) {
    Simulation simulation({.noise = 0, .spurious = 0, .injector_limit = 300}, 1);
    const auto got = searched({.lowest = 10, .highest = 10'000},
                              [&](const Probe& probe) { return simulation.run(probe); });
    EXPECT_EQ(got.point.ending, Ending::injector_limited);
    EXPECT_EQ(got.point.invalidity, Validity::injector_late);
    EXPECT_EQ(got.point.invalid_load, 320);
    EXPECT_EQ(got.point.invalid_trials, 3U);
    EXPECT_EQ(got.point.lower_bound, 160);
    EXPECT_FALSE(got.point.upper_bound);
    EXPECT_FALSE(got.point.broke_first);
}

// Late from the first load on: nothing is known of the system.
TEST(Search, AnInjectorThatIsAlwaysLateEndsIt) {
    const auto got = searched({.lowest = 10, .highest = 1000}, [](const Probe&) {
        return Outcome{.validity = Validity::offered_mismatch};
    });
    EXPECT_EQ(got.point.ending, Ending::injector_limited);
    EXPECT_EQ(got.point.invalidity, Validity::offered_mismatch);
    EXPECT_EQ(got.point.trials, 0U);
    EXPECT_EQ(got.point.invalid_trials, 3U);
    EXPECT_FALSE(got.point.lower_bound);
}

// An invalid trial now and then is repeated at its load and counts for nothing.
TEST(Search, RepeatsAnInvalidTrial) {
    int trials = 0;
    const auto with = searched({.lowest = 1, .highest = 1000}, [&](const Probe& probe) {
        return ++trials % 4 == 0 ? Outcome{.validity = Validity::unsteady} : steady(100)(probe);
    });
    const auto without = searched({.lowest = 1, .highest = 1000}, steady(100));
    EXPECT_EQ(with.point.ending, Ending::found);
    EXPECT_EQ(with.point.estimate->estimate, without.point.estimate->estimate);
    EXPECT_EQ(with.point.trials, without.point.trials);
    EXPECT_EQ(with.point.invalid_trials, with.probes.size() - without.probes.size());
}

// Short trials hold up to 1,000, long ones only up to 700: the soak finds out, the search is
// reopened with long trials, and what it reports then holds for long.
TEST(Search, AFailedSoakReopensTheSearch) {
    int held_well = 0;
    constexpr int kSearches = 20;
    for (int seed = 1; seed <= kSearches; ++seed) {
        const auto point =
            search_simulated({.noise = 0.005, .spurious = 0, .long_knee = 700},
                             {.lowest = 10, .highest = 10'000}, static_cast<std::uint64_t>(seed));
        EXPECT_EQ(point.reopened, 1U);
        ASSERT_TRUE(point.lower_bound && point.estimate);
        EXPECT_LT(*point.lower_bound, 715);
        EXPECT_LE(point.estimate->interval.low, 710);
        EXPECT_GE(point.estimate->interval.high, 690);
        held_well += point.soak_passed == true && *point.lower_bound > 650 ? 1 : 0;
    }
    EXPECT_GE(held_well, 19);
}

// Nothing but the soaks breaks, the second one after trials of its own length: the search ends on
// that, with its load. One trial is neither an upper bound nor without effect: what long trials
// have held and broken twice stays, and the interval is wider.
TEST(Search, EndsOnASoakThatFailsAgain) {
    const auto answer = [](bool soaks_hold) {
        return [soaks_hold, soaks = 0](const Probe& probe) mutable {
            const bool breaks = probe.stage == Stage::soak && (++soaks == 1 || !soaks_hold);
            auto outcome = breaks ? broken() : steady(probe.long_trial ? 700 : 1'000)(probe);
            outcome.duration = probe.long_trial ? 10 : 1;
            return outcome;
        };
    };
    const SearchOptions options{.lowest = 10, .highest = 10'000};
    const auto failed = searched(options, answer(false)).point;
    const auto passed = searched(options, answer(true)).point;
    EXPECT_EQ(failed.ending, Ending::soak_failed);
    EXPECT_EQ(failed.reopened, 1U);
    EXPECT_EQ(failed.soak_passed, false);
    ASSERT_TRUE(failed.lower_bound && failed.upper_bound && failed.soak_load && failed.estimate);
    EXPECT_NEAR(*failed.soak_load, 0.95 * *failed.lower_bound, 1e-9);
    EXPECT_EQ(failed.lower_bound, passed.lower_bound);
    EXPECT_EQ(failed.upper_bound, passed.upper_bound);
    EXPECT_GT(*failed.lower_bound, 640);
    EXPECT_LE(*failed.lower_bound, 700);
    EXPECT_GT(*failed.upper_bound, 700);
    EXPECT_LT(*failed.upper_bound, 730);
    EXPECT_EQ(passed.ending, Ending::found);
    EXPECT_EQ(passed.soak_passed, true);
    EXPECT_LT(failed.estimate->interval.low, passed.estimate->interval.low);
}

// Soaks and ways down that are never valid leave a trace, and no answer. Where neither end of the
// interval can be confirmed the search ends, too.
TEST(Search, SaysWhichStagesWereNeverValid) {
    const auto invalid_from = [](Stage stage) {
        return searched({.lowest = 1, .highest = 1000},
                        [stage](const Probe& probe) {
                            if (probe.stage == stage)
                                return Outcome{.validity = Validity::injector_late};
                            return steady(100)(probe);
                        })
            .point;
    };
    const auto confirm = invalid_from(Stage::confirm);
    EXPECT_EQ(confirm.ending, Ending::injector_limited);
    EXPECT_EQ(confirm.invalidity, Validity::injector_late);
    EXPECT_TRUE(confirm.estimate);
    const auto soak = invalid_from(Stage::soak);
    EXPECT_TRUE(soak.soak_invalid);
    EXPECT_FALSE(soak.soak_passed);
    EXPECT_FALSE(soak.descent_invalid);
    EXPECT_EQ(soak.ending, Ending::found);
    for (const auto stage : {Stage::overload, Stage::descend}) {
        const auto descent = invalid_from(stage);
        EXPECT_TRUE(descent.descent_invalid);
        EXPECT_FALSE(descent.hysteresis);
        EXPECT_FALSE(descent.soak_invalid);
    }
}

// The interval's low end itself is never valid: the highest load below it that was tried is the
// lower bound instead.
TEST(Search, GoesBelowALowEndThatIsNeverValid) {
    std::optional<double> low_end;
    const auto got = searched({.lowest = 1, .highest = 1000}, [&](const Probe& probe) {
        if (probe.stage == Stage::confirm && !low_end) low_end = probe.load;
        if (probe.load == low_end) return Outcome{.validity = Validity::injector_late};
        return steady(100)(probe);
    });
    ASSERT_TRUE(low_end && got.point.lower_bound);
    EXPECT_EQ(got.point.invalid_trials, 3U);
    EXPECT_LT(*got.point.lower_bound, *low_end);
    EXPECT_GT(*got.point.lower_bound, 0.9 * *low_end);
}

// A system that, once overloaded, holds no more than 400 of its 1,000 until it is restarted.
TEST(Search, FindsHysteresisOnTheWayDown) {
    const auto got = search_simulated({.noise = 0.005, .spurious = 0, .knee_after_overload = 400},
                                      {.lowest = 10, .highest = 10'000}, 1);
    ASSERT_TRUE(got.hysteresis);
    EXPECT_TRUE(got.hysteresis->present);
    ASSERT_TRUE(got.hysteresis->recovers_at);
    EXPECT_LT(*got.hysteresis->recovers_at, 400);
    EXPECT_GT(*got.hysteresis->recovers_at, 280);
    const auto never = search_simulated({.noise = 0.005, .spurious = 0, .knee_after_overload = 1},
                                        {.lowest = 10, .highest = 10'000}, 1);
    ASSERT_TRUE(never.hysteresis);
    EXPECT_TRUE(never.hysteresis->present);
    EXPECT_FALSE(never.hysteresis->recovers_at);
    // Four loads apart by the root of two: lower than that nothing is known.
    ASSERT_TRUE(never.lower_bound && never.hysteresis->broken_down_to);
    EXPECT_NEAR(*never.hysteresis->broken_down_to, 0.95 * *never.lower_bound / std::pow(2, 1.5),
                1e-6);
    EXPECT_GT(*got.hysteresis->broken_down_to, 400);
}

// With bounds far apart, and more so with one load that is held by chance, the backlog of the
// overload could take a hundred trials: the way down begins where it takes no more than allowed.
TEST(Search, BeginsTheWayDownWhereTheBacklogEnds) {
    const SearchOptions options{.lowest = 1, .highest = 1000, .soak_share = 0.999};
    const auto got = searched(options, steady(100));
    const auto overload = of_stage(got, Stage::overload);
    ASSERT_EQ(overload.size(), 1U);
    const double lower = *got.point.lower_bound;
    EXPECT_NEAR(overload[0].then, lower - (overload[0].load - lower) / options.recovery_max, 1e-9);
    EXPECT_EQ(overload[0].recovery, options.recovery_max + 1);
}

// Between the lowest load and the lower bound nothing is spare to work a backlog off with: judged
// there, any queue would have hysteresis.
TEST(Search, GoesDownToNoLoadAtWhichABacklogStays) {
    for (const double lowest : {90.0, 99.5, 99.9}) {
        const auto got = searched({.lowest = lowest, .highest = 1000}, steady(100));
        ASSERT_TRUE(got.point.lower_bound && got.point.upper_bound);
        const auto overload = of_stage(got, Stage::overload);
        const bool low_enough = lowest < 98;
        EXPECT_EQ(got.point.hysteresis.has_value(), low_enough) << lowest;
        EXPECT_EQ(overload.size(), low_enough ? 1U : 0U) << lowest;
        EXPECT_EQ(got.point.no_overload, low_enough ? NoOverload::none : NoOverload::range_begins)
            << lowest;
        EXPECT_EQ(got.point.ending, Ending::found);
    }
}

// A second overload that was held is none: what came before it still stands.
TEST(Search, EndsTheWayDownWhereALaterOverloadIsHeld) {
    const auto got =
        searched({.lowest = 1, .highest = 1000}, [first = 0.0](const Probe& probe) mutable {
            if (probe.stage != Stage::descend) return steady(100)(probe);
            if (first == 0) first = probe.load;
            Outcome outcome;
            if (probe.load == first) {
                outcome.broken = {0};
            } else {
                outcome.overload_held = true;
            }
            return outcome;
        });
    EXPECT_EQ(got.point.no_overload, NoOverload::held);
    ASSERT_TRUE(got.point.hysteresis);
    EXPECT_TRUE(got.point.hysteresis->present);
    EXPECT_FALSE(got.point.hysteresis->recovers_at);
}

// What does not break it is no overload: nothing is said of what the system holds after one.
TEST(Search, GoesDownFromNothingThatHolds) {
    const auto range_ends =
        searched({.lowest = 1, .highest = 13, .whole_numbers = true}, steady(12));
    EXPECT_EQ(range_ends.point.upper_bound, 13);
    EXPECT_EQ(range_ends.point.no_overload, NoOverload::range_ends);
    // After the ramp nothing above the breaking point can be offered any more.
    const auto invalid = searched({.lowest = 1, .highest = 1000}, [](const Probe& probe) {
        if (probe.stage != Stage::ramp && probe.load > 100)
            return Outcome{.validity = Validity::injector_late};
        return steady(100)(probe);
    });
    EXPECT_EQ(invalid.point.upper_bound, 128);
    EXPECT_EQ(invalid.point.no_overload, NoOverload::invalid);
    for (const auto& got : {range_ends, invalid}) {
        EXPECT_TRUE(of_stage(got, Stage::overload).empty());
        EXPECT_FALSE(got.point.hysteresis);
    }
    const auto held_one = searched({.lowest = 1, .highest = 1000}, [](const Probe& probe) {
        return probe.stage == Stage::overload ? held() : steady(100)(probe);
    });
    EXPECT_EQ(of_stage(held_one, Stage::overload).size(), 1U);
    EXPECT_TRUE(of_stage(held_one, Stage::descend).empty());
    EXPECT_EQ(held_one.point.no_overload, NoOverload::held);
    EXPECT_FALSE(held_one.point.hysteresis);
}

// Objective 1 breaks from 90 on, objective 0 only from 500 on: 1 broke first, though at the ramp's
// upper bound both do.
TEST(Search, NamesTheObjectiveThatBrokeFirst) {
    const auto got =
        searched({.lowest = 1, .highest = 10'000, .ramp_factor = 8}, [](const Probe& probe) {
            Outcome outcome;
            if (probe.load > 500) outcome.broken.push_back(0);
            if (probe.load > 90) outcome.broken.push_back(1);
            return outcome;
        });
    EXPECT_EQ(got.point.broke_first, 1U);
}

// Loads that are counted: 12 clients hold, 13 do not, and nothing in between is tried.
TEST(Search, CountsWholeNumbers) {
    const auto got = searched({.lowest = 1, .highest = 64, .whole_numbers = true}, steady(12));
    EXPECT_EQ(got.point.ending, Ending::found);
    EXPECT_EQ(got.point.lower_bound, 12);
    EXPECT_EQ(got.point.upper_bound, 13);
    for (const auto& probe : got.probes) EXPECT_EQ(probe.load, std::floor(probe.load));
    EXPECT_GT(got.point.estimate->estimate, 12);
    EXPECT_LT(got.point.estimate->estimate, 13);
    EXPECT_EQ(got.point.estimate->interval, (stats::Interval{12, 13}));
}

// Where every other trial at a whole number breaks that is the breaking point: no more trials bring
// its interval to one side.
TEST(Search, EndsOnAWholeNumberThatBreaksEveryOtherTime) {
    int at_four = 0;
    const auto got = searched({.lowest = 1, .highest = 16, .whole_numbers = true, .soaks = false},
                              [&at_four](const Probe& probe) {
                                  if (probe.load == 4) return ++at_four % 2 ? broken() : held();
                                  return steady(4)(probe);
                              });
    EXPECT_EQ(got.point.ending, Ending::found);
    EXPECT_LE(got.point.estimate->interval.low, 4);
    EXPECT_GE(got.point.estimate->interval.high, 4);
    EXPECT_LE(*got.point.upper_bound - *got.point.lower_bound, 2);
    EXPECT_LE(got.point.trials, 30U);
}

// What is done at a load that is no rate is not a share of it: told is what most of the time at the
// lower bound had, not the best.
TEST(Search, TellsWhatIsDoneAtTheLowerBound) {
    int held_at_twelve = 0;
    const auto got = searched({.lowest = 1, .highest = 64, .whole_numbers = true, .soaks = false},
                              [&held_at_twelve](const Probe& probe) {
                                  auto outcome = steady(12)(probe);
                                  const bool first = probe.load == 12 && ++held_at_twelve == 1;
                                  outcome.throughput = first ? 900 : 500 + probe.load;
                                  return outcome;
                              });
    EXPECT_EQ(got.point.lower_bound, 12);
    ASSERT_GE(held_at_twelve, 2);
    EXPECT_NEAR(got.point.conditional_throughput.value_or(0), 512, 1e-9);
}

// With a narrower interval than the trials allow for, what there is is given and called that.
TEST(Search, EndsWithItsTrials) {
    SearchOptions options{.lowest = 10, .highest = 10'000, .precision = 0.001, .trials_max = 20};
    const auto got = search_simulated({}, options, 7);
    EXPECT_EQ(got.ending, Ending::trials_spent);
    EXPECT_EQ(got.trials, 20U);
    EXPECT_TRUE(got.estimate);
    // Not even the ramp comes to an end.
    options.highest = 1e9;
    options.trials_max = 10;
    const auto ramp = searched(options, steady(1e8));
    EXPECT_EQ(ramp.point.ending, Ending::trials_spent);
    EXPECT_FALSE(ramp.point.estimate);
}

// A bad option is named, with its value and what is allowed.
TEST(Search, NamesWhatAnOptionMayNotBe) {
    const auto message = [](const SearchOptions& options) {
        const auto search = BreakingPointSearch::create(options);
        return search ? std::string("none") : search.error().message;
    };
    EXPECT_EQ(message({.lowest = 0}),
              "breaking-point search: the lowest load is 0; allowed: above 0");
    EXPECT_EQ(message({.lowest = 5, .highest = 5}),
              "breaking-point search: the highest load is 5; allowed: above the lowest, 5");
    EXPECT_EQ(message({.lowest = 1.5, .highest = 2.5, .whole_numbers = true}),
              "breaking-point search: the highest load is 2.5; allowed: a whole number above the "
              "lowest, 1.5");
    EXPECT_EQ(message({.precision = 0}),
              "breaking-point search: the precision is 0; allowed: 0.001 to 0.5");
    EXPECT_EQ(message({.trials_max = 5}),
              "breaking-point search: the number of trials is 5; allowed: 10 to 10000");
    EXPECT_EQ(message({.ramp_factor = std::nan("")}),
              "breaking-point search: the ramp's factor is nan; allowed: above 1, at most 10");
}

}  // namespace
}  // namespace crucible::lab::scale
