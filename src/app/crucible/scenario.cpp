#include "app/crucible/scenario.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cmath>

#include "app/crucible/embedded_scenarios.h"
#include "base/file.h"
#include "base/nearest.h"
#include "crucible/event.h"

namespace crucible::app {
namespace {

std::unexpected<Error> wrong(const std::string& place, const toml::source_region& at,
                             std::string_view what) {
    return std::unexpected(
        Error{Errc::invalid_argument,
              fmt::format("{}:{}:{}: {}", place, at.begin.line, at.begin.column, what)});
}

/// One table of the file, whose keys are read one by one. The first error stays.
class TableReader {
public:
    TableReader(const toml::table& table, const std::string& place, std::string_view title)
        : table_(table), place_(place), title_(title) {}

    void text(std::string_view key, std::string& value) {
        const auto* node = find(key);
        if (node == nullptr) return;
        if (const auto* string = node->as_string()) {
            value = string->get();
        } else {
            fail(*node, fmt::format("'{}' must be a string", key));
        }
    }

    template <typename Integer>
    void count(std::string_view key, std::uint64_t most, Integer& value) {
        const auto* node = find(key);
        if (node == nullptr) return;
        const auto* integer = node->as_integer();
        if (integer != nullptr && integer->get() >= 1 &&
            static_cast<std::uint64_t>(integer->get()) <= most) {
            value = static_cast<Integer>(integer->get());
        } else {
            fail(*node, fmt::format("'{}' must be a whole number from 1 to {}", key, most));
        }
    }

    /// A string read by `parse`, e.g. "500/s".
    template <typename T, typename Parse>
    void parsed(std::string_view key, Parse parse, T& value) {
        std::string written;
        text(key, written);
        if (error_ || !table_.contains(key)) return;
        const auto result = parse(written);
        if (result) {
            value = *result;
        } else {
            fail(*table_.get(key), result.error().message);
        }
    }

    const toml::table* subtable(std::string_view key) {
        const auto* node = find(key);
        if (node == nullptr) return nullptr;
        if (node->as_table() == nullptr)
            fail(*node, fmt::format("'{}' must be a table: [{}]", key, key));
        return node->as_table();
    }

    /// Fails on the first key that nobody asked for.
    void finish() {
        for (const auto& [key, node] : table_) {
            if (std::ranges::find(known_, key.str()) != known_.end()) continue;
            const auto near = base::nearest(key.str(), known_);
            fail(key.source(),
                 fmt::format("unknown key '{}'{}; {}", key.str(), title_,
                             near.empty() ? fmt::format("allowed: {}", fmt::join(known_, ", "))
                                          : fmt::format("did you mean '{}'?", near)));
        }
    }

    const std::optional<Error>& error() const { return error_; }

private:
    const toml::node* find(std::string_view key) {
        known_.push_back(key);
        return error_ ? nullptr : table_.get(key);
    }
    void fail(const toml::node& node, std::string_view what) { fail(node.source(), what); }
    void fail(const toml::source_region& at, std::string_view what) {
        if (!error_) error_ = wrong(place_, at, what).error();
    }

    const toml::table& table_;
    const std::string& place_;
    std::string title_;
    std::vector<std::string_view> known_;
    std::optional<Error> error_;
};

Result<std::uint64_t> payload_bytes(std::string_view text) {
    const auto bytes = base::parse_bytes(text);
    if (bytes && (*bytes < 1 || *bytes > kPayloadBytesMax)) {
        return std::unexpected(
            Error{Errc::invalid_argument, fmt::format("payload '{}': {}", text, kPayloadAllowed)});
    }
    return bytes;
}

Result<Duration> positive_duration(std::string_view text) {
    const auto duration = base::parse_duration(text);
    if (duration && *duration <= Duration::zero()) {
        return std::unexpected(
            Error{Errc::invalid_argument, fmt::format("duration '{}': must be above 0", text)});
    }
    return duration;
}

Result<ScenarioFile::Steady> read_steady(const toml::table& table, const std::string& place) {
    ScenarioFile::Steady steady;
    TableReader reader(table, place, " in [steady]");
    reader.parsed("rate", base::parse_rate, steady.rate);
    reader.parsed("arrivals", lab::parse_arrivals, steady.arrivals);
    reader.parsed("duration", positive_duration, steady.duration);
    reader.parsed("warmup", base::parse_duration, steady.warmup);
    reader.finish();
    if (reader.error()) return std::unexpected(*reader.error());
    return steady;
}

Result<ScenarioFile::Maximum> read_maximum(const toml::table& table, const std::string& place) {
    ScenarioFile::Maximum maximum;
    TableReader reader(table, place, " in [maximum]");
    reader.count("window", 65'536, maximum.window);
    reader.parsed("duration", positive_duration, maximum.duration);
    reader.parsed("warmup", base::parse_duration, maximum.warmup);
    reader.finish();
    if (reader.error()) return std::unexpected(*reader.error());
    return maximum;
}

}  // namespace

Result<ScenarioFile> parse_scenario(std::string_view text, const std::string& place) {
    toml::table table;
    try {
        table = toml::parse(text);
    } catch (const toml::parse_error& error) {
        return wrong(place, error.source(), error.description());
    }
    ScenarioFile file;
    TableReader reader(table, place, "");
    reader.text("name", file.name);
    reader.text("description", file.description);
    reader.count("events", 100'000'000, file.events);
    reader.parsed("payload", payload_bytes, file.payload_bytes);
    reader.count("services", 1000, file.services);
    reader.count("clients", 999, file.clients);
    const auto* steady = reader.subtable("steady");
    const auto* maximum = reader.subtable("maximum");
    reader.finish();
    if (reader.error()) return std::unexpected(*reader.error());
    if (steady != nullptr) {
        const auto read = read_steady(*steady, place);
        if (!read) return std::unexpected(read.error());
        file.steady = *read;
    }
    if (maximum != nullptr) {
        const auto read = read_maximum(*maximum, place);
        if (!read) return std::unexpected(read.error());
        file.maximum = *read;
    }
    if (!file.steady && !file.maximum) {
        return wrong(place, table.source(), "a scenario needs a load: [steady], [maximum] or both");
    }
    if (file.name.empty()) file.name = std::filesystem::path(place).stem().string();
    return file;
}

std::vector<std::string_view> shipped_scenarios() {
    std::vector<std::string_view> names;
    for (const auto& scenario : kEmbeddedScenarios) names.push_back(scenario.name);
    return names;
}

Result<ScenarioFile> load_scenario(const std::string& name_or_path) {
    for (const auto& scenario : kEmbeddedScenarios) {
        if (scenario.name == name_or_path)
            return parse_scenario(scenario.text, std::string(scenario.name) + ".toml");
    }
    const auto text = base::read_file(name_or_path);
    if (text) return parse_scenario(*text, name_or_path);
    if (text.error().code != Errc::not_found) return std::unexpected(text.error());
    return std::unexpected(
        Error{Errc::not_found, fmt::format("scenario '{}': no such file; shipped: {}", name_or_path,
                                           fmt::join(shipped_scenarios(), ", "))});
}

std::uint64_t events_of_whole_passes(std::uint64_t events_per_pass, base::Rate rate,
                                     Duration duration) {
    const double wanted =
        rate.events_per_second() * std::chrono::duration<double>(duration).count();
    const double passes = std::ceil(wanted / static_cast<double>(events_per_pass) - 1e-9);
    return events_per_pass * static_cast<std::uint64_t>(std::max(passes, 1.0));
}

}  // namespace crucible::app
