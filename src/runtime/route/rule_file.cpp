#include "runtime/route/rule_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "runtime/route/toml_keys.h"

namespace crucible::runtime {
namespace {

constexpr std::array<std::string_view, 4> kActions{"deliver", "pool", "broadcast", "drop"};

/// The names of all enumerators: "mon, tue, …".
template <typename Enum, std::size_t kCount>
std::string all_names() {
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < kCount; ++i) names.push_back(to_string(static_cast<Enum>(i)));
    return fmt::format("{}", fmt::join(names, ", "));
}

/// One name or a list of names to a set.
template <typename Enum, std::size_t kCount, typename Parse>
void read_set(TomlKeys& keys, std::string_view key, Parse parse, EnumSet<Enum, kCount>& set) {
    std::vector<std::string> names;
    keys.text_or_texts(key, names);
    if (keys.error() || !keys.has(key)) return;
    set = {};
    for (const auto& name : names) {
        const std::optional<Enum> value = parse(name);
        if (!value) {
            return keys.fail(key, fmt::format("{} is none of {}", base::in_quotes(name),
                                              all_names<Enum, kCount>()));
        }
        set.add(*value);
    }
    if (set.empty()) keys.fail(key, fmt::format("needs one of {}", all_names<Enum, kCount>()));
}

void read_pattern(TomlKeys& keys, std::string_view key, Pattern& pattern) {
    std::string text;
    keys.text(key, text);
    if (keys.error() || !keys.has(key)) return;
    auto parsed = Pattern::parse(text);
    if (!parsed) return keys.fail_with(key, fmt::format("{} {}", key, parsed.error().message));
    pattern = *std::move(parsed);
}

void read_filter(TomlKeys& keys, Filter& filter) {
    read_set(keys, "category", parse_category, filter.categories);
    read_pattern(keys, "type", filter.type);
    read_pattern(keys, "source", filter.source);
    read_set(keys, "event_priority", parse_priority, filter.event_priorities);
    keys.texts("targets", filter.targets);
    if (filter.targets.empty() && keys.has("targets"))
        keys.fail("targets", "needs a name; leave it out for any");
    keys.bytes("payload_min", filter.payload_bytes_min);
    keys.bytes("payload_max", filter.payload_bytes_max);
}

void read_health(TomlKeys& keys, const std::string& place,
                 std::map<std::string, HealthSet>& health) {
    const auto* node = keys.find("health");
    if (node == nullptr) return;
    const auto* table = node->as_table();
    if (table == nullptr || table->empty()) {
        return keys.fail("health", "must be a table of names, e.g. {database-1 = [\"healthy\"]}");
    }
    TomlKeys states(*table, place, "health");
    for (const auto& [name, value] : *table)
        read_set(states, name.str(), parse_health, health[std::string(name.str())]);
    if (states.error()) keys.fail(*states.error());
}

void read_time(TomlKeys& keys, std::optional<TimeWindow>& time) {
    TimeWindow window;
    const auto read = [&](std::string_view key, std::chrono::seconds& value) {
        std::string text;
        keys.text(key, text);
        if (keys.error() || !keys.has(key)) return;
        const auto parsed = parse_time_of_day(text);
        if (!parsed) return keys.fail(key, "must be a time of the day, e.g. \"22:00\"");
        value = *parsed;
    };
    read("time_from", window.from);
    read("time_to", window.to);
    read_set(keys, "days", parse_weekday, window.days);
    if (keys.has("time_from") != keys.has("time_to"))
        keys.fail("time_from", "needs time_to, and time_to needs it");
    if (keys.has("time_from") || keys.has("days")) time = window;
}

void read_action(TomlKeys& keys, Rule& rule) {
    std::vector<std::string_view> given;
    for (const auto action : kActions) {
        if (keys.has(action)) given.push_back(action);
    }
    std::string text;
    Deliver deliver;
    keys.texts("deliver", deliver.instances);
    Broadcast broadcast;
    read_pattern(keys, "broadcast", broadcast.instances);
    for (const std::string_view key : {"pool", "drop"}) keys.text(key, text);
    std::string strategy;
    keys.text("strategy", strategy);
    const auto parsed = strategy.empty() ? Strategy::by_source : parse_strategy(strategy);
    if (!parsed) {
        keys.fail("strategy", fmt::format("{} is none of {}", base::in_quotes(strategy),
                                          all_names<Strategy, kStrategyCount>()));
    }
    if (given.size() != 1) {
        return keys.fail_with(
            {}, fmt::format("rule {} has {}; one of {} is needed", base::in_quotes(rule.id),
                            given.empty() ? "no action"
                                          : fmt::format("the actions {}", fmt::join(given, ", ")),
                            fmt::join(kActions, ", ")));
    }
    if (keys.has("strategy") && given[0] != "pool")
        return keys.fail("strategy", "goes with pool only");
    if (keys.error()) return;
    if (given[0] == "deliver") rule.action = std::move(deliver);
    if (given[0] == "pool") rule.action = ToPool{std::move(text), *parsed};
    if (given[0] == "broadcast") rule.action = std::move(broadcast);
    if (given[0] == "drop") rule.action = Drop{std::move(text)};
}

/// Errors of check_rule() begin with the key they are about.
std::string_view key_of(std::string_view message) {
    return message.substr(0, message.find_first_of(" :,"));
}

Result<Rule> read_rule(const toml::table& table, const std::string& place) {
    Rule rule;
    TomlKeys keys(table, place, "[[rule]]");
    keys.text("id", rule.id);
    std::int64_t priority = 0;
    keys.integer("priority", -kRulePriorityMax, kRulePriorityMax, priority);
    rule.priority = static_cast<std::int32_t>(priority);
    keys.boolean("enabled", rule.enabled);
    keys.boolean("stop", rule.stop);
    read_filter(keys, rule.filter);
    read_health(keys, place, rule.conditions.health);
    keys.share("queue_above", rule.conditions.queue_above);
    keys.share("queue_below", rule.conditions.queue_below);
    read_time(keys, rule.conditions.time);
    read_action(keys, rule);
    keys.finish();
    if (keys.error()) return std::unexpected(*keys.error());
    if (const auto checked = check_rule(rule); !checked) {
        keys.fail_with(key_of(checked.error().message), checked.error().message);
        return std::unexpected(*keys.error());
    }
    return rule;
}

Result<PoolMember> read_member(const toml::table& table, const std::string& place) {
    PoolMember member;
    TomlKeys keys(table, place, "members");
    keys.text("instance", member.instance);
    std::int64_t weight = member.weight;
    std::int64_t priority = member.priority;
    keys.integer("weight", 1, kPoolWeightMax, weight);
    keys.integer("priority", -kRulePriorityMax, kRulePriorityMax, priority);
    keys.finish();
    if (!keys.has("instance")) keys.fail("instance", "is needed: the name of an instance");
    if (keys.error()) return std::unexpected(*keys.error());
    member.weight = static_cast<std::uint32_t>(weight);
    member.priority = static_cast<std::int32_t>(priority);
    return member;
}

Result<PoolSpec> read_pool(const toml::table& table, const std::string& place) {
    PoolSpec pool;
    TomlKeys keys(table, place, "[[pool]]");
    keys.text("name", pool.name);
    if (const auto* node = keys.find("members")) {
        const auto* array = node->as_array();
        if (array == nullptr || !array->is_array_of_tables())
            keys.fail("members", "must be a list of tables");
        for (std::size_t i = 0; !keys.error() && i < array->size(); ++i) {
            auto member = read_member(*array->get(i)->as_table(), place);
            if (!member) return std::unexpected(member.error());
            pool.members.push_back(*std::move(member));
        }
    }
    keys.finish();
    if (keys.error()) return std::unexpected(*keys.error());
    if (const auto checked = check_pool(pool); !checked) {
        keys.fail_with(key_of(checked.error().message), checked.error().message);
        return std::unexpected(*keys.error());
    }
    return pool;
}

/// Every table of the array `key`, read by `read`; names given twice are refused.
template <typename T, typename Read, typename Name>
Result<> read_tables(TomlKeys& keys, std::string_view key, std::string_view name_key,
                     const std::string& place, Read read, Name name, std::vector<T>& out) {
    const auto* node = keys.find(key);
    if (node == nullptr) return {};
    const auto* array = node->as_array();
    if (array == nullptr || !array->is_array_of_tables()) {
        keys.fail_with(key, fmt::format("'{}' must be tables: [[{}]]", key, key));
        return std::unexpected(*keys.error());
    }
    std::unordered_set<std::string> names;
    out.reserve(array->size());
    for (const auto& element : *array) {
        const toml::table& table = *element.as_table();
        auto item = read(table, place);
        if (!item) return std::unexpected(item.error());
        if (!names.insert((*item).*name).second) {
            return std::unexpected(
                error_at(place, table.get(name_key)->source(),
                         fmt::format("{} {}: there is another one with this name", name_key,
                                     base::in_quotes((*item).*name))));
        }
        out.push_back(*std::move(item));
    }
    return {};
}

Result<RuleSet> read_root(const toml::table& root, const std::string& place) {
    RuleSet rules;
    TomlKeys keys(root, place, "");
    const auto* version = keys.find("version");
    if (version != nullptr && version->is_integer() &&
        version->as_integer()->get() > kRuleFileVersion) {
        return std::unexpected(
            Error{Errc::unsupported,
                  fmt::format("{}: of version {}; this program reads up to {}: upgrade to read it",
                              place, version->as_integer()->get(), kRuleFileVersion)});
    }
    std::int64_t number = 0;
    keys.integer("version", 1, kRuleFileVersion, number);
    if (version == nullptr) keys.fail("version", "is needed: version = 1");
    if (keys.error()) return std::unexpected(*keys.error());
    auto pools = read_tables(keys, "pool", "name", place, read_pool, &PoolSpec::name, rules.pools);
    if (!pools) return std::unexpected(pools.error());
    auto read = read_tables(keys, "rule", "id", place, read_rule, &Rule::id, rules.rules);
    if (!read) return std::unexpected(read.error());
    keys.finish();
    if (keys.error()) return std::unexpected(*keys.error());
    if (rules.rules.size() > kRulesMax || rules.pools.size() > kPoolsMax) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("{}: {} rules and {} pools: at most {} and {} are allowed", place,
                              rules.rules.size(), rules.pools.size(), kRulesMax, kPoolsMax)});
    }
    return rules;
}

}  // namespace

Result<RuleSet> parse_rules(std::string_view text, const std::string& place) {
    if (text.size() > kRuleFileBytesMax) {
        return std::unexpected(
            Error{Errc::invalid_argument, fmt::format("{}: {} bytes: at most {} are allowed", place,
                                                      text.size(), kRuleFileBytesMax)});
    }
    toml::table root;
    try {
        root = toml::parse(text);
    } catch (const toml::parse_error& error) {
        return std::unexpected(
            error_at(place, error.source(), base::one_line(error.description())));
    }
    return read_root(root, place);
}

Result<RuleSet> read_rules(const std::filesystem::path& file) {
    const auto text = base::read_file(file);
    if (!text) return std::unexpected(text.error());
    return parse_rules(*text, file.string());
}

}  // namespace crucible::runtime
