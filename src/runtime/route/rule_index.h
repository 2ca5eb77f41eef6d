#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "runtime/event/event_view.h"
#include "runtime/route/rule.h"

namespace crucible::runtime {

/// What finding the rules of one event took; independent of how many rules there are.
struct RouteCost {
    std::uint32_t lookups = 0;     ///< buckets looked for
    std::uint32_t candidates = 0;  ///< rules looked at
};

/// Finds the rules that can match an event without looking at the others.
///
/// What a rule gives literally (segments of type and source, names of targets) makes its key, and
/// which parts these are its *kind*. An event is looked up once for each kind that occurs (for each
/// of its targets, where the kind names targets), with the same parts of itself as the key. So the
/// number of lookups depends on the kinds, of which at most kKindsMax may occur, and the number of
/// candidates behind each on the rules of one key, at most kCandidatesMax. The category, which has
/// only seven values, is part of the key only where nothing else is. Immutable.
class RuleIndex {
public:
    static constexpr std::size_t kKindsMax = 64;
    static constexpr std::size_t kCandidatesMax = 128;
    /// Of an event's targets so many are looked at, from the first: an event may name a thousand.
    static constexpr std::size_t kTargetsLookedAt = 64;

    RuleIndex() = default;
    /// `ranked`: from the first to be looked at to the last; disabled ones are left out.
    /// - Errc::invalid_argument: kKindsMax or kCandidatesMax would be passed; the message names the
    ///   rule that does.
    static Result<RuleIndex> build(std::span<const Rule* const> ranked);

    std::size_t kinds() const noexcept { return kinds_.size(); }
    std::size_t bytes_used() const noexcept;

    /// Calls `visit(candidates)` for each bucket of the event: ranks of rules that can match it, in
    /// order. A rule may come up in several. Allocates nothing.
    template <typename Visit>
    void find(const EventView& event, RouteCost& cost, Visit&& visit) const noexcept {
        if (kinds_.empty()) return;
        Keys types;
        Keys sources;
        keys_of(event.type, type_shapes_, types);
        keys_of(event.source, source_shapes_, sources);
        for (const Kind& kind : kinds_) {
            const std::uint64_t type = types[kind.type];
            const std::uint64_t source = sources[kind.source];
            if (type == kNoKey || source == kNoKey) continue;
            const std::uint64_t key = combine(combine(kind.seed, type), source);
            if (kind.category) {
                visit(bucket(combine(key, category_key(event.category)), cost));
            } else if (!kind.targets) {
                visit(bucket(key, cost));
            } else {
                const std::size_t targets = std::min(event.targets.size(), kTargetsLookedAt);
                for (std::size_t i = 0; i < targets; ++i)
                    visit(bucket(combine(key, hash(event.targets[i])), cost));
            }
        }
    }

private:
    static constexpr std::uint64_t kNoKey = 0;  ///< the text cannot match a pattern of this shape
    using Keys = std::array<std::uint64_t, kKindsMax>;

    /// Which parts of a text a pattern gives literally.
    struct Shape {
        bool any = true;  ///< none: it matches every text
        Pattern::Ending ending = Pattern::Ending::text;
        std::uint8_t segments = 0;
        std::uint8_t prefix_bytes = 0;  ///< of the last segment, without the asterisk
        std::uint16_t literals = 0;     ///< bit i: segment i
        friend bool operator==(const Shape&, const Shape&) = default;
    };
    struct Kind {
        std::uint8_t type = 0;  ///< of type_shapes_
        std::uint8_t source = 0;
        bool targets = false;
        bool category = false;
        std::uint64_t seed = 0;
        friend bool operator==(const Kind&, const Kind&) = default;
    };
    struct Slot {
        std::uint64_t key = kNoKey;
        std::uint32_t first = 0;  ///< of candidates_
        std::uint32_t count = 0;  ///< 0: the slot is empty
    };
    /// A rule under one of its keys.
    struct Entry {
        std::uint64_t key = kNoKey;
        std::uint32_t rank = 0;
        friend auto operator<=>(const Entry&, const Entry&) = default;
    };

    static std::uint64_t hash(std::string_view text) noexcept;
    static std::uint64_t combine(std::uint64_t a, std::uint64_t b) noexcept;
    static std::uint64_t category_key(Category category) noexcept {
        return static_cast<std::uint64_t>(category) + 1;
    }
    static Shape shape_of(const Pattern& pattern) noexcept;
    static void keys_of(std::string_view text, std::span<const Shape> shapes, Keys& keys) noexcept;
    std::span<const std::uint32_t> bucket(std::uint64_t key, RouteCost& cost) const noexcept;

    static Result<std::uint8_t> place_of(const Shape& shape, std::vector<Shape>& shapes);
    Result<Kind> kind_of(const Rule& rule);
    static void add_entries(const Rule& rule, std::uint32_t rank, const Kind& kind,
                            std::vector<Entry>& entries);
    Result<> fill(std::vector<Entry> entries, std::span<const Rule* const> ranked);

    std::vector<Shape> type_shapes_;
    std::vector<Shape> source_shapes_;
    std::vector<Kind> kinds_;
    std::vector<Slot> slots_;  ///< open addressing; a power of two, at least twice the keys
    std::vector<std::uint32_t> candidates_;  ///< ranks; those of one key side by side, in order
};

}  // namespace crucible::runtime
