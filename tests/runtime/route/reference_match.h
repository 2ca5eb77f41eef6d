#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "random_rules.h"

/// docs/formats/rules.md word by word, without an index and without thrift: what the table must
/// agree with. It shares no code with it but the value types.
namespace crucible::runtime::testing {

inline std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> segments{""};
    for (const char c : text) {
        if (c == '.') {
            segments.emplace_back();
        } else {
            segments.back() += c;
        }
    }
    return segments;
}

inline bool matches_by_the_book(std::string_view pattern, std::string_view text) {
    const auto wanted = split(pattern);
    const auto given = split(text);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == "**") return i < given.size();
        if (i >= given.size()) return false;
        if (wanted[i] == "*") continue;
        if (wanted[i].ends_with('*')) {
            if (!given[i].starts_with(wanted[i].substr(0, wanted[i].size() - 1))) return false;
        } else if (wanted[i] != given[i]) {
            return false;
        }
    }
    return wanted.size() == given.size();
}

inline bool within(const TimeWindow& window, WallTime now) {
    const auto second_of_week = [&] {
        // The first of January 1970 was a Thursday, the fourth day of the week.
        const auto seconds =
            std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
        return (seconds + 3 * 86400) % (7 * 86400);
    }();
    for (std::size_t day = 0; day < kWeekdayCount; ++day) {
        if (!window.days.contains(static_cast<Weekday>(day))) continue;
        const long begin = static_cast<long>(day) * 86400 + window.from.count();
        const long length = (window.to.count() - window.from.count() + 86400) % 86400;
        const long whole = length == 0 ? 86400 : length;
        const long since = (second_of_week - begin + 7 * 86400) % (7 * 86400);
        if (since < whole) return true;
    }
    return false;
}

inline bool matches_by_the_book(const Rule& rule, const Event& event, const RandomState& state) {
    const Filter& filter = rule.filter;
    if (!rule.enabled) return false;
    if (!filter.categories.contains(event.category)) return false;
    if (!matches_by_the_book(filter.type.text(), event.type)) return false;
    if (!matches_by_the_book(filter.source.text(), event.source)) return false;
    if (!filter.event_priorities.contains(event.priority)) return false;
    bool targeted = filter.targets.empty();
    for (const auto& target : event.targets) {
        for (const auto& wanted : filter.targets) targeted |= target == wanted;
    }
    if (!targeted) return false;
    if (event.payload.size() < filter.payload_bytes_min) return false;
    if (event.payload.size() > filter.payload_bytes_max) return false;
    for (const auto& [name, states] : rule.conditions.health) {
        const auto instances = three_instances();
        for (std::size_t i = 0; i < instances.size(); ++i) {
            if (instances[i].name == name && !states.contains(state.health[i])) return false;
        }
    }
    if (rule.conditions.queue_above && state.queue_fill <= *rule.conditions.queue_above)
        return false;
    if (rule.conditions.queue_below && state.queue_fill >= *rule.conditions.queue_below)
        return false;
    return !rule.conditions.time || within(*rule.conditions.time, state.now);
}

/// The ids of the rules that decide, in order.
inline std::vector<std::string> route_by_the_book(const std::vector<Rule>& rules,
                                                  const Event& event, const RandomState& state) {
    std::vector<std::string> ids;
    for (int priority = 2; priority >= -2; --priority) {
        for (const auto& rule : rules) {
            if (rule.priority != priority || !matches_by_the_book(rule, event, state)) continue;
            ids.push_back(rule.id);
            if (rule.stop || ids.size() == 16) return ids;
        }
    }
    return ids;
}

}  // namespace crucible::runtime::testing
