#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
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

    /// Ranks of rules that can match, in order: those of one key. Not a span: an array of those is
    /// filled with zeros, which takes as long as looking them up.
    struct Bucket {
        const std::uint32_t* ranks;
        std::size_t size;

        bool empty() const noexcept { return size == 0; }
        const std::uint32_t* begin() const noexcept { return ranks; }
        const std::uint32_t* end() const noexcept { return ranks + size; }
    };

    /// Calls `visit(buckets)` with what is found for the event, several buckets at once, so that
    /// what is known of their rules can be fetched together. A rule may come up in several.
    /// Allocates nothing.
    template <typename Visit>
    void find(const EventView& event, RouteCost& cost, Visit&& visit) const noexcept {
        if (kinds_.empty()) return;
        Keys types;
        Keys sources;
        Tags tags;
        const std::size_t count = tags_of(event, types, sources, tags);
        cost.lookups += static_cast<std::uint32_t>(count);
        std::array<Bucket, kKindsMax> buckets;
        std::size_t found = 0;
        const auto look_up = [&](std::uint32_t tag) {
            if (const Bucket bucket = bucket_of(tag); !bucket.empty()) buckets[found++] = bucket;
        };
        for (std::size_t i = 0; i < count; ++i) look_up(tags[i]);
        if (kinds_with_targets_ > 0) {
            const std::size_t targets = std::min(event.targets.size(), kTargetsLookedAt);
            for (std::size_t i = 0; i < targets; ++i) {
                // Room for one bucket of each kind.
                if (found + kinds_with_targets_ > buckets.size())
                    visit(std::span(buckets.data(), std::exchange(found, 0)));
                const std::uint64_t target = hash(event.targets[i]);
                for (const Kind& kind : std::span(kinds_).last(kinds_with_targets_)) {
                    const std::uint64_t key = key_of(kind, types, sources);
                    if (key == kNoKey) continue;
                    ++cost.lookups;
                    look_up(tag_of(combine(key, target)));
                }
            }
        }
        visit(std::span(buckets.data(), found));
    }

    /// What an event is looked up by, but for its targets.
    using Tags = std::array<std::uint32_t, kKindsMax>;
    /// How many `tags` it has. Begins to fetch the slots that they are looked for in.
    std::size_t tags_of(const EventView& event, Tags& tags) const noexcept {
        Keys types;
        Keys sources;
        return tags_of(event, types, sources, tags);
    }
    Bucket bucket_of(std::uint32_t tag) const noexcept {
        const Slot* slot = &slots_[home_of(tag)];
        while (slot->tag < tag) ++slot;
        if (slot->tag != tag) return {};
        if ((slot->value & kListed) == 0) return {&slot->value, 1};
        const std::uint32_t* const list = lists_.data() + (slot->value & ~kListed);
        return {list + 1, *list};
    }

private:
    static constexpr std::uint64_t kNoKey = 0;  ///< the text cannot match a pattern of this shape
    static constexpr std::uint32_t kNoTag = UINT32_MAX;  ///< the slot is empty
    static constexpr std::uint32_t kListed = 1u << 31;
    using Keys = std::array<std::uint64_t, kKindsMax>;
    class Segments;

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
    /// Eight of them are a cache line.
    struct Slot {
        std::uint32_t tag = kNoTag;
        std::uint32_t value = 0;  ///< a rank, or kListed and a place in lists_
    };
    /// A rule under one of its keys.
    struct Entry {
        std::uint64_t key = kNoKey;
        std::uint32_t rank = 0;
        friend auto operator<=>(const Entry&, const Entry&) = default;
    };

    std::uint64_t hash(std::string_view text) const noexcept;
    /// Folds a 128-bit product; the result is never kNoKey.
    static std::uint64_t combine(std::uint64_t a, std::uint64_t b) noexcept {
        __extension__ using Wide = unsigned __int128;
        const Wide product = static_cast<Wide>(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xe7037ed1a0b428dbu);
        return (static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64)) |
               1u;
    }
    static std::uint64_t category_key(Category category) noexcept {
        return static_cast<std::uint64_t>(category) + 1;
    }
    /// Keys with one tag share a bucket: few, and RuleTable tells their rules apart.
    static std::uint32_t tag_of(std::uint64_t key) noexcept {
        return std::min(static_cast<std::uint32_t>(key >> 32), kNoTag - 1);
    }
    /// Goes up with the tag: slots are in the order of their tags, and looking for one ends at the
    /// first that is not smaller.
    std::size_t home_of(std::uint32_t tag) const noexcept {
        return static_cast<std::size_t>(std::uint64_t{tag} * homes_ >> 32);
    }
    static std::uint64_t key_of(const Kind& kind, const Keys& types, const Keys& sources) noexcept {
        const std::uint64_t type = types[kind.type];
        const std::uint64_t source = sources[kind.source];
        return type == kNoKey || source == kNoKey ? kNoKey : combine(kind.seed ^ type, source);
    }
    static Shape shape_of(const Pattern& pattern) noexcept;
    void keys_of(std::string_view text, std::span<const Shape> shapes, Keys& keys) const noexcept;
    std::size_t tags_of(const EventView& event, Keys& types, Keys& sources,
                        Tags& tags) const noexcept;

    static Result<std::uint8_t> place_of(const Shape& shape, std::vector<Shape>& shapes);
    Result<Kind> kind_of(const Rule& rule);
    void add_entries(const Rule& rule, std::uint32_t rank, const Kind& kind,
                     std::vector<Entry>& entries) const;
    Result<> fill(std::vector<Entry> entries, std::span<const Rule* const> ranked);
    std::uint32_t value_of(std::span<const Entry> entries);

    std::uint64_t seed_ = 0;  ///< of all hashes
    std::vector<Shape> type_shapes_;
    std::vector<Shape> source_shapes_;
    std::vector<Kind> kinds_;  ///< those that name targets last
    std::size_t kinds_with_targets_ = 0;
    std::size_t homes_ = 1;
    std::vector<Slot> slots_;           ///< one that is empty at the end
    std::vector<std::uint32_t> lists_;  ///< number of ranks, ranks; of tags with several
};

}  // namespace crucible::runtime
