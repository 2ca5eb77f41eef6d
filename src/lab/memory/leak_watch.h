#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lab/experiment/experiment.h"
#include "lab/memory/leak.h"
#include "lab/memory/memory_trial.h"

namespace crucible::lab {

/// Iterations that are not judged.
inline constexpr std::uint32_t kLeakWarmUp = 4;

struct LeakWatchOptions {
    /// Its phases are one iteration of mean length.
    Scenario scenario;
    std::uint32_t iterations = 0;  ///< that are judged; kLeakWarmUp more are driven before them
    std::uint64_t seed = 1;        ///< of the events, and of the iterations' lengths
    std::filesystem::path tracker;
};

/// What watching one target found.
struct LeakWatch {
    LeakJudgement judgement;
    /// What a site is: "call site", or "owner" where not every stack is known; then why.
    std::string sites_are;
    std::string why_not_call_sites;
    Duration duration{};  ///< of the load that was judged
    /// Of the watching process itself, resident and not a file's, at the end of each iteration:
    /// however long it watches, it should not grow.
    std::vector<double> own_bytes;
    /// Nor should what the measurement holds in the client processes, by the counters: at the same
    /// moments; empty where not all of them could be read at each.
    std::vector<double> worker_bytes;
    std::optional<Error> failure;  ///< of the target; what was driven before is judged, here too:
    bool interrupted = false;
};

/// Drives one trial of many iterations of unequal lengths with every allocation's stack, and
/// judges what each call site held at the end of each. `options`: of the trial.
/// - the errors of unequal_iterations() and run_memory_trial().
Result<LeakWatch> watch_for_leaks(const TargetUrl& target, const LeakWatchOptions& watch,
                                  TrialOptions options);

/// The judgement of a trial whose phases are iterations of `each` phases: by call site where all
/// stacks are known, else by owner.
LeakWatch judge_trial(const MemoryTrial& trial, std::size_t each);

/// Own and worker bytes of a trial whose phases are iterations of `each` phases. What is told of
/// both are the first and the last: no course that ends earlier than the other has a last one.
void take_courses(LeakWatch& to, const MemoryTrial& trial, std::size_t each);

/// Of what is known at each quiet moment, what it was at the end of each iteration of `each`
/// phases.
std::vector<double> at_iteration_ends(const std::vector<double>& moments, std::size_t each);

}  // namespace crucible::lab
