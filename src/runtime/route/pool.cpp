#include "runtime/route/pool.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <utility>

#include "base/assert.h"

namespace crucible::runtime {

Pool::Pool(std::vector<Member> members)
    : members_(std::move(members)), current_weights_(members_.size()) {
    CRUCIBLE_ASSERT(!members_.empty());
}

/// The first available member, from whose turn it is, that no other is better than.
template <typename Better>
std::optional<std::size_t> Pool::best_in_turn(const InstanceStates& states,
                                              Better better) noexcept {
    const std::size_t count = members_.size();
    std::size_t turn = turn_.load(std::memory_order_relaxed);
    for (;;) {
        std::optional<std::size_t> best;
        for (std::size_t step = 0; step < count; ++step) {
            const std::size_t at = turn + step < count ? turn + step : turn + step - count;
            if (!states.available(members_[at].instance)) continue;
            if (!best || better(members_[at], members_[*best])) best = at;
        }
        if (!best) return std::nullopt;
        // Only who moves the turn on from where it looked has chosen: else two threads that looked
        // at once would both have this member, and its neighbour none.
        const std::size_t next = *best + 1 < count ? *best + 1 : 0;
        if (turn_.compare_exchange_weak(turn, next, std::memory_order_relaxed))
            return members_[*best].instance;
    }
}

std::optional<std::size_t> Pool::by_weight(const InstanceStates& states) noexcept {
    const std::lock_guard lock(weights_mutex_);
    std::int64_t total = 0;
    std::optional<std::size_t> best;
    for (std::size_t at = 0; at < members_.size(); ++at) {
        if (!states.available(members_[at].instance)) continue;
        current_weights_[at] += members_[at].weight;
        total += members_[at].weight;
        if (!best || current_weights_[at] > current_weights_[*best]) best = at;
    }
    if (!best) return std::nullopt;
    current_weights_[*best] -= total;
    return members_[*best].instance;
}

std::optional<std::size_t> Pool::by_source(std::string_view source,
                                           const InstanceStates& states) const noexcept {
    const std::uint64_t hash = XXH3_64bits(source.data(), source.size());
    std::optional<std::size_t> best;
    std::uint64_t best_score = 0;
    for (const auto& member : members_) {
        if (!states.available(member.instance)) continue;
        const std::uint64_t words[2] = {hash, member.instance};
        const std::uint64_t score = XXH3_64bits(words, sizeof words);
        if (best && score <= best_score) continue;
        best = member.instance;
        best_score = score;
    }
    return best;
}

std::optional<std::size_t> Pool::pick(Strategy strategy, std::string_view source,
                                      const InstanceStates& states) noexcept {
    switch (strategy) {
        case Strategy::by_source:
            return by_source(source, states);
        case Strategy::round_robin:
            return best_in_turn(states, [](const Member&, const Member&) { return false; });
        case Strategy::least_in_flight:
            return best_in_turn(states, [&states](const Member& a, const Member& b) {
                return states.in_flight(a.instance) < states.in_flight(b.instance);
            });
        case Strategy::weighted:
            return by_weight(states);
        case Strategy::health:
            return best_in_turn(states, [&states](const Member& a, const Member& b) {
                return states.health(a.instance) == Health::healthy &&
                       states.health(b.instance) != Health::healthy;
            });
        case Strategy::priority:
            return best_in_turn(
                states, [](const Member& a, const Member& b) { return a.priority > b.priority; });
    }
    return std::nullopt;
}

}  // namespace crucible::runtime
