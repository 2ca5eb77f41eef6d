#include "runtime/route/rule_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/nearest.h"
#include "base/text.h"

namespace crucible::runtime {
namespace {

std::unexpected<Error> wrong(std::string_view what, std::string_view name, std::string_view why) {
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("{} {}: {}", what, base::in_quotes(name), why)});
}

std::string no_such(std::string_view what, std::string_view name,
                    std::span<const std::string_view> known) {
    const auto near = base::nearest(name, known);
    return fmt::format("no {} {}{}", what, base::in_quotes(name),
                       near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

bool names_one_of(const TargetNames& given, const std::vector<std::string>& wanted) noexcept {
    const std::size_t looked_at = std::min(given.size(), RuleIndex::kTargetsLookedAt);
    for (std::size_t i = 0; i < looked_at; ++i) {
        if (std::ranges::find(wanted, given[i]) != wanted.end()) return true;
    }
    return false;
}

}  // namespace

/// The indices of instances by name.
class RuleTable::Names {
public:
    explicit Names(std::span<const InstanceInfo> instances) {
        for (std::size_t i = 0; i < instances.size(); ++i) indices_.emplace(instances[i].name, i);
    }

    /// - Errc::invalid_argument: there is none; the message names the nearest.
    Result<std::size_t> find(std::string_view name) const {
        const auto found = indices_.find(name);
        if (found != indices_.end()) return found->second;
        std::vector<std::string_view> known;
        for (const auto& [known_name, index] : indices_) known.push_back(known_name);
        std::ranges::sort(known);
        return std::unexpected(Error{Errc::invalid_argument, no_such("instance", name, known)});
    }

private:
    std::unordered_map<std::string_view, std::size_t> indices_;
};

void Decision::add(std::uint32_t rank, bool stop) noexcept {
    const auto end = ranks_.begin() + size_;
    const auto place = std::lower_bound(ranks_.begin(), end, rank);
    if (place != end && *place == rank) return;
    if (size_ == kRulesMax) --size_;  // the last one makes room: `rank` is below the limit
    std::copy_backward(place, ranks_.begin() + size_, ranks_.begin() + size_ + 1);
    *place = rank;
    ++size_;
    if (stop) {
        size_ = static_cast<std::uint32_t>(place - ranks_.begin()) + 1;
        limit_ = rank;
    } else if (size_ == kRulesMax) {
        limit_ = ranks_.back();
    }
}

Result<std::shared_ptr<const RuleTable>> RuleTable::compile(RuleSet rules,
                                                            std::span<const InstanceInfo> instances,
                                                            const RuleTable* previous) {
    if (rules.rules.size() > kRulesMax || rules.pools.size() > kPoolsMax) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("{} rules and {} pools: at most {} and {} are allowed",
                              rules.rules.size(), rules.pools.size(), kRulesMax, kPoolsMax)});
    }
    const std::shared_ptr<RuleTable> table(new RuleTable(std::move(rules)));
    const Names names(instances);
    if (auto made = table->make_pools(instances, names, previous); !made)
        return std::unexpected(made.error());
    if (auto ranked = table->rank_rules(instances, names); !ranked)
        return std::unexpected(ranked.error());
    return table;
}

void RuleTable::add_pool(std::string_view name, std::vector<Pool::Member> members,
                         const RuleTable* previous) {
    NamedPool named{.name = std::string(name), .pool = nullptr};
    if (previous != nullptr) {
        const auto same = std::ranges::find_if(previous->pools_, [&](const NamedPool& pool) {
            return pool.name == name && std::ranges::equal(pool.pool->members(), members);
        });
        if (same != previous->pools_.end()) named.pool = same->pool;
    }
    if (named.pool == nullptr) named.pool = std::make_shared<Pool>(std::move(members));
    pools_.push_back(std::move(named));
}

Result<> RuleTable::make_pools(std::span<const InstanceInfo> instances, const Names& names,
                               const RuleTable* previous) {
    for (const auto& spec : rules_.pools) {
        if (auto checked = check_pool(spec); !checked)
            return wrong("pool", spec.name, checked.error().message);
        if (std::ranges::find(pools_, spec.name, &NamedPool::name) != pools_.end())
            return wrong("pool", spec.name, "there is another one with this name");
        std::vector<Pool::Member> members;
        for (const auto& member : spec.members) {
            const auto instance = names.find(member.instance);
            if (!instance) return wrong("pool", spec.name, instance.error().message);
            if (std::ranges::find(members, *instance, &Pool::Member::instance) != members.end())
                return wrong("pool", spec.name,
                             base::in_quotes(member.instance) + " is in it twice");
            members.push_back({*instance, member.weight, member.priority});
        }
        add_pool(spec.name, std::move(members), previous);
    }
    for (std::size_t i = 0; i < kCategoryCount; ++i) {
        const auto category = static_cast<Category>(i);
        if (std::ranges::find(pools_, to_string(category), &NamedPool::name) != pools_.end())
            continue;
        std::vector<Pool::Member> members;
        for (std::size_t instance = 0; instance < instances.size(); ++instance) {
            if (instances[instance].categories.contains(category))
                members.push_back({.instance = instance});
        }
        if (!members.empty()) add_pool(to_string(category), std::move(members), previous);
    }
    return {};
}

Result<> RuleTable::rank_rules(std::span<const InstanceInfo> instances, const Names& names) {
    std::vector<const Rule*> order;
    order.reserve(rules_.rules.size());
    std::unordered_set<std::string_view> ids;
    for (const auto& rule : rules_.rules) {
        if (auto checked = check_rule(rule); !checked)
            return wrong("rule", rule.id, checked.error().message);
        if (!ids.insert(rule.id).second)
            return wrong("rule", rule.id, "there is another one with this id");
        order.push_back(&rule);
    }
    std::ranges::stable_sort(order, std::greater<>(), &Rule::priority);
    order_.reserve(order.size());
    compact_.reserve(order.size());
    for (const Rule* rule : order) {
        auto compacted = compact(*rule, instances, names);
        if (!compacted) return wrong("rule", rule->id, compacted.error().message);
        order_.push_back(static_cast<std::uint32_t>(rule - rules_.rules.data()));
        compact_.push_back(*compacted);
        if (!rule->enabled) continue;
        asks_time_ |= rule->conditions.time.has_value();
        asks_queue_ |= rule->conditions.queue_above || rule->conditions.queue_below;
    }
    auto index = RuleIndex::build(order);
    if (!index) return std::unexpected(index.error());
    index_ = *std::move(index);
    return {};
}

Result<RuleTable::CompactRule> RuleTable::compact(const Rule& rule,
                                                  std::span<const InstanceInfo> instances,
                                                  const Names& names) {
    const Filter& filter = rule.filter;
    const Conditions& conditions = rule.conditions;
    CompactRule compact;
    compact.payload_bytes_min = filter.payload_bytes_min;
    compact.payload_bytes_max = filter.payload_bytes_max;
    compact.categories = filter.categories;
    compact.event_priorities = filter.event_priorities;
    compact.stops = rule.stop;
    compact.asks_more = !filter.targets.empty() || !conditions.health.empty() ||
                        conditions.queue_above || conditions.queue_below || conditions.time;
    keep_texts(filter, compact);
    if (auto resolved = resolve_health(rule, names); !resolved)
        return std::unexpected(resolved.error());
    if (auto resolved = resolve_action(rule, instances, names, compact); !resolved)
        return std::unexpected(resolved.error());
    return compact;
}

void RuleTable::keep_texts(const Filter& filter, CompactRule& compact) {
    const auto literal = [](const Pattern& pattern) {
        return pattern.matches_all() ? std::string_view() : std::string_view(pattern.text());
    };
    const std::string_view type = literal(filter.type);
    const std::string_view source = literal(filter.source);
    compact.type_bytes = static_cast<std::uint8_t>(type.size());
    compact.type_ending = filter.type.ending();
    compact.source_bytes = static_cast<std::uint8_t>(source.size());
    compact.source_ending = filter.source.ending();
    if (type.size() + source.size() > CompactRule::kTextBytes) {
        compact.text_place = static_cast<std::uint32_t>(texts_.size());
        texts_.append(type).append(source);
        return;
    }
    std::ranges::copy(source, std::ranges::copy(type, compact.texts.begin()).out);
}

/// Of the rule of the next rank.
Result<> RuleTable::resolve_health(const Rule& rule, const Names& names) {
    if (!rule.conditions.health.empty() && health_begins_.empty()) {
        health_begins_.reserve(rules_.rules.size());
        health_begins_.resize(compact_.size());
    }
    if (!rule.conditions.health.empty() || !health_begins_.empty())
        health_begins_.push_back(static_cast<std::uint32_t>(health_.size()));
    for (const auto& [name, states] : rule.conditions.health) {
        const auto instance = names.find(name);
        if (!instance) return std::unexpected(instance.error());
        health_.push_back({static_cast<std::uint32_t>(*instance), states});
    }
    return {};
}

Result<> RuleTable::resolve_action(const Rule& rule, std::span<const InstanceInfo> instances,
                                   const Names& names, CompactRule& compact) {
    const std::size_t begin = instances_.size();
    if (const auto* deliver = std::get_if<Deliver>(&rule.action)) {
        for (const auto& name : deliver->instances) {
            const auto instance = names.find(name);
            if (!instance) return std::unexpected(instance.error());
            const auto index = static_cast<std::uint32_t>(*instance);
            const auto given = std::span(instances_).subspan(begin);
            if (std::ranges::find(given, index) != given.end()) {
                return std::unexpected(
                    Error{Errc::invalid_argument,
                          fmt::format("deliver: {} is named twice", base::in_quotes(name))});
            }
            instances_.push_back(index);
        }
    } else if (const auto* to_pool = std::get_if<ToPool>(&rule.action)) {
        const auto found = std::ranges::find(pools_, to_pool->pool, &NamedPool::name);
        if (found == pools_.end()) {
            std::vector<std::string_view> known;
            for (const auto& pool : pools_) known.push_back(pool.name);
            return std::unexpected(
                Error{Errc::invalid_argument, no_such("pool", to_pool->pool, known)});
        }
        compact.place = static_cast<std::uint32_t>(found - pools_.begin());
        compact.to_pool = true;
        compact.strategy = to_pool->strategy;
        return {};
    } else if (const auto* broadcast = std::get_if<Broadcast>(&rule.action)) {
        for (std::size_t i = 0; i < instances.size(); ++i) {
            if (broadcast->instances.matches(instances[i].name))
                instances_.push_back(static_cast<std::uint32_t>(i));
        }
        if (instances_.size() == begin) {
            return std::unexpected(Error{
                Errc::invalid_argument, fmt::format("broadcast: no instance has a name like {}",
                                                    base::in_quotes(broadcast->instances.text()))});
        }
    }
    compact.instances = static_cast<std::uint32_t>(instances_.size() - begin);
    compact.place = static_cast<std::uint32_t>(begin);
    if (compact.instances == 1) {
        compact.place = instances_.back();
        instances_.pop_back();
    }
    return {};
}

Delivery RuleTable::delivery(std::size_t rank) const noexcept {
    const CompactRule& rule = compact_[rank];
    if (rule.to_pool) return {.instances = {}, .pool = rule.place, .strategy = rule.strategy};
    const std::uint32_t* const first =
        rule.instances == 1 ? &rule.place : instances_.data() + rule.place;
    return {.instances = {first, rule.instances}, .pool = std::nullopt};
}

Health RuleTable::health_of(std::size_t rank, std::size_t condition,
                            const RouteState& state) const noexcept {
    if (state.instances == nullptr) return Health::healthy;
    return state.instances->health(health_[health_begins_[rank] + condition].instance);
}

RulePart RuleTable::refusal(std::size_t rank, const EventView& event,
                            const RouteState& state) const noexcept {
    const Rule& rule = this->rule(rank);
    const Filter& filter = rule.filter;
    if (!rule.enabled) return RulePart::disabled;
    if (!filter.categories.contains(event.category)) return RulePart::category;
    if (!filter.type.matches(event.type)) return RulePart::type;
    if (!filter.source.matches(event.source)) return RulePart::source;
    if (!filter.event_priorities.contains(event.priority)) return RulePart::event_priority;
    if (!filter.targets.empty() && !names_one_of(event.targets, filter.targets))
        return RulePart::targets;
    if (event.payload_bytes < filter.payload_bytes_min ||
        event.payload_bytes > filter.payload_bytes_max)
        return RulePart::payload;
    const Conditions& conditions = rule.conditions;
    for (std::size_t i = 0; i < conditions.health.size(); ++i) {
        if (!health_[health_begins_[rank] + i].states.contains(health_of(rank, i, state)))
            return RulePart::health;
    }
    if (conditions.queue_above && !(state.queue_fill > *conditions.queue_above))
        return RulePart::queue;
    if (conditions.queue_below && !(state.queue_fill < *conditions.queue_below))
        return RulePart::queue;
    if (conditions.time && !conditions.time->contains(state.now)) return RulePart::time;
    return RulePart::none;
}

/// Whether the rule of that rank, which is enabled, does not refuse `event`; what can be judged
/// without a look at its texts comes first.
bool RuleTable::matches(std::uint32_t rank, const EventView& event,
                        const RouteState& state) const noexcept {
    const CompactRule& rule = compact_[rank];
    if (!rule.categories.contains(event.category) ||
        !rule.event_priorities.contains(event.priority) ||
        event.payload_bytes < rule.payload_bytes_min ||
        event.payload_bytes > rule.payload_bytes_max)
        return false;
    const std::size_t bytes = std::size_t{rule.type_bytes} + rule.source_bytes;
    const char* const texts =
        bytes <= CompactRule::kTextBytes ? rule.texts.data() : texts_.data() + rule.text_place;
    if (rule.type_bytes > 0 &&
        !Pattern::matches({texts, rule.type_bytes}, rule.type_ending, event.type))
        return false;
    if (rule.source_bytes > 0 && !Pattern::matches({texts + rule.type_bytes, rule.source_bytes},
                                                   rule.source_ending, event.source))
        return false;
    return !rule.asks_more || refusal(rank, event, state) == RulePart::none;
}

Decision RuleTable::route(const EventView& event, const RouteState& state) const noexcept {
    Decision decision;
    index_.find(event, decision.cost, [&](std::span<const RuleIndex::Bucket> buckets) {
        for (const auto& bucket : buckets) __builtin_prefetch(&compact_[*bucket.ranks]);
        for (const auto& bucket : buckets) {
            for (const std::uint32_t rank : bucket) {
                if (rank >= decision.limit()) break;
                ++decision.cost.candidates;
                if (matches(rank, event, state)) decision.add(rank, compact_[rank].stops);
            }
        }
    });
    return decision;
}

std::size_t RuleTable::bytes_used() const noexcept {
    return index_.bytes_used() + compact_.capacity() * sizeof(CompactRule) +
           (order_.capacity() + instances_.capacity() + health_begins_.capacity()) *
               sizeof(std::uint32_t) +
           texts_.capacity() + health_.capacity() * sizeof(HealthCondition);
}

}  // namespace crucible::runtime
