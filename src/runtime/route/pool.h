#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/route/instance_states.h"
#include "runtime/route/rule.h"

namespace crucible::runtime {

/// Instances that can stand for each other, and whose turn it is. Thread-safe; choosing allocates
/// nothing and takes time in proportion to the members.
///
/// - `round_robin`: the next available one after the one chosen last, so that an unavailable one
///   leaves no double share to its neighbour.
/// - `least_in_flight`: as counted at the moment of choosing; of equals the next in turn. Two
///   threads that choose at once may choose the same.
/// - `weighted`: nginx's smooth weighted round robin. Weights 5, 1, 1 make a a b a c a a.
/// - `health`, `priority`: in turn among those of the best kind that is available.
/// - `by_source`: rendezvous hashing (Thaler & Ravishankar 1998): when a member becomes
///   unavailable, only its own sources move, and they come back with it.
class Pool {
public:
    struct Member {
        std::size_t instance = 0;
        std::uint32_t weight = 1;
        std::int32_t priority = 0;
        friend bool operator==(const Member&, const Member&) = default;
    };

    /// `members`: at least one.
    explicit Pool(std::vector<Member> members);

    std::span<const Member> members() const noexcept { return members_; }

    /// The index of the instance that shall have an event of `source`; nothing when no member is
    /// available. It is for the caller to count the event in `states`.
    std::optional<std::size_t> pick(Strategy strategy, std::string_view source,
                                    const InstanceStates& states) noexcept;

private:
    template <typename Better>
    std::optional<std::size_t> best_in_turn(const InstanceStates& states, Better better) noexcept;
    std::optional<std::size_t> by_weight(const InstanceStates& states) noexcept;
    std::optional<std::size_t> by_source(std::string_view source,
                                         const InstanceStates& states) const noexcept;

    const std::vector<Member> members_;
    std::atomic<std::size_t> turn_ = 0;  ///< the member to begin with

    std::mutex weights_mutex_;
    std::vector<std::int64_t> current_weights_;
};

}  // namespace crucible::runtime
