#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "crucible/error.h"
#include "lab/aggregate/metric.h"
#include "lab/run/trial.h"

namespace crucible::lab {

/// What somebody predicted of the candidate against the baseline: a change between `low` and
/// `high`, as fractions (-0.2 is 20 % less).
struct Expectation {
    const MetricInfo* metric = nullptr;
    double low = 0;
    double high = 0;
};

/// A named load: what one trial of a scenario does.
struct Scenario {
    std::string name;
    std::string description;
    std::uint64_t events_per_pass = 0;
    SystemOptions system;
    Plan plan;
    std::vector<Expectation> expectations;  ///< of a comparison under it
    /// Its warm-ups are the least: each is made as long as the systems turn out to need.
    bool warmup_by_rule = false;
};

/// The arms of a comparison. `control` is a second copy of the baseline: what differs between the
/// two is noise. `harness` is `null:` under the same plan.
enum class Arm : std::uint8_t { baseline, control, candidate, harness };
inline constexpr std::size_t kArmCount = 4;
std::string_view to_string(Arm arm) noexcept;

/// One arm of one round, reduced to what is kept of it.
struct ArmResult {
    std::string target;  ///< empty when the arm was not run
    bool valid = false;
    std::vector<MetricValue> metrics;  ///< net of the harness of the same round
    std::vector<Check> checks;
    std::vector<PhaseResult> phases;  ///< with their histograms
    Surroundings surroundings;
    Duration elapsed{};  ///< of the whole trial, its start and end included
    std::optional<Error> failure;
};

struct Round {
    std::uint32_t index = 0;
    std::vector<Arm> order;  ///< in which the arms ran
    std::string machine;     ///< machine_identity() of where they ran
    std::array<ArmResult, kArmCount> arms;
    bool valid() const;  ///< all arms are: only such rounds are compared
    const ArmResult& operator[](Arm arm) const { return arms[static_cast<std::size_t>(arm)]; }
    ArmResult& operator[](Arm arm) { return arms[static_cast<std::size_t>(arm)]; }
};

/// Where an experiment stands, for display.
struct ExperimentProgress {
    std::string scenario;
    std::uint32_t round = 0;   ///< 1-based; 0 while warming up
    std::uint32_t rounds = 0;  ///< 0 where it is decided on the way
    Arm arm{};
    std::string target;
    TrialProgress trial;
    Duration elapsed{};
    Duration
        remaining{};  ///< of the whole experiment, from the time trials took so far and the plan
};

/// Runs one trial: run_trial, or a stand-in of tests.
using TrialFunction = std::function<Result<TrialResult>(const TargetUrl&, const SystemOptions&,
                                                        const Plan&, const TrialOptions&)>;

struct ScenarioRounds {
    Scenario scenario;  ///< as run: with the warm-ups that the rule gave
    std::vector<Round> rounds;
};

struct Experiment {
    std::vector<ScenarioRounds> scenarios;
    std::optional<Error> failure;  ///< a target failed; rounds so far are kept
    bool interrupted = false;
    bool out_of_time = false;  ///< some scenario would have gone on
};

struct ExperimentOptions {
    TargetUrl baseline;
    TargetUrl candidate;
    std::vector<Scenario> scenarios;
    std::uint32_t rounds = 10;  ///< of each scenario; the most where needs_more decides
    /// Asked before every pass: which scenarios want another round. Null: all.
    std::function<std::vector<bool>(const Experiment&)> needs_more = nullptr;
    /// No round is begun that would end later than this after the start, but for the first of each
    /// scenario. Zero: no limit.
    Duration time_budget{};
    std::uint64_t seed = 1;
    /// Rounds of an earlier run of the same experiment, for each scenario or for none: from the
    /// first on, none left out. They are not run again.
    std::vector<std::vector<Round>> done = {};
    /// Called with each round that is whole, failed trials apart. An error ends the experiment.
    std::function<Result<>(std::size_t scenario, const Round&)> on_round = nullptr;
    std::function<void(const ExperimentProgress&)> on_progress = nullptr;
    std::stop_token stop = {};
    TrialFunction run = nullptr;   ///< null: run_trial
    base::Clock* clock = nullptr;  ///< of the time left; null: the machine's
};

/// The seed of the event stream that all arms of a round share. `round` is 0-based.
std::uint64_t round_seed(std::uint64_t seed, std::size_t scenario, std::uint32_t round) noexcept;

/// The order of the arms in 0-based `round`: rounds come in blocks of four, each a random Latin
/// square balanced for succession (Williams 1949), so that within a block every arm stands once in
/// every place and once behind every other arm. A pure function of its arguments.
std::vector<Arm> arm_order(std::uint64_t seed, std::size_t scenario, std::uint32_t round);

/// Runs the scenarios in passes, one round of each that wants one: in a round all four arms once,
/// each a fresh system with fresh client processes, in random order, all with the same event
/// stream. Passes rather than one scenario after the other spread a slow change of the machine over
/// all of them, and leave an interrupted run with as many rounds of each. Before the first
/// round each distinct target runs one trial that is discarded: it brings programs and libraries
/// into memory, which only the first trial would otherwise pay for. With Scenario::warmup_by_rule
/// baseline and candidate do so in each such scenario, and the longest warm-up that the course of
/// either asks for is both's from then on (warmup.h).
///
/// An invalid trial stays in the result, marked; its round is not compared. A trial that fails ends
/// the experiment with `failure` set and everything measured so far, its own partial result
/// included; a stop request ends it with `interrupted` set. on_progress is called from this thread.
/// - any Error: nothing could be measured at all.
Result<Experiment> run_experiment(const ExperimentOptions& options);

}  // namespace crucible::lab
