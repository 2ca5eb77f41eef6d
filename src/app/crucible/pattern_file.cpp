#include "app/crucible/pattern_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "app/crucible/table_reader.h"
#include "base/file.h"

namespace crucible::app {
namespace {

constexpr std::string_view kMixed = "mixed:";

/// "name=pattern" for one [[phase]].
Result<std::string> read_phase(const toml::table& table, const std::string& place) {
    std::string name;
    std::optional<lab::Pattern> pattern;
    TableReader reader(table, place, " in [[phase]]");
    reader.text("name", name);
    reader.parsed("pattern", lab::Pattern::parse, pattern);
    reader.finish();
    if (reader.error()) return std::unexpected(*reader.error());
    if (!pattern) return wrong(place, table.source(), "[[phase]] needs a 'pattern'");
    if (name.find_first_of("=:;,") != std::string::npos)
        return wrong(place, table.source(), "'name' must not hold any of = : ; ,");
    if (name.empty()) return pattern->text();
    if (pattern->text().find_first_of("=;") != std::string::npos)
        return wrong(place, table.source(), "with a 'name', 'pattern' must be a single one");
    return fmt::format("{}={}", name, pattern->text());
}

}  // namespace

Result<lab::Pattern> parse_pattern_file(std::string_view text, const std::string& place) {
    toml::table table;
    try {
        table = toml::parse(text);
    } catch (const toml::parse_error& error) {
        return wrong(place, error.source(), error.description());
    }
    constexpr std::string_view kNeeded = "a mixed pattern needs [[phase]] tables";
    for (const auto& [key, node] : table) {
        if (key.str() != "phase")
            return wrong(place, key.source(),
                         fmt::format("unknown key '{}'; allowed: [[phase]]", key.str()));
    }
    const auto* phases = table["phase"].as_array();
    if (phases == nullptr || phases->empty()) return wrong(place, table.source(), kNeeded);
    std::vector<std::string> parts;
    for (const auto& phase : *phases) {
        if (phase.as_table() == nullptr) return wrong(place, phase.source(), kNeeded);
        auto part = read_phase(*phase.as_table(), place);
        if (!part) return std::unexpected(part.error());
        parts.push_back(*std::move(part));
    }
    return lab::Pattern::parse(fmt::format("{}", fmt::join(parts, ";")));
}

Result<lab::Pattern> load_pattern(std::string_view text) {
    if (!text.starts_with(kMixed)) return lab::Pattern::parse(text);
    const std::string path(text.substr(kMixed.size()));
    const auto content = base::read_file(path);
    if (!content) return std::unexpected(content.error());
    return parse_pattern_file(*content, path);
}

std::string pattern_name(const lab::Pattern& pattern) {
    const auto& text = pattern.text();
    if (text.find(';') != std::string::npos) return "mixed";
    const auto begin = text.find('=') == std::string::npos ? 0 : text.find('=') + 1;
    return text.substr(begin, text.find(':') - begin);
}

}  // namespace crucible::app
