#pragma once

#include <array>
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
#include "lab/memory/in_flight.h"
#include "lab/memory/leak_watch.h"
#include "lab/memory/memory_figures.h"
#include "lab/memory/site_ranking.h"
#include "lab/memory/stack_figures.h"

namespace crucible::lab {

/// Where a profile stands, for display.
struct ProfileProgress {
    std::uint32_t round = 0;  ///< 1-based
    std::uint32_t rounds = 0;
    std::string what;  ///< "daemon: with 8 clients, counting"
    TrialProgress trial;
};

/// As far apart as the tracker samples.
inline constexpr std::uint64_t kStackDistanceMax = std::uint64_t{1} << 40;

struct ProfileOptions {
    std::vector<TargetUrl> targets;  ///< one, or a baseline and a candidate
    /// Its phases are driven as they are; the last one is measured. Its number of clients is the
    /// one at which owners are told and targets are compared.
    Scenario scenario;
    /// Numbers of clients at which memory is measured besides.
    std::vector<std::uint32_t> ladder;
    std::uint32_t rounds = 10;
    std::uint32_t ladder_rounds = 6;  ///< of those, from the first on
    /// Stacks are sampled at so many bytes from each other in the mean (0: each allocation's), in a
    /// trial of its own in each round; none: they are not.
    std::optional<std::uint64_t> stack_distance = 0;
    /// Bursts, in trials of their own in each round, that tell what an event in flight takes; none:
    /// there are none.
    std::optional<InFlightSizes> in_flight = InFlightSizes{};
    /// Each of these is measured alone as well, in trials with events of it and no others.
    std::vector<Category> categories;
    /// How each target is watched for leaks after the rounds; none: it is not. With this seed and
    /// tracker.
    std::optional<LeakWatchOptions> leaks;
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
    /// Of those rounds that have them. Rounds that have none are the extreme ones: what is told
    /// over rounds is told where all have them.
    std::vector<MemoryFigures> figures;
    std::vector<LifetimeFigures> lifetimes;
};

/// One category of which events were sent alone.
struct CategoryAlone {
    std::vector<MemoryFigures> figures;  ///< one for each round that has them
    std::string why_not_all;             ///< why a round has none; empty: all have
};

struct TargetMemory {
    std::string target;
    std::map<std::uint32_t, MemoryCell> cells;  ///< by the number of clients
    std::map<Category, CategoryAlone> alone;
    /// By the number of clients: of the phases that allocations were counted in, over all rounds.
    std::map<std::uint32_t, Delivery> deliveries;
    std::vector<std::string> missing;  ///< processes that were not watched, and why
    /// What is in no figure though all is as it should be: of a system that others run its clients.
    std::vector<std::string> outside;
    /// Of a trial without which nothing is known of it, or of the watch for leaks: from then on it
    /// was not measured.
    std::optional<Error> failure;
    /// Trials that only some figures are of, and why they failed: "with 8 clients, in a burst: …".
    /// These were not tried again; the figures say so.
    std::vector<std::string> failed_trials;
    std::optional<LeakWatch> leak;            ///< absent where it was not watched
    std::optional<TargetStacks> stacks;       ///< of the first round that has them
    std::optional<ResourceReport> resources;  ///< of the last phase of one trial without counting
};

/// By Arm, but the harness; none where something could not be counted.
using ArmFigures = std::array<std::optional<MemoryFigures>, 3>;

/// What one round counted of what is compared.
struct CountedRound {
    ArmFigures scenario;
    std::map<Category, ArmFigures> alone;  ///< of trials with events of one category
};

struct MemoryProfile {
    std::vector<TargetMemory> targets;
    std::uint32_t clients = 0;          ///< of the comparison
    std::vector<Round> rounds;          ///< of it; empty where there is one target
    std::vector<CountedRound> counted;  ///< of each of those
    std::vector<Check> checks;
    std::optional<Error> failure;  ///< of the harness, or the first that a target has
    bool interrupted = false;
};

/// Rounds of trials in random order, each a fresh system with the same stream of events. Memory is
/// that of trials without the tracker, net of the harness alone; allocations are those of trials of
/// their own, with it; stacks and lifetimes those of others, which take them. Where there are two
/// targets the baseline runs twice in a round, so that the comparison knows what the machine makes
/// of one and the same. A target that fails leaves the other's measurement as it is.
MemoryProfile run_memory_profile(const ProfileOptions& options);

/// The files that write_stacks() writes, by what they are: "allocated", "live", "folded", "pprof"
/// of that target; and of two together "difference".
std::map<std::string, std::string> stack_files(const MemoryProfile& profile, std::size_t target);
/// Writes flame graphs, folded stacks and pprof files of each target that has stacks into
/// `directory`. - Errc::io and such; the message names the file.
Result<> write_stacks(const std::filesystem::path& directory, const MemoryProfile& profile);

/// `crucible.memory/1` (docs/formats/memory.schema.json).
nlohmann::json memory_json(const RunFacts& facts, const ProfileOptions& options,
                           const MemoryProfile& profile);

}  // namespace crucible::lab
