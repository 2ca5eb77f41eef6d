#include "app/crucible/scenario.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cmath>

#include "app/crucible/embedded_scenarios.h"
#include "app/crucible/pattern_file.h"
#include "app/crucible/table_reader.h"
#include "base/file.h"
#include "base/nearest.h"

namespace crucible::app {
namespace {

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

Result<ScenarioFile::Shaped> read_shaped(const toml::table& table, const std::string& place) {
    ScenarioFile::Shaped shaped;
    TableReader reader(table, place, " in [pattern]");
    reader.parsed("shape", load_pattern, shaped.pattern);
    reader.parsed("arrivals", lab::parse_arrivals, shaped.arrivals);
    reader.parsed("warmup", base::parse_duration, shaped.warmup);
    reader.finish();
    if (reader.error()) return std::unexpected(*reader.error());
    if (!shaped.pattern)
        return wrong(place, table.source(), "[pattern] needs a 'shape', e.g. \"ramp:0,500,10s\"");
    return shaped;
}

Result<ScenarioFile::Maximum> read_maximum(const toml::table& table, const std::string& place) {
    ScenarioFile::Maximum maximum;
    TableReader reader(table, place, " in [maximum]");
    reader.count("window", 65'536, maximum.window);
    reader.parsed("think", base::parse_duration, maximum.think);
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
    reader.parsed("payload", lab::PayloadSizes::parse, file.payload);
    reader.parsed("mix", lab::Mix::parse, file.mix);
    reader.parsed("accounts", lab::Popularity::parse, file.accounts);
    reader.parsed("faults", lab::Faults::parse, file.faults);
    reader.count("services", 1000, file.services);
    reader.count("clients", 999, file.clients);
    const auto* steady = reader.subtable("steady");
    const auto* shaped = reader.subtable("pattern");
    const auto* maximum = reader.subtable("maximum");
    reader.finish();
    if (reader.error()) return std::unexpected(*reader.error());
    if (steady != nullptr) {
        const auto read = read_steady(*steady, place);
        if (!read) return std::unexpected(read.error());
        file.steady = *read;
    }
    if (shaped != nullptr) {
        if (file.steady) {
            return wrong(place, shaped->source(),
                         "[steady] and [pattern]: a scenario has one open loop; 'shape' may hold "
                         "several stretches");
        }
        auto read = read_shaped(*shaped, place);
        if (!read) return std::unexpected(read.error());
        file.shaped = *std::move(read);
    }
    if (maximum != nullptr) {
        const auto read = read_maximum(*maximum, place);
        if (!read) return std::unexpected(read.error());
        file.maximum = *read;
    }
    if (!file.steady && !file.shaped && !file.maximum) {
        return wrong(place, table.source(),
                     "a scenario needs a load: [steady] or [pattern], [maximum], or both");
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
    const auto names = shipped_scenarios();
    const auto near = base::nearest(name_or_path, names);
    return std::unexpected(Error{
        Errc::not_found,
        near.empty()
            ? fmt::format("scenario '{}': no such file; shipped: {}", name_or_path,
                          fmt::join(names, ", "))
            : fmt::format("scenario '{}': no such file; did you mean '{}'?", name_or_path, near)});
}

std::uint64_t events_of_whole_passes(std::uint64_t events_per_pass, base::Rate rate,
                                     Duration duration) {
    const double wanted =
        rate.events_per_second() * std::chrono::duration<double>(duration).count();
    const double passes = std::ceil(wanted / static_cast<double>(events_per_pass) - 1e-9);
    return events_per_pass * static_cast<std::uint64_t>(std::max(passes, 1.0));
}

}  // namespace crucible::app
