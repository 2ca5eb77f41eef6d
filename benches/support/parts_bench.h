#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/options.h"
#include "support/rounds.h"

namespace crucible::bench {

/// What --part names: it asks its questions in rounds.
struct Part {
    std::string_view name;
    void (*run)(const Options& options, Rounds& rounds);
};

/// A bench of such parts.
struct PartsBench {
    std::string_view name;  ///< "bench_daemon_performance"
    std::string help;
    std::string_view schema;  ///< of its result file
    std::span<const Part> parts;
    std::vector<std::string_view> peers = {};    ///< that --peer takes; empty: there is no --peer
    std::vector<std::string_view> records = {};  ///< lists of its result file besides `questions`
    double seconds = 1;                          ///< of each trial where --seconds does not say
};

/// Its main(). Returns the exit code: 0, 2 bad usage, 5 a trial failed.
int run_parts_bench(std::span<char* const> words, const PartsBench& bench);

/// First argument of a client process of the lab.
inline constexpr std::string_view kLabWorker = "worker";
/// Its main(): `--control-fd N`. Returns the exit code.
int run_lab_worker(std::span<char* const> words);

}  // namespace crucible::bench
