#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "crucible/error.h"
#include "lab/aggregate/metric.h"
#include "lab/record/histogram.h"
#include "lab/run/trial.h"

namespace crucible::lab {

/// A named load: what one trial of a scenario does.
struct Scenario {
    std::string name;
    std::string description;
    std::uint64_t events_per_pass = 0;
    SystemOptions system;
    Plan plan;
};

/// The arms of a comparison. `control` is a second copy of the baseline: what differs between the two is noise.
/// `harness` is `null:` under the same plan.
enum class Arm : std::uint8_t { baseline, control, candidate, harness };
inline constexpr std::size_t kArmCount = 4;
std::string_view to_string(Arm arm) noexcept;

/// One arm of one round, reduced to what is kept of it.
struct ArmResult {
    bool valid = false;
    std::vector<MetricValue> metrics;  ///< net of the harness of the same round
    std::vector<Check> checks;
    std::vector<PhaseResult> phases;   ///< with their histograms
    std::optional<Error> failure;
};

struct Round {
    std::uint32_t index = 0;
    std::vector<Arm> order;  ///< in which the arms ran
    std::array<ArmResult, kArmCount> arms;
    bool valid() const;      ///< all arms are
};

/// Where an experiment stands, for display.
struct ExperimentProgress {
    std::string scenario;
    std::uint32_t round = 0;   ///< 1-based
    std::uint32_t rounds = 0;
    Arm arm{};
    std::string target;
    TrialProgress trial;
    Duration elapsed{};
    Duration remaining{};      ///< of the whole experiment, from the time trials took so far and the plan
};

struct ExperimentOptions {
    TargetUrl baseline;
    TargetUrl candidate;
    std::vector<Scenario> scenarios;
    std::uint32_t rounds = 10;
    std::uint64_t seed = 1;
    std::function<void(const ExperimentProgress&)> on_progress;
    std::stop_token stop;
};

struct ScenarioRounds {
    Scenario scenario;
    std::vector<Round> rounds;
};

struct Experiment {
    std::vector<ScenarioRounds> scenarios;
    std::optional<Error> failure;  ///< a target failed; rounds so far are kept
    bool interrupted = false;
};

/// Runs every scenario for `rounds` rounds after one discarded warm-up round's worth of start-up (see docs): in each
/// round all four arms once, fresh processes, in random order from the seed.
/// - any Error: nothing could be measured at all.
Result<Experiment> run_experiment(const ExperimentOptions& options);

}  // namespace crucible::lab
