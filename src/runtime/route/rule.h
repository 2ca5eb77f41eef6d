#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "crucible/error.h"
#include "runtime/route/enum_set.h"
#include "runtime/route/pattern.h"
#include "runtime/route/time_window.h"

namespace crucible::runtime {

/// How one member of a pool is chosen; docs/formats/rules.md says how each does.
enum class Strategy : std::uint8_t {
    by_source,
    round_robin,
    least_in_flight,
    weighted,
    health,
    priority,
};
inline constexpr std::size_t kStrategyCount = 6;
std::string_view to_string(Strategy strategy) noexcept;
std::optional<Strategy> parse_strategy(std::string_view name) noexcept;

/// What a rule asks of an event's header. Parts that are left as they are hold for every event.
struct Filter {
    static constexpr std::uint64_t kAnyBytes = std::numeric_limits<std::uint64_t>::max();

    CategorySet categories = CategorySet::all();
    Pattern type;
    Pattern source;
    PrioritySet event_priorities = PrioritySet::all();
    std::vector<std::string> targets;  ///< the event names one of these; empty: any or none
    std::uint64_t payload_bytes_min = 0;
    std::uint64_t payload_bytes_max = kAnyBytes;

    friend bool operator==(const Filter&, const Filter&) = default;
};

/// What a rule asks of the system.
struct Conditions {
    std::map<std::string, HealthSet> health;  ///< instances, and the states they may be in
    std::optional<double> queue_above;        ///< share of the queue's limit, 0 to 1
    std::optional<double> queue_below;
    std::optional<TimeWindow> time;

    friend bool operator==(const Conditions&, const Conditions&) = default;
};

/// To each of these instances.
struct Deliver {
    std::vector<std::string> instances;
    friend bool operator==(const Deliver&, const Deliver&) = default;
};
/// To one member of a pool.
struct ToPool {
    std::string pool;
    Strategy strategy = Strategy::by_source;
    friend bool operator==(const ToPool&, const ToPool&) = default;
};
/// To every instance with such a name.
struct Broadcast {
    Pattern instances;
    friend bool operator==(const Broadcast&, const Broadcast&) = default;
};
/// To nobody.
struct Drop {
    std::string reason;
    friend bool operator==(const Drop&, const Drop&) = default;
};
using Action = std::variant<Deliver, ToPool, Broadcast, Drop>;

/// What to do with which events. A plain value; check_rule() says whether it is valid.
struct Rule {
    std::string id;
    std::int32_t priority = 0;  ///< higher first
    bool enabled = true;
    bool stop = true;  ///< no later rule is looked at when this one matches
    Filter filter;
    Conditions conditions;
    Action action;

    bool drops() const noexcept { return std::holds_alternative<Drop>(action); }
    friend bool operator==(const Rule&, const Rule&) = default;
};

/// One instance of a pool.
struct PoolMember {
    std::string instance;
    std::uint32_t weight = 1;
    std::int32_t priority = 0;  ///< higher first

    friend bool operator==(const PoolMember&, const PoolMember&) = default;
};

/// Instances that can stand for each other.
struct PoolSpec {
    std::string name;
    std::vector<PoolMember> members;

    friend bool operator==(const PoolSpec&, const PoolSpec&) = default;
};

/// What a rule file holds.
struct RuleSet {
    std::vector<PoolSpec> pools;
    std::vector<Rule> rules;

    friend bool operator==(const RuleSet&, const RuleSet&) = default;
};

// Limits; docs/formats/rules.md explains them.
inline constexpr std::size_t kRulesMax = 1'000'000;
inline constexpr std::size_t kRuleIdBytesMax = 128;
inline constexpr std::int32_t kRulePriorityMax = 1'000'000;  ///< and at least its negative
inline constexpr std::size_t kRuleNamesMax = 64;  ///< targets of a filter, instances of an action
inline constexpr std::size_t kHealthConditionsMax = 16;
inline constexpr std::size_t kDropReasonBytesMax = 256;
inline constexpr std::size_t kPoolsMax = 1024;
inline constexpr std::size_t kPoolMembersMax = 1024;
inline constexpr std::uint32_t kPoolWeightMax = 1000;

/// Whether the parts of `rule` are within their limits and fit each other; whether the instances it
/// names exist is RuleTable's question.
/// - Errc::invalid_argument: the message names the key of the rule file, and what is allowed.
Result<> check_rule(const Rule& rule);
/// The same of a pool.
Result<> check_pool(const PoolSpec& pool);

}  // namespace crucible::runtime
