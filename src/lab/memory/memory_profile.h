#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "lab/compare/comparison.h"
#include "lab/experiment/experiment.h"
#include "lab/memory/memory_figures.h"

namespace crucible::lab {

/// Where a profile stands, for display.
struct ProfileProgress {
    std::uint32_t round = 0;  ///< 1-based
    std::uint32_t rounds = 0;
    std::string what;  ///< "daemon: with 8 clients, counting"
    TrialProgress trial;
};

/// Iterations that are not judged.
inline constexpr std::uint32_t kLeakWarmUp = 4;

struct ProfileOptions {
    std::vector<TargetUrl> targets;  ///< one, or a baseline and a candidate
    /// Its phases are driven as they are; the last one is measured. Its number of clients is the
    /// one at which owners are told and targets are compared.
    Scenario scenario;
    /// Numbers of clients at which memory is measured besides.
    std::vector<std::uint32_t> ladder;
    std::uint32_t rounds = 10;
    std::uint32_t ladder_rounds = 6;  ///< of those, from the first on
    /// Iterations of the scenario's phases at which each target is watched for leaks, after the
    /// rounds and after kLeakWarmUp more; 0: it is not.
    std::uint32_t leak_iterations = 0;
    std::uint64_t seed = 1;
    std::filesystem::path tracker;
    CompareOptions compare;
    std::function<void(const ProfileProgress&)> on_progress;
    std::stop_token stop;
};

/// One target with so many clients, one entry for each round.
struct MemoryCell {
    std::vector<std::uint32_t> rounds;  ///< their numbers: those that were valid
    std::vector<std::vector<MetricValue>> metrics;
    std::vector<MemoryFigures> figures;
};

struct TargetMemory {
    std::string target;
    std::map<std::uint32_t, MemoryCell> cells;  ///< by the number of clients
    std::vector<std::string> missing;           ///< processes that were not watched, and why
    std::optional<LeakJudgement> leak;          ///< of its owners; absent where it was not watched
};

struct MemoryProfile {
    std::vector<TargetMemory> targets;
    std::uint32_t clients = 0;  ///< of the comparison
    std::vector<Round> rounds;  ///< of it; empty where there is one target
    std::vector<Check> checks;
    std::optional<Error> failure;
    bool interrupted = false;
};

/// Rounds of trials in random order, each a fresh system with the same stream of events. Memory is
/// that of trials without the tracker, net of the harness alone; allocations are those of trials of
/// their own, with it. Where there are two targets the baseline runs twice in a round, so that the
/// comparison knows what the machine makes of one and the same.
MemoryProfile run_memory_profile(const ProfileOptions& options);

/// `crucible.memory/1` (docs/formats/memory.schema.json).
nlohmann::json memory_json(const RunFacts& facts, const ProfileOptions& options,
                           const MemoryProfile& profile);

}  // namespace crucible::lab
