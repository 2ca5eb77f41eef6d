#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "lab/compare/stored.h"

namespace crucible::lab {

/// What one file holds.
struct StoredContent {
    StoredFile file;
    std::vector<StoredScenario> scenarios;
};

// One reader for each kind. `object` is of that kind by its first members, and anything else may be
// wrong with it. They fail with one line without the path, and may throw nlohmann::json::exception
// where a member is missing or of the wrong type.

/// `crucible.run/1` (docs/formats/run.schema.json). Trials that are not valid have no values.
Result<StoredContent> read_run(const nlohmann::json& object);

/// Google Benchmark's --benchmark_format=json: a scenario for each benchmark, whose repetitions are
/// the values. Rows of aggregates count only where a benchmark has no others.
Result<StoredContent> read_google_benchmark(const nlohmann::json& object);

/// k6's --summary-export, or the data that handleSummary() gets: one value for each metric.
Result<StoredContent> read_k6_summary(const nlohmann::json& object);

/// What a reader fails with where the file is not what its kind says.
std::unexpected<Error> corrupt(std::string message);

/// A value of a metric. - Errc::corrupt: not a number, or none that a measurement could give;
/// `place` is named: "medium: latency_p99".
Result<double> stored_value(const nlohmann::json& value, std::string_view place);

}  // namespace crucible::lab
