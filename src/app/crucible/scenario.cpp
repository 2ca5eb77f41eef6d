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

/// One end of a change: "+10%", "-5%".
std::optional<double> change_end(std::string_view text) {
    if (text.size() < 3 || (text[0] != '+' && text[0] != '-') || text.back() != '%') {
        return std::nullopt;
    }
    const auto size = base::parse_fraction(text.substr(1));
    if (!size) return std::nullopt;
    return text[0] == '-' ? -*size : *size;
}

Result<std::vector<lab::Expectation>> read_expectations(const toml::table& table,
                                                        const std::string& place) {
    std::vector<lab::Expectation> expectations;
    std::vector<std::string_view> known;
    for (const auto& info : lab::known_metrics()) known.push_back(info.name);
    for (const auto& [key, node] : table) {
        const auto* metric = lab::find_metric(key.str());
        if (metric == nullptr) {
            const auto near = base::nearest(key.str(), known);
            return wrong(
                place, key.source(),
                fmt::format("unknown metric '{}' in [expect]; {}", key.str(),
                            near.empty() ? fmt::format("allowed: {}", fmt::join(known, ", "))
                                         : fmt::format("did you mean '{}'?", near)));
        }
        const auto* text = node.as_string();
        if (text == nullptr) {
            return wrong(place, node.source(),
                         fmt::format("'{}' must be a string, e.g. \"+10%..+30%\"", key.str()));
        }
        const auto change = parse_change(text->get());
        if (!change) return wrong(place, node.source(), change.error().message);
        expectations.push_back({.metric = metric, .low = change->first, .high = change->second});
    }
    return expectations;
}

}  // namespace

Result<std::pair<double, double>> parse_change(std::string_view text) {
    const auto dots = text.find("..");
    if (dots != std::string_view::npos) {
        const auto first = change_end(text.substr(0, dots));
        const auto second = change_end(text.substr(dots + 2));
        if (first && second && *first > -1 && *second > -1) {
            return std::pair(std::min(*first, *second), std::max(*first, *second));
        }
    }
    return std::unexpected(
        Error{Errc::invalid_argument,
              fmt::format("change '{}': two ends with signs, above -100%, e.g. \"+10%..+30%\" or "
                          "\"-20%..-5%\"",
                          text)});
}

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
    const auto* expect = reader.subtable("expect");
    reader.finish();
    if (reader.error()) return std::unexpected(*reader.error());
    if (expect != nullptr) {
        auto read = read_expectations(*expect, place);
        if (!read) return std::unexpected(read.error());
        file.expectations = *std::move(read);
    }
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
