#include "lab/compare/stored.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "lab/compare/json_difference.h"
#include "lab/compare/stored_kinds.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

constexpr std::uintmax_t kFileBytesMost = 64 << 20;
constexpr std::size_t kFilesMost = 1000;
/// Deeper than any result; recursion over what is nested without end would end the program.
constexpr int kDepthMost = 64;
constexpr std::string_view kKnownKinds =
    "known are result.json of crucible run (crucible.run/1), Google Benchmark's JSON and k6's "
    "summary";

std::unexpected<Error> failure(Errc code, std::string message) {
    return std::unexpected(Error{code, std::move(message)});
}

/// `text` with null for each bare NaN and Infinity. Google Benchmark writes them, JSON has neither;
/// as null they matter only where their value is asked for.
std::string with_null_for_nan(std::string_view text) {
    constexpr std::array<std::string_view, 3> kNotNumbers{"NaN", "-Infinity", "Infinity"};
    std::string result;
    result.reserve(text.size());
    bool inside = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char letter = text[i];
        if (inside && letter == '\\' && i + 1 < text.size()) {
            result += text.substr(i++, 2);
            continue;
        }
        if (letter == '"') inside = !inside;
        const auto found = inside ? kNotNumbers.end()
                                  : std::ranges::find_if(kNotNumbers, [&](std::string_view word) {
                                        return text.substr(i, word.size()) == word;
                                    });
        if (found == kNotNumbers.end()) {
            result += letter;
        } else {
            result += "null";
            i += found->size() - 1;
        }
    }
    return result;
}

Result<json> parse(std::string_view text) {
    bool too_deep = false;
    const auto watch = [&too_deep](int depth, json::parse_event_t, json&) {
        too_deep |= depth > kDepthMost;
        return !too_deep;
    };
    auto object = json::parse(text, watch, /*allow_exceptions=*/false);
    if (!too_deep && object.is_discarded()) {
        object = json::parse(with_null_for_nan(text), watch, /*allow_exceptions=*/false);
    }
    if (too_deep) return failure(Errc::corrupt, fmt::format("nested {} deep", kDepthMost + 1));
    if (object.is_discarded()) return failure(Errc::corrupt, "not JSON");
    return object;
}

Result<json> load(const std::filesystem::path& path) {
    std::error_code status;
    if (std::filesystem::exists(path, status) && !std::filesystem::is_regular_file(path, status))
        return failure(Errc::io, "not a regular file");
    const auto size = std::filesystem::file_size(path, status);
    if (!status && size > kFileBytesMost)
        return failure(Errc::unsupported, fmt::format("{} MiB; at most {} are read", size >> 20,
                                                      kFileBytesMost >> 20));
    const auto text = base::read_file(path);
    if (!text) return std::unexpected(text.error());
    return parse(*text);
}

Result<StoredKind> kind_of_schema(const std::string& schema) {
    constexpr std::string_view kRun = "crucible.run/";
    if (schema == "crucible.run/1") return StoredKind::crucible_run;
    if (schema.starts_with(kRun)) {
        unsigned version = 0;
        const auto* end = schema.data() + schema.size();
        const auto [rest, status] = std::from_chars(schema.data() + kRun.size(), end, version);
        if (status == std::errc() && rest == end && version > 1)
            return failure(Errc::unsupported,
                           schema + ": written by a newer crucible; upgrade to read it");
    }
    return failure(
        Errc::unsupported,
        fmt::format("'{}' is no stored measurement that can be compared; {}", schema, kKnownKinds));
}

Result<StoredKind> kind_of(const json& object) {
    const auto is = [&object](const char* name, json::value_t type) {
        const auto found = object.find(name);
        return found != object.end() && found->type() == type;
    };
    if (object.is_object()) {
        if (is("schema", json::value_t::string)) return kind_of_schema(object["schema"]);
        if (is("benchmarks", json::value_t::array)) return StoredKind::google_benchmark;
        if (is("metrics", json::value_t::object)) return StoredKind::k6_summary;
        if (is("results", json::value_t::object) && object["results"].contains("metrics"))
            return failure(Errc::unsupported,
                           "k6's machine-readable summary; only the other one is known: run k6 "
                           "with --new-machine-readable-summary=false");
    }
    return failure(Errc::unsupported, fmt::format("of no known kind; {}", kKnownKinds));
}

/// Without the "[json.exception.type_error.302] " in front.
std::string_view message_of(const json::exception& error) {
    const std::string_view text = error.what();
    const auto end = text.find("] ");
    return end == std::string_view::npos ? text : text.substr(end + 2);
}

struct ReadFile {
    StoredKind kind;
    StoredContent content;
};

Result<ReadFile> read_whole(const json& object) {
    const auto kind = kind_of(object);
    if (!kind) return std::unexpected(kind.error());
    try {
        auto content = *kind == StoredKind::crucible_run       ? read_run(object)
                       : *kind == StoredKind::google_benchmark ? read_google_benchmark(object)
                                                               : read_k6_summary(object);
        if (!content) return std::unexpected(content.error());
        return ReadFile{*kind, *std::move(content)};
    } catch (const json::exception& error) {
        return failure(Errc::corrupt,
                       fmt::format("not a whole {}: {}", title_of(*kind), message_of(error)));
    }
}

Result<ReadFile> read_one(const std::filesystem::path& path) {
    const auto named = [&path](const Error& error) {
        const auto name = path.string();
        return failure(error.code, error.message.starts_with(name)
                                       ? error.message
                                       : fmt::format("{}: {}", name, error.message));
    };
    const auto object = load(path);
    if (!object) return named(object.error());
    auto file = read_whole(*object);
    if (!file) return named(file.error());
    file->content.file.path = path.string();
    return file;
}

Result<std::vector<std::filesystem::path>> files_of(const std::filesystem::path& path) {
    std::error_code status;
    if (!std::filesystem::is_directory(path, status)) return std::vector{path};
    if (std::filesystem::exists(path / "result.json", status))
        return std::vector{path / "result.json"};
    std::vector<std::filesystem::path> files;
    for (std::filesystem::directory_iterator entry(path, status), end; !status && entry != end;
         entry.increment(status)) {
        if (entry->path().extension() == ".json") files.push_back(entry->path());
    }
    if (status) return failure(Errc::io, fmt::format("{}: {}", path.string(), status.message()));
    if (files.empty())
        return failure(
            Errc::invalid_argument,
            fmt::format("{}: a directory without result.json or any other *.json", path.string()));
    if (files.size() > kFilesMost)
        return failure(Errc::unsupported, fmt::format("{}: {} files; at most {} are read",
                                                      path.string(), files.size(), kFilesMost));
    std::ranges::sort(files);
    return files;
}

/// The repetitions of one more file behind those that are there.
void append(StoredMetric& metric, const StoredMetric& more) {
    metric.values.insert(metric.values.end(), more.values.begin(), more.values.end());
    metric.missing += more.missing;
    if (metric.missing_reason.empty()) metric.missing_reason = more.missing_reason;
}

void append(StoredScenario& scenario, const StoredScenario& more) {
    for (auto& metric : scenario.metrics) {
        const auto found = std::ranges::find(more.metrics, metric.name, &StoredMetric::name);
        if (found != more.metrics.end()) {
            append(metric, *found);
        } else {
            metric.missing += more.repetitions;
        }
    }
    for (const auto& metric : more.metrics) {
        const auto known = std::ranges::find(scenario.metrics, metric.name, &StoredMetric::name);
        if (known != scenario.metrics.end()) continue;
        scenario.metrics.push_back(metric);
        scenario.metrics.back().missing += scenario.repetitions;
    }
    scenario.repetitions += more.repetitions;
    if (scenario.delivery && more.delivery) *scenario.delivery += *more.delivery;
}

std::optional<std::string> load_difference(const StoredScenario& first,
                                           const StoredScenario& second) {
    if (first.load == second.load) return std::nullopt;
    if (first.load.empty() || second.load.empty())
        return fmt::format("{}: only one says what its load was", first.name);
    const auto found = first_difference(json::parse(first.load), json::parse(second.load));
    if (!found) return std::nullopt;
    return fmt::format("{}: load.{}: {} against {}", first.name, found->place, found->first,
                       found->second.value_or("none"));
}

std::optional<Error> too_many_values(const StoredResult& result) {
    for (const auto& scenario : result.scenarios) {
        for (const auto& metric : scenario.metrics) {
            if (metric.values.size() <= kStoredValuesMost) continue;
            return Error{
                Errc::unsupported,
                fmt::format("{}: {}: {}: {} values; at most {} are compared", result.path,
                            scenario.name, metric.name, metric.values.size(), kStoredValuesMost)};
        }
    }
    return std::nullopt;
}

}  // namespace

std::string_view to_string(StoredKind kind) noexcept {
    switch (kind) {
        case StoredKind::crucible_run:
            return "crucible_run";
        case StoredKind::google_benchmark:
            return "google_benchmark";
        case StoredKind::k6_summary:
            return "k6_summary";
    }
    return "unknown";
}

std::string_view title_of(StoredKind kind) noexcept {
    switch (kind) {
        case StoredKind::crucible_run:
            return "crucible.run/1";
        case StoredKind::google_benchmark:
            return "Google Benchmark";
        case StoredKind::k6_summary:
            return "k6 summary";
    }
    return "unknown";
}

std::unexpected<Error> corrupt(std::string message) {
    return std::unexpected(Error{Errc::corrupt, std::move(message)});
}

Result<double> stored_value(const json& value, std::string_view place) {
    // The square of a variance must neither overflow nor vanish.
    constexpr double kMost = 1e30;
    if (!value.is_number())
        return failure(Errc::corrupt, fmt::format("{}: {} is not a number", place, value.dump()));
    const double number = value.get<double>();
    const double magnitude = std::abs(number);
    if (magnitude > kMost || (magnitude != 0 && magnitude < 1 / kMost))
        return failure(Errc::corrupt,
                       fmt::format("{}: {} is beyond what is measured", place, value.dump()));
    return number;
}

std::optional<std::string> scenario_difference(const std::vector<StoredScenario>& first,
                                               const std::vector<StoredScenario>& second) {
    for (const auto& scenario : first) {
        const auto other = std::ranges::find(second, scenario.name, &StoredScenario::name);
        if (other == second.end()) return scenario.name + ": only in the first";
        if (auto difference = load_difference(scenario, *other)) return difference;
    }
    for (const auto& scenario : second) {
        if (std::ranges::find(first, scenario.name, &StoredScenario::name) == first.end())
            return scenario.name + ": only in the second";
    }
    return std::nullopt;
}

Result<StoredResult> read_stored(const std::filesystem::path& path) {
    const auto files = files_of(path);
    if (!files) return std::unexpected(files.error());
    StoredResult result;
    result.path = path.string();
    for (const auto& name : *files) {
        auto file = read_one(name);
        if (!file) return std::unexpected(file.error());
        auto& [kind, content] = *file;
        const bool first = result.files.empty();
        if (!first && kind != result.kind)
            return failure(
                Errc::invalid_argument,
                fmt::format("{}: {}, but {}: {}; a directory holds one kind", name.string(),
                            title_of(kind), result.files.front().path, title_of(result.kind)));
        if (first) {
            result.kind = kind;
            result.scenarios = std::move(content.scenarios);
        } else {
            if (const auto difference = scenario_difference(result.scenarios, content.scenarios))
                return failure(Errc::invalid_argument,
                               fmt::format("{} and {} are no repetitions of one measurement: {}",
                                           result.files.front().path, name.string(), *difference));
            for (auto& scenario : result.scenarios) {
                append(scenario,
                       *std::ranges::find(content.scenarios, scenario.name, &StoredScenario::name));
            }
        }
        result.files.push_back(std::move(content.file));
    }
    if (auto many = too_many_values(result)) return std::unexpected(*std::move(many));
    return result;
}

}  // namespace crucible::lab
