#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <utility>

#include "lab/compare/comparison.h"
#include "lab/compare/simulated_experiment.h"

namespace crucible::lab {
namespace {

/// What must become of a comparison in which something went wrong.
enum class Fate : std::uint8_t { caution, withheld, voided };

struct Defect {
    std::string name;
    std::string check;  ///< that must name it
    Fate fate = Fate::caution;
    std::function<void(Experiment&)> plant;
};

void PrintTo(const Defect& defect, std::ostream* out) {
    *out << defect.name;
}

std::vector<Round>& rounds_of(Experiment& experiment) {
    return experiment.scenarios[0].rounds;
}

void scale(ArmResult& arm, std::string_view name, double factor) {
    for (auto& metric : arm.metrics)
        if (metric.info->name == name && metric.value) *metric.value *= factor;
}

void scale_gated(ArmResult& arm, double factor) {
    for (auto& metric : arm.metrics)
        if (metric.info->gated && metric.value) *metric.value *= factor;
}

constexpr Arm kSystems[] = {Arm::baseline, Arm::control, Arm::candidate};

/// Every trial of every system, with its round.
void each(Experiment& experiment,
          const std::function<void(ArmResult&, double round, Arm)>& change) {
    for (auto& round : rounds_of(experiment))
        for (const Arm arm : kSystems) change(round[arm], round.index, arm);
}

void each_of(Experiment& experiment, Arm which, const std::function<void(ArmResult&)>& change) {
    for (auto& round : rounds_of(experiment)) change(round[which]);
}

void fail(ArmResult& arm, std::string name, bool invalidates) {
    arm.checks.push_back({.name = std::move(name), .passed = false, .detail = "planted"});
    if (invalidates) arm.valid = false;
}

/// Scales what a stretch of every trial's course shows, as a share of its length.
void scale_course(ArmResult& arm, double from, double to, double handled, double latency) {
    for (auto& phase : arm.phases) {
        for (std::size_t i = 0; i < phase.series.size(); ++i) {
            const double at = (static_cast<double>(i) - 5) / 20;  // the warm-up is 5 points
            if (at < from || at >= to) continue;
            auto& point = phase.series[i];
            point.handled =
                static_cast<std::uint64_t>(static_cast<double>(point.handled) * handled);
            point.latency_sum = Duration(static_cast<std::int64_t>(
                static_cast<double>(point.latency_sum.count()) * handled * latency));
        }
    }
}

const std::vector<Defect>& defects() {
    static const std::vector<Defect> all{
        {"the machine slows down all along", "no_drift", Fate::caution,
         [](Experiment& e) {
             each(e, [](ArmResult& arm, double r, Arm) {
                 scale(arm, "throughput", std::exp(-r / 100));
             });
         }},
        {"the machine speeds up in the middle", "no_drift", Fate::caution,
         [](Experiment& e) {
             each(e, [](ArmResult& arm, double r, Arm) {
                 if (r >= 6) scale_gated(arm, 1.2);
             });
         }},
        {"the candidate gets slower from round to round", "same_effect", Fate::withheld,
         [](Experiment& e) {
             for (auto& round : rounds_of(e))
                 scale(round[Arm::candidate], "throughput", std::exp(-0.02 * round.index));
         }},
        {"a warm-up left in: throughput", "warmup_over", Fate::caution,
         [](Experiment& e) {
             each(e, [](ArmResult& arm, double, Arm) { scale_course(arm, 0, 0.25, 0.5, 1); });
         }},
        {"a warm-up left in: the candidate's latency", "warmup_over", Fate::caution,
         [](Experiment& e) {
             each_of(e, Arm::candidate, [](ArmResult& arm) { scale_course(arm, 0, 0.2, 1, 3); });
         }},
        {"a trial that slows down while it runs", "steady", Fate::caution,
         [](Experiment& e) {
             each(e, [](ArmResult& arm, double, Arm) { scale_course(arm, 0.6, 1, 1, 1.5); });
         }},
        {"events lost by the candidate", "no_losses", Fate::caution,
         [](Experiment& e) {
             each_of(e, Arm::candidate, [](ArmResult& arm) { fail(arm, "no_losses", false); });
         }},
        {"events lost by the baseline alone, once", "no_losses", Fate::caution,
         [](Experiment& e) { fail(rounds_of(e)[4][Arm::baseline], "no_losses", false); }},
        {"events handled twice", "no_duplicates", Fate::caution,
         [](Experiment& e) { fail(rounds_of(e)[2][Arm::candidate], "no_duplicates", false); }},
        {"the books do not balance", "conservation", Fate::caution,
         [](Experiment& e) { fail(rounds_of(e)[3][Arm::control], "conservation", true); }},
        {"a round is not valid", "rounds_valid", Fate::caution,
         [](Experiment& e) { fail(rounds_of(e)[3][Arm::harness], "schedule_kept", true); }},
        {"the wall clock steps", "clock_steady", Fate::caution,
         [](Experiment& e) { fail(rounds_of(e)[5][Arm::baseline], "clock_steady", false); }},
        {"a duration below zero", "clock_sanity", Fate::caution,
         [](Experiment& e) { fail(rounds_of(e)[5][Arm::candidate], "clock_sanity", true); }},
        {"a stalled injector", "schedule_kept", Fate::caution,
         [](Experiment& e) { fail(rounds_of(e)[1][Arm::candidate], "schedule_kept", true); }},
        {"a stalled injector in most rounds", "rounds_enough", Fate::withheld,
         [](Experiment& e) {
             for (std::size_t r = 0; r < 11; ++r)
                 fail(rounds_of(e)[r][Arm::candidate], "schedule_kept", true);
         }},
        {"less load offered than planned", "offered_as_planned", Fate::caution,
         [](Experiment& e) { fail(rounds_of(e)[1][Arm::candidate], "offered_as_planned", false); }},
        {"a neighbour's load beside the candidate", "neighbours_alike", Fate::voided,
         [](Experiment& e) {
             each_of(e, Arm::candidate,
                     [](ArmResult& arm) { *arm.surroundings.other_cores += 0.4; });
         }},
        {"a neighbour's load beside the baseline", "neighbours_alike", Fate::voided,
         [](Experiment& e) {
             each_of(e, Arm::baseline,
                     [](ArmResult& arm) { *arm.surroundings.other_cores += 0.5; });
             each_of(e, Arm::control, [](ArmResult& arm) { *arm.surroundings.other_cores += 0.5; });
         }},
        {"the hypervisor takes from the candidate", "neighbours_quiet", Fate::caution,
         [](Experiment& e) {
             each_of(e, Arm::candidate,
                     [](ArmResult& arm) { arm.surroundings.stolen_cores = 0.3; });
         }},
        {"a compiler beside everything", "neighbours_quiet", Fate::caution,
         [](Experiment& e) {
             each(e, [](ArmResult& arm, double, Arm) { *arm.surroundings.other_cores += 0.8; });
         }},
        {"a round of another host", "one_machine", Fate::voided,
         [](Experiment& e) { rounds_of(e)[7].machine = "another machine"; }},
        {"a changed scenario from some round on", "same_work", Fate::voided,
         [](Experiment& e) {
             for (auto& round : rounds_of(e)) {
                 if (round.index < 6) continue;
                 for (const Arm arm : kSystems)
                     round[arm].phases[0].phase = steady_phase(*base::Rate::per_second(2000), 4000);
             }
         }},
        {"a changed rate for the candidate", "same_work", Fate::voided,
         [](Experiment& e) {
             each_of(e, Arm::candidate, [](ArmResult& arm) {
                 arm.phases[0].phase = steady_phase(*base::Rate::per_second(900), 2000);
             });
         }},
        {"fewer events for the candidate", "same_work", Fate::voided,
         [](Experiment& e) {
             each_of(e, Arm::candidate, [](ArmResult& arm) {
                 arm.phases[0].delivery.planned = arm.phases[0].delivery.sent = 1900;
             });
         }},
        {"smaller payloads for the candidate", "same_work", Fate::voided,
         [](Experiment& e) {
             each_of(e, Arm::candidate,
                     [](ArmResult& arm) { arm.phases[0].clients[0].payload_bytes /= 2; });
         }},
        {"more clients for the candidate", "same_work", Fate::voided,
         [](Experiment& e) {
             each_of(e, Arm::candidate, [](ArmResult& arm) {
                 arm.phases[1].clients.push_back(arm.phases[1].clients[0]);
             });
         }},
        {"a round counted twice", "rounds_distinct", Fate::voided,
         [](Experiment& e) {
             auto again = rounds_of(e)[4];
             again.index = static_cast<std::uint32_t>(rounds_of(e).size());
             rounds_of(e).push_back(std::move(again));
         }},
        {"a trial copied over another", "rounds_distinct", Fate::voided,
         [](Experiment& e) { rounds_of(e)[2][Arm::candidate] = rounds_of(e)[9][Arm::candidate]; }},
        {"a round left out", "rounds_distinct", Fate::voided,
         [](Experiment& e) { rounds_of(e).erase(rounds_of(e).begin() + 3); }},
        {"always the same order", "orders_balanced", Fate::voided,
         [](Experiment& e) {
             for (auto& round : rounds_of(e))
                 round.order = {Arm::baseline, Arm::control, Arm::candidate, Arm::harness};
         }},
        {"an arm run twice in place of another", "orders_balanced", Fate::voided,
         [](Experiment& e) {
             rounds_of(e)[2].order = {Arm::baseline, Arm::baseline, Arm::candidate, Arm::harness};
         }},
        {"a control of another system", "same_targets", Fate::voided,
         [](Experiment& e) {
             each_of(e, Arm::control, [](ArmResult& arm) { arm.target = "c:"; });
         }},
        {"a candidate that is another from some round on", "same_targets", Fate::voided,
         [](Experiment& e) { rounds_of(e)[8][Arm::candidate].target = "a:"; }},
        {"copies of the baseline that differ", "control_equal", Fate::voided,
         [](Experiment& e) {
             each_of(e, Arm::control, [](ArmResult& arm) { scale(arm, "latency_p99", 1.2); });
         }},
        {"a saturated candidate, in some rounds", "not_saturated", Fate::caution,
         [](Experiment& e) { fail(rounds_of(e)[3][Arm::candidate], "not_saturated", false); }},
        {"answers that are none", "answers_as_expected", Fate::caution,
         [](Experiment& e) {
             fail(rounds_of(e)[6][Arm::candidate], "answers_as_expected", false);
         }},
        {"wrong events that were taken", "faults_as_expected", Fate::caution,
         [](Experiment& e) { fail(rounds_of(e)[6][Arm::candidate], "faults_as_expected", false); }},
        {"counts and times that contradict each other", "littles_law", Fate::caution,
         [](Experiment& e) { fail(rounds_of(e)[6][Arm::baseline], "littles_law", false); }},
    };
    return all;
}

class PlantedDefect : public testing::TestWithParam<Defect> {};

Experiment sound() {
    return Simulation{.rounds = 16, .candidate = {{"throughput", 1.3}}}.experiment();
}

bool names(const std::vector<std::string>& lines, const std::string& check) {
    return std::ranges::any_of(lines, [&](const std::string& line) {
        return line.find("medium: " + check + ": ") != std::string::npos;
    });
}

// Without a defect the same comparison is a plain "adopt": all checks pass, nothing to be cautious
// about. Else the cases below would show nothing.
TEST(PlantedDefects, NoneIsAPlainVerdict) {
    const auto comparison = compare(sound(), {});
    EXPECT_EQ(comparison.verdict, OverallVerdict::adopt);
    EXPECT_THAT(comparison.cautions, testing::IsEmpty());
    EXPECT_FALSE(comparison.voided);
    for (const auto& check : comparison.scenarios[0].checks)
        EXPECT_TRUE(check.passed) << check.name << ": " << check.detail;
}

// Whatever goes wrong in a measurement, the check meant for it says so by its name, and the verdict
// is not a plain one.
TEST_P(PlantedDefect, IsNamedByItsCheck) {
    const auto& defect = GetParam();
    auto experiment = sound();
    defect.plant(experiment);
    const auto comparison = compare(experiment, {});
    const auto& scenario = comparison.scenarios[0];
    const auto check = std::ranges::find(scenario.checks, defect.check, &Check::name);
    ASSERT_NE(check, scenario.checks.end());
    EXPECT_FALSE(check->passed) << check->detail;
    EXPECT_EQ(comparison.voided, defect.fate == Fate::voided);
    if (defect.fate == Fate::voided) {
        EXPECT_TRUE(names(comparison.reasons, defect.check))
            << testing::PrintToString(comparison.reasons);
        EXPECT_EQ(comparison.verdict, OverallVerdict::not_proven);
        EXPECT_THAT(comparison.assessment.recommendations, testing::IsEmpty());
        return;
    }
    EXPECT_TRUE(names(comparison.cautions, defect.check))
        << testing::PrintToString(comparison.cautions);
    if (defect.fate == Fate::withheld) {
        EXPECT_EQ(comparison.verdict, OverallVerdict::not_proven);
    }
}

INSTANTIATE_TEST_SUITE_P(All, PlantedDefect, testing::ValuesIn(defects()), [](const auto& of) {
    std::string name = of.param.check + "_";
    for (const char c : of.param.name)
        name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
    return name;
});

// What a failed check withholds may be the very metric that speaks against the candidate: nothing
// is adopted over it.
TEST(PlantedDefects, NothingIsAdoptedOverAWithheldMetric) {
    auto experiment = sound();
    for (auto& round : rounds_of(experiment))
        scale(round[Arm::candidate], "latency_p99", 1.2 * std::exp(0.03 * round.index));
    const auto comparison = compare(experiment, {});
    EXPECT_TRUE(names(comparison.cautions, "same_effect"));
    EXPECT_EQ(comparison.verdict, OverallVerdict::not_proven);
}

// A machine on which two copies of one system come out further apart than the margin cannot say of
// a change half as large again that it matters.
TEST(PlantedDefects, AMarginBelowTheNoiseIsNamed) {
    auto experiment = Simulation{.rounds = 12, .noise = 0.02}.experiment();
    for (auto& round : experiment.scenarios[0].rounds) {
        // Now higher and now lower, so that the copies cannot be told apart for certain.
        scale(round[Arm::control], "latency_p99", round.index % 3 == 0 ? 0.95 : 1.05);
    }
    const auto comparison = compare(experiment, {.margin = 0.01});
    EXPECT_FALSE(comparison.voided);
    EXPECT_TRUE(names(comparison.cautions, "margin_resolvable"))
        << testing::PrintToString(comparison.cautions);
    for (const auto& metric : comparison.scenarios[0].metrics) {
        if (metric.info->name != "latency_p99") continue;
        EXPECT_EQ(metric.verdict, MetricVerdict::inconclusive);
        EXPECT_THAT(metric.reason, testing::HasSubstr("further apart than the margin of 1 %"));
        EXPECT_GT(metric.rounds_needed.value_or(0), 12u);
    }
}

}  // namespace
}  // namespace crucible::lab
