#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crucible/error.h"
#include "lab/aggregate/metric.h"
#include "lab/record/ledger.h"

namespace crucible::lab {

// Results that were measured before, by us or by another program, as files hold them. They are
// compared by observe() (observation.h).

enum class StoredKind : std::uint8_t { crucible_run, google_benchmark, k6_summary };
/// The enumerator's own name.
std::string_view to_string(StoredKind kind) noexcept;
/// "crucible.run/1", "Google Benchmark", "k6 summary".
std::string_view title_of(StoredKind kind) noexcept;

/// More values of one metric on one side are refused: all pairs of both sides are looked at.
inline constexpr std::size_t kStoredValuesMost = 2000;

/// One metric of one scenario over all repetitions. It owns its name: those of other programs are
/// known only once their file is read.
struct StoredMetric {
    std::string name;  ///< "latency_p99", "real_time", "http_req_duration_p95"
    std::string unit;  ///< as result files call it: times in "s"
    Better better = Better::lower;
    bool gated = true;           ///< in the family that is held to "no false one at all" (Holm)
    std::string phase;           ///< empty: all, or none is known
    std::vector<double> values;  ///< one for each repetition that has one
    std::uint32_t missing = 0;   ///< repetitions without
    std::string missing_reason;  ///< of the first of them; empty: the file says none
};

struct StoredScenario {
    std::string name;
    std::string description;
    /// What must be the same on both sides, as JSON: of our own runs the `load`; empty where files
    /// of its kind say nothing of it.
    std::string load;
    std::optional<Delivery> delivery;  ///< of all trials; `reordered` as one sum
    std::uint32_t repetitions = 0;     ///< that count: trials, repetitions or files
    std::vector<StoredMetric> metrics;
};

/// Facts of one file that bear on what a comparison with it is worth.
struct StoredFile {
    std::string path;
    std::string version;   ///< of the program that wrote it; empty: unknown
    std::string target;    ///< the URL that our own run measured; empty: of another program
    std::string measured;  ///< when, as the file says it; empty: unknown
    /// {"cpu", "AMD EPYC 7B13"}, ...; empty: files of its kind do not name their machine.
    std::vector<std::pair<std::string, std::string>> machine;
    /// Whether anything went wrong: interrupted, failed, checks and thresholds not kept.
    std::vector<std::string> flaws;
    /// What its writer warns of: a library built for debugging, processors that change their pace.
    std::vector<std::string> warnings;
};

/// One side of a comparison.
struct StoredResult {
    StoredKind kind = StoredKind::crucible_run;
    std::string path;               ///< as given
    std::vector<StoredFile> files;  ///< at least one
    std::vector<StoredScenario> scenarios;
};

/// Reads a file, the result.json of a directory, or all *.json of a directory that has none: these
/// are repetitions of one measurement. All failures name the file in one line:
/// - Errc::not_found, Errc::permission_denied, Errc::io.
/// - Errc::corrupt: not JSON, or not what its kind says.
/// - Errc::unsupported: of no kind that is known, or written by a newer version.
/// - Errc::invalid_argument: a directory without results, or with some that do not belong together.
Result<StoredResult> read_stored(const std::filesystem::path& path);

/// Where the scenarios of two measurements or their load differ, in one line: "medium:
/// load.clients: 4 against 8".
std::optional<std::string> scenario_difference(const std::vector<StoredScenario>& first,
                                               const std::vector<StoredScenario>& second);

}  // namespace crucible::lab
