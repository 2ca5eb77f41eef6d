#include "runtime/route/explain.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "runtime/event/rfc3339.h"

namespace crucible::runtime {
namespace {

constexpr std::array<std::string_view, 12> kParts{
    "none",    "disabled", "category", "type",  "source", "event_priority",
    "targets", "payload",  "health",   "queue", "time",   "stopped"};

constexpr const char* kMatches = "it matches";

template <typename Enum, std::size_t kCount>
std::string names_of(const EnumSet<Enum, kCount>& set) {
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < kCount; ++i) {
        if (set.contains(static_cast<Enum>(i))) names.push_back(to_string(static_cast<Enum>(i)));
    }
    return fmt::format("{}", fmt::join(names, ", "));
}

std::string why_health(const Conditions& conditions, const RuleTable& table, std::size_t rank,
                       const RouteState& state) {
    std::size_t condition = 0;
    for (const auto& [name, states] : conditions.health) {
        const Health health = table.health_of(rank, condition++, state);
        if (states.contains(health)) continue;
        return fmt::format("{} is {}, not {}", base::in_quotes(name), to_string(health),
                           names_of(states));
    }
    return "the health of an instance has changed since";
}

std::string why_time(const TimeWindow& time, WallTime now) {
    std::vector<std::string_view> days;
    for (std::size_t i = 0; i < kWeekdayCount; ++i) {
        if (time.days.contains(static_cast<Weekday>(i)))
            days.push_back(to_string(static_cast<Weekday>(i)));
    }
    return fmt::format("{} is not within {:%H:%M:%S} and {:%H:%M:%S} on {}", to_rfc3339(now),
                       time.from, time.to, fmt::join(days, ", "));
}

std::string why_queue(const Conditions& conditions, double fill) {
    const bool above = conditions.queue_above && !(fill > *conditions.queue_above);
    return fmt::format("the queue is {:g} % full, not {} {:g} %", fill * 100,
                       above ? "above" : "below",
                       100 * (above ? *conditions.queue_above : *conditions.queue_below));
}

std::string why_payload(const Filter& filter, std::uint64_t bytes) {
    if (bytes < filter.payload_bytes_min)
        return fmt::format("{} bytes are less than {}", bytes, filter.payload_bytes_min);
    return fmt::format("{} bytes are more than {}", bytes, filter.payload_bytes_max);
}

std::string why_not(const RuleTable& table, std::size_t rank, RulePart part, const EventView& event,
                    const RouteState& state) {
    const Filter& filter = table.rule(rank).filter;
    const Conditions& conditions = table.rule(rank).conditions;
    switch (part) {
        case RulePart::none:
        case RulePart::stopped:
            break;
        case RulePart::disabled:
            return "it is not enabled";
        case RulePart::category:
            return fmt::format("{} is not {}", to_string(event.category),
                               names_of(filter.categories));
        case RulePart::type:
            return fmt::format("{} does not match {}", base::in_quotes(event.type),
                               base::in_quotes(filter.type.text()));
        case RulePart::source:
            return fmt::format("{} does not match {}", base::in_quotes(event.source),
                               base::in_quotes(filter.source.text()));
        case RulePart::event_priority:
            return fmt::format("{} is not {}", to_string(event.priority),
                               names_of(filter.event_priorities));
        case RulePart::targets:
            return event.targets.empty() ? "the event names no target"
                                         : "the event names none of its targets";
        case RulePart::payload:
            return why_payload(filter, event.payload_bytes);
        case RulePart::health:
            return why_health(conditions, table, rank, state);
        case RulePart::queue:
            return why_queue(conditions, state.queue_fill);
        case RulePart::time:
            return why_time(*conditions.time, state.now);
    }
    return {};
}

}  // namespace

std::string_view to_string(RulePart part) noexcept {
    const auto index = static_cast<std::size_t>(part);
    return index < kParts.size() ? kParts[index] : "unknown";
}

std::vector<RuleExplanation> explain(const RuleTable& table, const EventView& event,
                                     const RouteState& state, std::size_t first) {
    std::vector<RuleExplanation> rules;
    std::string stopped;  // by whom; empty: not yet
    std::size_t matching = 0;
    first = std::min(first, table.size());
    for (std::size_t rank = 0; rank < first; ++rank) {
        const Rule& rule = table.rule(rank);
        RuleExplanation& explained = rules.emplace_back();
        explained.id = rule.id;
        if (!stopped.empty() && rule.enabled) {
            explained.refused_by = RulePart::stopped;
            explained.why = stopped;
            continue;
        }
        explained.refused_by = table.refusal(rank, event, state);
        explained.why = explained.refused_by == RulePart::none
                            ? kMatches
                            : why_not(table, rank, explained.refused_by, event, state);
        if (explained.refused_by != RulePart::none) continue;
        ++matching;
        if (rule.stop) {
            stopped = fmt::format("{} stopped before it", base::in_quotes(rule.id));
        } else if (matching == Decision::kRulesMax) {
            stopped = fmt::format("{} rules match before it", Decision::kRulesMax);
        }
    }
    if (first == table.size()) return rules;
    // What it costs does not depend on how many the others are.
    const Decision decision = table.route(event, state);
    for (const auto rank : decision.ranks())
        if (rank >= first) rules.push_back({table.rule(rank).id, RulePart::none, kMatches});
    return rules;
}

}  // namespace crucible::runtime
