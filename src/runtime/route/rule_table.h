#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"
#include "runtime/event/event_view.h"
#include "runtime/route/instance_states.h"
#include "runtime/route/pool.h"
#include "runtime/route/rule.h"
#include "runtime/route/rule_index.h"

namespace crucible::runtime {

/// An instance that rules may name. Its place in the list is its index in decisions: the list has
/// the order of ServiceSet::services(), so that a decision's index is the dispatcher's.
struct InstanceInfo {
    std::string name;
    CategorySet categories;  ///< it serves
};

/// What conditions are judged by.
struct RouteState {
    WallTime now{};                             ///< used only where RuleTable::asks_time()
    double queue_fill = 0;                      ///< share of the queue's limit in use, 0 to 1
    const InstanceStates* instances = nullptr;  ///< null: all are healthy
};

/// The rules that match one event, in the order in which they are looked at, as ranks for
/// RuleTable::rule() and delivery(). None: the event takes the default way.
class Decision {
public:
    /// After so many matching rules no other is looked at.
    static constexpr std::size_t kRulesMax = 16;

    std::span<const std::uint32_t> ranks() const noexcept { return {ranks_.data(), size_}; }
    bool empty() const noexcept { return size_ == 0; }

    /// Rules of this rank and after it cannot become part of it.
    std::uint32_t limit() const noexcept { return limit_; }
    /// Takes in a matching rule below the limit; ranks may come in any order, and twice.
    void add(std::uint32_t rank, bool stop) noexcept;

    RouteCost cost;

private:
    std::array<std::uint32_t, kRulesMax> ranks_;
    std::uint32_t size_ = 0;
    std::uint32_t limit_ = std::numeric_limits<std::uint32_t>::max();
};

/// A rule's action with names replaced by indices. Refers to its table.
struct Delivery {
    /// Deliver and Broadcast: one copy of the event to each.
    std::span<const std::uint32_t> instances;
    /// ToPool: for RuleTable::pool().
    std::optional<std::size_t> pool;
    Strategy strategy = Strategy::by_source;

    /// Drop: the reason is the rule's.
    bool drops() const noexcept { return instances.empty() && !pool; }
};

/// The first part of a rule that refused an event.
enum class RulePart : std::uint8_t {
    none,  ///< the rule matches
    disabled,
    category,
    type,
    source,
    event_priority,
    targets,
    payload,
    health,
    queue,
    time,
    stopped,  ///< it was not looked at: a rule before it stopped
};
std::string_view to_string(RulePart part) noexcept;

/// Rules made ready for routing. Immutable but for the turns of its pools, and so usable from any
/// thread; RuleBook replaces one by another.
class RuleTable {
public:
    /// Pools whose members are the same in `previous` go on with their turns where that one is.
    /// - Errc::invalid_argument: a rule or pool is not valid, a name occurs twice, an instance or
    ///   pool does not exist, or a limit of RuleIndex is passed. The message names the rule.
    static Result<std::shared_ptr<const RuleTable>> compile(RuleSet rules,
                                                            std::span<const InstanceInfo> instances,
                                                            const RuleTable* previous = nullptr);

    RuleTable(const RuleTable&) = delete;
    RuleTable& operator=(const RuleTable&) = delete;

    /// The rules that match `event` now. Allocates nothing; what it costs does not depend on the
    /// number of rules.
    Decision route(const EventView& event, const RouteState& state) const noexcept;

    /// By rank: 0 is the rule that is looked at first.
    std::size_t size() const noexcept { return compact_.size(); }
    const Rule& rule(std::size_t rank) const noexcept { return rules_.rules[order_[rank]]; }
    Delivery delivery(std::size_t rank) const noexcept;
    /// Choosing moves its turn on: thread-safe, and no part of the rules.
    Pool& pool(std::size_t index) const noexcept { return *pools_[index].pool; }

    /// The first part of the rule that refuses `event`; never `stopped`. route() decides the same.
    RulePart refusal(std::size_t rank, const EventView& event,
                     const RouteState& state) const noexcept;

    /// What the condition of that number (in the order of Conditions::health) sees.
    Health health_of(std::size_t rank, std::size_t condition,
                     const RouteState& state) const noexcept;

    /// Whether some enabled rule has a time window: else nobody needs to read the clock.
    bool asks_time() const noexcept { return asks_time_; }
    /// Whether some enabled rule has a condition on the queue.
    bool asks_queue() const noexcept { return asks_queue_; }
    /// What finding rules and deciding takes, without the rules as they were given.
    std::size_t bytes_used() const noexcept;
    /// As they were given.
    const RuleSet& rules() const noexcept { return rules_; }
    const RuleIndex& index() const noexcept { return index_; }

private:
    /// What a decision needs of a rule, in one cache line: in a large table each line is a miss.
    struct alignas(64) CompactRule {
        static constexpr std::size_t kTextBytes = 30;

        std::uint64_t payload_bytes_min = 0;
        std::uint64_t payload_bytes_max = 0;
        std::uint32_t place = 0;  ///< the one instance, the first of instances_, or the pool
        std::uint32_t instances = 0;
        std::uint32_t text_place = 0;  ///< of texts_, where the texts have no room here
        std::uint8_t type_bytes = 0;   ///< 0: all types
        std::uint8_t source_bytes = 0;
        Pattern::Ending type_ending : 2 = Pattern::Ending::text;
        Pattern::Ending source_ending : 2 = Pattern::Ending::text;
        bool stops : 1 = false;
        bool to_pool : 1 = false;
        bool asks_more : 1 = false;  ///< targets or conditions: refusal() knows
        CategorySet categories;
        PrioritySet event_priorities;
        Strategy strategy = Strategy::by_source;
        std::array<char, kTextBytes> texts;  ///< the type's pattern and the source's
    };
    static_assert(sizeof(CompactRule) == 64);
    /// One of Conditions::health.
    struct HealthCondition {
        std::uint32_t instance = 0;
        HealthSet states;
    };
    struct NamedPool {
        std::string name;
        std::shared_ptr<Pool> pool;
    };
    class Names;

    explicit RuleTable(RuleSet rules) : rules_(std::move(rules)) {}
    Result<> make_pools(std::span<const InstanceInfo> instances, const Names& names,
                        const RuleTable* previous);
    void add_pool(std::string_view name, std::vector<Pool::Member> members,
                  const RuleTable* previous);
    Result<> rank_rules(std::span<const InstanceInfo> instances, const Names& names);
    Result<CompactRule> compact(const Rule& rule, std::span<const InstanceInfo> instances,
                                const Names& names);
    Result<> resolve_action(const Rule& rule, std::span<const InstanceInfo> instances,
                            const Names& names, CompactRule& compact);
    Result<> resolve_health(const Rule& rule, const Names& names);
    void keep_texts(const Filter& filter, CompactRule& compact);
    bool matches(std::uint32_t rank, const EventView& event,
                 const RouteState& state) const noexcept;

    const RuleSet rules_;
    std::vector<std::uint32_t> order_;      ///< by rank, of rules_.rules
    std::vector<CompactRule> compact_;      ///< by rank
    std::vector<std::uint32_t> instances_;  ///< of deliveries with several
    std::string texts_;
    std::vector<HealthCondition> health_;
    std::vector<std::uint32_t> health_begins_;  ///< by rank, of health_; empty where that is
    std::vector<NamedPool> pools_;
    RuleIndex index_;
    bool asks_time_ = false;
    bool asks_queue_ = false;
};

}  // namespace crucible::runtime
