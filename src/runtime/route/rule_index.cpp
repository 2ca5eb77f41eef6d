#include "runtime/route/rule_index.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/text.h"
#include "runtime/route/keyed_hash.h"

namespace crucible::runtime {
namespace {

std::unexpected<Error> refused(const Rule& rule, std::string_view why) {
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("rule {}: {}", base::in_quotes(rule.id), why)});
}

std::unexpected<Error> too_many_kinds(const Rule& rule) {
    return refused(rule, fmt::format("its mix of wildcards (type {}, source {}{}) is of another "
                                     "kind than all before; at most {} kinds can be told apart",
                                     base::in_quotes(rule.filter.type.text()),
                                     base::in_quotes(rule.filter.source.text()),
                                     rule.filter.targets.empty() ? "" : ", with targets",
                                     RuleIndex::kKindsMax));
}

}  // namespace

/// The segments of a text as far as a pattern can name them, found when they are first asked for.
/// Patterns of several shapes share their hashes.
class RuleIndex::Segments {
public:
    Segments(const RuleIndex& index, std::string_view text) noexcept : index_(index), text_(text) {}

    /// kSegmentsMax + 1: there are more than can be named.
    std::size_t count() noexcept {
        if (count_ == 0) split();
        return count_;
    }
    std::string_view operator[](std::size_t i) const noexcept {
        return text_.substr(begins_[i], begins_[i + 1] - 1 - begins_[i]);
    }
    std::uint64_t hash(std::size_t i) noexcept {
        if ((hashed_ >> i & 1u) == 0) {
            hashes_[i] = index_.hash((*this)[i]);
            hashed_ |= 1u << i;
        }
        return hashes_[i];
    }

private:
    void split() noexcept {
        begins_[0] = 0;
        std::size_t at = 0;
        const auto add = [this](std::size_t dot) { begins_[++count_] = dot + 1; };
        constexpr std::uint64_t ones = 0x0101010101010101u;
        constexpr std::uint64_t low_bits = 0x7f * ones;
        // Eight bytes at once: most segments are so short that a call for each costs more.
        static_assert(std::endian::native == std::endian::little);
        for (; at + 8 <= text_.size() && count_ <= Pattern::kSegmentsMax; at += 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, text_.data() + at, sizeof word);
            word ^= '.' * ones;
            for (auto dots = ~(((word & low_bits) + low_bits) | word | low_bits);
                 dots != 0 && count_ <= Pattern::kSegmentsMax; dots &= dots - 1)
                add(at + static_cast<std::size_t>(std::countr_zero(dots)) / 8);
        }
        for (; at < text_.size() && count_ <= Pattern::kSegmentsMax; ++at)
            if (text_[at] == '.') add(at);
        if (count_ <= Pattern::kSegmentsMax) add(text_.size());
    }

    const RuleIndex& index_;
    const std::string_view text_;
    std::size_t count_ = 0;
    std::uint32_t hashed_ = 0;                                   ///< bit i: hashes_[i] is known
    std::array<std::size_t, Pattern::kSegmentsMax + 2> begins_;  ///< and one behind the last
    std::array<std::uint64_t, Pattern::kSegmentsMax> hashes_;
};

std::uint64_t RuleIndex::hash(std::string_view text) const noexcept {
    return XXH3_64bits_withSeed(text.data(), text.size(), seed_) | 1u;
}

RuleIndex::Shape RuleIndex::shape_of(const Pattern& pattern) noexcept {
    Shape shape;
    if (pattern.matches_all()) return shape;
    shape.any = false;
    shape.ending = pattern.ending();
    if (shape.ending == Pattern::Ending::text) return shape;
    std::string_view rest = pattern.text();
    for (Segment segment; !segment.last; ++shape.segments) {
        segment = take_segment(rest);
        if (segment.last && shape.ending == Pattern::Ending::prefix) {
            shape.prefix_bytes = static_cast<std::uint8_t>(segment.text.size() - 1);
        } else if (segment.text != "*" && segment.text != "**") {
            shape.literals = static_cast<std::uint16_t>(shape.literals | 1u << shape.segments);
        }
    }
    return shape;
}

/// keys[i]: the key of `text` under shapes[i]. A pattern has the same key as the texts it matches.
void RuleIndex::keys_of(std::string_view text, std::span<const Shape> shapes,
                        Keys& keys) const noexcept {
    Segments segments(*this, text);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        const Shape& shape = shapes[i];
        keys[i] = kNoKey;
        if (shape.any) {
            keys[i] = 1;
            continue;
        }
        if (shape.ending == Pattern::Ending::text) {
            if (text.size() <= Pattern::kBytesMax) keys[i] = hash(text);
            continue;
        }
        if (shape.ending == Pattern::Ending::rest ? segments.count() < shape.segments
                                                  : segments.count() != shape.segments)
            continue;
        std::uint64_t key = 1;
        bool fits = true;
        for (unsigned bits = shape.literals; bits != 0 && fits; bits &= bits - 1) {
            const auto segment = static_cast<std::size_t>(std::countr_zero(bits));
            fits = segments[segment].size() <= Pattern::kBytesMax;
            if (fits) key = combine(key, segments.hash(segment));
        }
        if (shape.ending == Pattern::Ending::prefix && fits) {
            const auto last = segments[shape.segments - 1u];
            fits = last.size() >= shape.prefix_bytes;
            if (fits) key = combine(key, hash(last.substr(0, shape.prefix_bytes)));
        }
        if (fits) keys[i] = key;
    }
}

std::size_t RuleIndex::tags_of(const EventView& event, Keys& types, Keys& sources,
                               Tags& tags) const noexcept {
    keys_of(event.type, type_shapes_, types);
    keys_of(event.source, source_shapes_, sources);
    std::size_t count = 0;
    for (const Kind& kind : std::span(kinds_).first(kinds_.size() - kinds_with_targets_)) {
        std::uint64_t key = key_of(kind, types, sources);
        if (key == kNoKey) continue;
        if (kind.category) key = combine(key, category_key(event.category));
        tags[count] = tag_of(key);
        // All at once: in a large table each of them is a cache miss.
        __builtin_prefetch(&slots_[home_of(tags[count])]);
        ++count;
    }
    return count;
}

Result<std::uint8_t> RuleIndex::place_of(const Shape& shape, std::vector<Shape>& shapes) {
    const auto found = std::ranges::find(shapes, shape);
    if (found == shapes.end() && shapes.size() == kKindsMax)
        return std::unexpected(Error{Errc::invalid_argument, {}});
    const auto place = static_cast<std::uint8_t>(found - shapes.begin());
    if (found == shapes.end()) shapes.push_back(shape);
    return place;
}

/// The kind of `rule`, which becomes one of ours.
Result<RuleIndex::Kind> RuleIndex::kind_of(const Rule& rule) {
    const Filter& filter = rule.filter;
    const auto type = place_of(shape_of(filter.type), type_shapes_);
    const auto source = place_of(shape_of(filter.source), source_shapes_);
    if (!type || !source) return too_many_kinds(rule);
    Kind kind{.type = *type, .source = *source, .targets = !filter.targets.empty()};
    kind.category = !kind.targets && filter.type.matches_all() && filter.source.matches_all() &&
                    !filter.categories.is_all();
    // Two kinds differ in one of these, so that their keys do not meet but by chance.
    kind.seed = combine(combine(kind.type + 1u, kind.source + 1u),
                        (kind.targets ? 2u : 0u) + (kind.category ? 1u : 0u));
    if (std::ranges::find(kinds_, kind) == kinds_.end()) {
        if (kinds_.size() == kKindsMax) return too_many_kinds(rule);
        kinds_.insert(
            kinds_.end() - static_cast<std::ptrdiff_t>(kind.targets ? 0 : kinds_with_targets_),
            kind);
        kinds_with_targets_ += kind.targets ? 1 : 0;
    }
    return kind;
}

void RuleIndex::add_entries(const Rule& rule, std::uint32_t rank, const Kind& kind,
                            std::vector<Entry>& entries) const {
    Keys type;
    Keys source;
    const Shape type_shape = shape_of(rule.filter.type);
    const Shape source_shape = shape_of(rule.filter.source);
    keys_of(rule.filter.type.text(), {&type_shape, 1}, type);
    keys_of(rule.filter.source.text(), {&source_shape, 1}, source);
    const std::uint64_t key = combine(kind.seed ^ type[0], source[0]);
    if (kind.category) {
        for (std::size_t i = 0; i < kCategoryCount; ++i) {
            const auto category = static_cast<Category>(i);
            if (rule.filter.categories.contains(category))
                entries.push_back({combine(key, category_key(category)), rank});
        }
    } else if (!kind.targets) {
        entries.push_back({key, rank});
    } else {
        for (const auto& target : rule.filter.targets)
            entries.push_back({combine(key, hash(target)), rank});
    }
}

Result<RuleIndex> RuleIndex::build(std::span<const Rule* const> ranked) {
    RuleIndex index;
    // Names in rules and events may be chosen by strangers: who does not know the seed cannot
    // choose them so that all are looked for in one place.
    index.seed_ = HashKey::random().low;
    std::vector<Entry> entries;
    entries.reserve(ranked.size());
    for (std::size_t rank = 0; rank < ranked.size(); ++rank) {
        const Rule& rule = *ranked[rank];
        if (!rule.enabled) continue;
        const auto kind = index.kind_of(rule);
        if (!kind) return std::unexpected(kind.error());
        index.add_entries(rule, static_cast<std::uint32_t>(rank), *kind, entries);
    }
    if (auto filled = index.fill(std::move(entries), ranked); !filled)
        return std::unexpected(filled.error());
    return index;
}

Result<> RuleIndex::fill(std::vector<Entry> entries, std::span<const Rule* const> ranked) {
    std::ranges::sort(entries);
    // A rule that names a target twice.
    const auto repeated = std::ranges::unique(entries);
    entries.erase(repeated.begin(), repeated.end());
    std::size_t tags = 0;
    for (std::size_t i = 0, of_key = 0; i < entries.size(); ++i) {
        of_key = i > 0 && entries[i].key == entries[i - 1].key ? of_key + 1 : 0;
        if (of_key == kCandidatesMax) {
            return refused(
                *ranked[entries[i].rank],
                fmt::format("{} rules before it ask for the same type, source and targets; no "
                            "more can be told apart",
                            kCandidatesMax));
        }
        tags += i == 0 || tag_of(entries[i].key) != tag_of(entries[i - 1].key) ? 1 : 0;
    }
    // Two thirds of the slots are taken: few tags are away from home, and most of those in the
    // same cache line.
    homes_ = tags + tags / 2 + 1;
    slots_.reserve(homes_ + homes_ / 64 + 64);
    for (auto rest = std::span<const Entry>(entries); !rest.empty();) {
        const std::uint32_t tag = tag_of(rest.front().key);
        std::size_t count = 1;
        while (count < rest.size() && tag_of(rest[count].key) == tag) ++count;
        slots_.resize(std::max(slots_.size(), home_of(tag)));
        slots_.push_back({tag, value_of(rest.first(count))});
        rest = rest.subspan(count);
    }
    slots_.resize(std::max(slots_.size(), homes_) + 1);
    return {};
}

/// The ranks of one tag, as a slot names them.
std::uint32_t RuleIndex::value_of(std::span<const Entry> entries) {
    if (entries.size() == 1) return entries.front().rank;
    const std::size_t place = lists_.size();
    lists_.push_back(static_cast<std::uint32_t>(entries.size()));
    for (const Entry& entry : entries) lists_.push_back(entry.rank);
    // Entries are in the order of their keys, which may be several.
    std::ranges::sort(std::span(lists_).subspan(place + 1));
    return static_cast<std::uint32_t>(place) | kListed;
}

std::size_t RuleIndex::bytes_used() const noexcept {
    return sizeof *this + slots_.capacity() * sizeof(Slot) +
           lists_.capacity() * sizeof(std::uint32_t) + kinds_.capacity() * sizeof(Kind) +
           (type_shapes_.capacity() + source_shapes_.capacity()) * sizeof(Shape);
}

}  // namespace crucible::runtime
