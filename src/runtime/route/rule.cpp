#include "runtime/route/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"

namespace crucible::runtime {
namespace {

constexpr std::array<std::string_view, kStrategyCount> kStrategies{
    "by_source", "round_robin", "least_in_flight", "weighted", "health", "priority"};

std::unexpected<Error> bad(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

bool is_name_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

Result<> check_name(std::string_view key, std::string_view name) {
    if (!name.empty() && name.size() <= kRuleIdBytesMax &&
        std::ranges::all_of(name, is_name_character)) {
        return {};
    }
    return bad(fmt::format("{} {}: 1 to {} letters, digits, dots, dashes and underscores", key,
                           base::in_quotes(name), kRuleIdBytesMax));
}

Result<> check_priority(std::int32_t priority) {
    if (priority >= -kRulePriorityMax && priority <= kRulePriorityMax) return {};
    return bad(
        fmt::format("priority: a whole number from -{} to {}", kRulePriorityMax, kRulePriorityMax));
}

/// Names of instances: what services may be called is not ours to say, only how long and how many.
Result<> check_names(std::string_view key, const std::vector<std::string>& names,
                     std::size_t least) {
    const bool sized = std::ranges::all_of(names, [](const std::string& name) {
        return !name.empty() && name.size() <= Pattern::kBytesMax;
    });
    if (sized && names.size() >= least && names.size() <= kRuleNamesMax) return {};
    return bad(fmt::format("{}: {} to {} names of 1 to {} bytes", key, least, kRuleNamesMax,
                           Pattern::kBytesMax));
}

Result<> check_filter(const Filter& filter) {
    if (filter.categories.empty()) return bad("category: at least one");
    if (filter.event_priorities.empty()) return bad("event_priority: at least one");
    if (filter.payload_bytes_min > kEventBytesMax)
        return bad(fmt::format("payload_min: at most {} bytes", kEventBytesMax));
    if (filter.payload_bytes_max > kEventBytesMax && filter.payload_bytes_max != Filter::kAnyBytes)
        return bad(fmt::format("payload_max: at most {} bytes", kEventBytesMax));
    if (filter.payload_bytes_min > filter.payload_bytes_max)
        return bad("payload_min: at most payload_max");
    return check_names("targets", filter.targets, 0);
}

Result<> check_share(std::string_view key, const std::optional<double>& share) {
    // Written so that a NaN fails.
    if (!share || (*share >= 0 && *share <= 1)) return {};
    return bad(fmt::format("{}: a share from 0 to 100 %", key));
}

Result<> check_conditions(const Conditions& conditions) {
    if (conditions.health.size() > kHealthConditionsMax)
        return bad(fmt::format("health: at most {} instances", kHealthConditionsMax));
    for (const auto& [instance, states] : conditions.health) {
        if (instance.empty() || instance.size() > Pattern::kBytesMax || states.empty())
            return bad("health: names of instances, each with at least one state");
    }
    if (auto checked = check_share("queue_above", conditions.queue_above); !checked) return checked;
    if (auto checked = check_share("queue_below", conditions.queue_below); !checked) return checked;
    if (!conditions.time) return {};
    constexpr std::chrono::seconds day = std::chrono::days(1);
    const TimeWindow& time = *conditions.time;
    if (time.days.empty()) return bad("days: at least one");
    if (time.from < std::chrono::seconds(0) || time.from >= day ||
        time.to < std::chrono::seconds(0) || time.to > day || time.from == time.to) {
        return bad("time_from, time_to: two different times of a day");
    }
    return {};
}

Result<> check_action(const Rule& rule) {
    if (const auto* deliver = std::get_if<Deliver>(&rule.action))
        return check_names("deliver", deliver->instances, 1);
    if (const auto* pool = std::get_if<ToPool>(&rule.action)) return check_name("pool", pool->pool);
    const auto* drop = std::get_if<Drop>(&rule.action);
    if (drop == nullptr) return {};
    if (!rule.stop) return bad("stop: a rule that drops always stops");
    if (drop->reason.empty() || drop->reason.size() > kDropReasonBytesMax)
        return bad(fmt::format("drop: a reason of 1 to {} bytes", kDropReasonBytesMax));
    return {};
}

}  // namespace

std::string_view to_string(Strategy strategy) noexcept {
    const auto index = static_cast<std::size_t>(strategy);
    return index < kStrategies.size() ? kStrategies[index] : "unknown";
}

std::optional<Strategy> parse_strategy(std::string_view name) noexcept {
    for (std::size_t i = 0; i < kStrategies.size(); ++i) {
        if (kStrategies[i] == name) return static_cast<Strategy>(i);
    }
    return std::nullopt;
}

Result<> check_rule(const Rule& rule) {
    if (auto checked = check_name("id", rule.id); !checked) return checked;
    if (auto checked = check_priority(rule.priority); !checked) return checked;
    if (auto checked = check_filter(rule.filter); !checked) return checked;
    if (auto checked = check_conditions(rule.conditions); !checked) return checked;
    return check_action(rule);
}

Result<> check_pool(const PoolSpec& pool) {
    if (auto checked = check_name("name", pool.name); !checked) return checked;
    if (pool.members.empty() || pool.members.size() > kPoolMembersMax)
        return bad(fmt::format("members: 1 to {}", kPoolMembersMax));
    for (const auto& member : pool.members) {
        if (member.instance.empty() || member.instance.size() > Pattern::kBytesMax)
            return bad(fmt::format("instance: a name of 1 to {} bytes", Pattern::kBytesMax));
        if (member.weight < 1 || member.weight > kPoolWeightMax)
            return bad(fmt::format("weight: a whole number from 1 to {}", kPoolWeightMax));
        if (auto checked = check_priority(member.priority); !checked) return checked;
    }
    return {};
}

}  // namespace crucible::runtime
