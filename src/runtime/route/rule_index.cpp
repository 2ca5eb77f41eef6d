#include "runtime/route/rule_index.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>

#include "base/text.h"

namespace crucible::runtime {
namespace {

/// The segments of a text as far as a pattern can name them.
struct Segments {
    std::array<std::string_view, Pattern::kSegmentsMax> texts;
    std::size_t count = 0;  ///< kSegmentsMax + 1: there are more
};

Segments split(std::string_view text) noexcept {
    Segments segments;
    for (Segment segment; !segment.last;) {
        segment = take_segment(text);
        if (segments.count == Pattern::kSegmentsMax) {
            ++segments.count;
            break;
        }
        segments.texts[segments.count++] = segment.text;
    }
    return segments;
}

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

std::uint64_t RuleIndex::hash(std::string_view text) noexcept {
    return XXH3_64bits(text.data(), text.size()) | 1u;
}

/// Folds a 128-bit product; the result is never kNoKey.
std::uint64_t RuleIndex::combine(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xe7037ed1a0b428dbu);
    return (static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64)) | 1u;
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
void RuleIndex::keys_of(std::string_view text, std::span<const Shape> shapes, Keys& keys) noexcept {
    Segments segments;
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
        if (segments.count == 0) segments = split(text);
        if (shape.ending == Pattern::Ending::rest ? segments.count < shape.segments
                                                  : segments.count != shape.segments)
            continue;
        std::uint64_t key = 1;
        bool fits = true;
        for (unsigned bits = shape.literals; bits != 0 && fits; bits &= bits - 1) {
            const auto segment = segments.texts[static_cast<std::size_t>(std::countr_zero(bits))];
            fits = segment.size() <= Pattern::kBytesMax;
            if (fits) key = combine(key, hash(segment));
        }
        if (shape.ending == Pattern::Ending::prefix && fits) {
            const auto last = segments.texts[segments.count - 1u];
            fits = last.size() >= shape.prefix_bytes;
            if (fits) key = combine(key, hash(last.substr(0, shape.prefix_bytes)));
        }
        if (fits) keys[i] = key;
    }
}

std::span<const std::uint32_t> RuleIndex::bucket(std::uint64_t key,
                                                 RouteCost& cost) const noexcept {
    ++cost.lookups;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = key >> 1 & mask;; at = (at + 1) & mask) {
        const Slot& slot = slots_[at];
        if (slot.count == 0) return {};
        if (slot.key == key) return {candidates_.data() + slot.first, slot.count};
    }
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
        kinds_.push_back(kind);
    }
    return kind;
}

void RuleIndex::add_entries(const Rule& rule, std::uint32_t rank, const Kind& kind,
                            std::vector<Entry>& entries) {
    Keys type;
    Keys source;
    const Shape type_shape = shape_of(rule.filter.type);
    const Shape source_shape = shape_of(rule.filter.source);
    keys_of(rule.filter.type.text(), {&type_shape, 1}, type);
    keys_of(rule.filter.source.text(), {&source_shape, 1}, source);
    const std::uint64_t key = combine(combine(kind.seed, type[0]), source[0]);
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
    std::vector<Entry> entries;
    for (std::size_t rank = 0; rank < ranked.size(); ++rank) {
        const Rule& rule = *ranked[rank];
        if (!rule.enabled) continue;
        const auto kind = index.kind_of(rule);
        if (!kind) return std::unexpected(kind.error());
        add_entries(rule, static_cast<std::uint32_t>(rank), *kind, entries);
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
    std::size_t keys = 0;
    for (std::size_t i = 0; i < entries.size(); ++i)
        keys += i == 0 || entries[i].key != entries[i - 1].key ? 1 : 0;
    slots_.assign(std::bit_ceil(std::max<std::size_t>(2 * keys, 2)), {});
    candidates_.reserve(entries.size());
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t first = 0; first < entries.size();) {
        const std::uint64_t key = entries[first].key;
        std::size_t at = key >> 1 & mask;
        while (slots_[at].count != 0) at = (at + 1) & mask;
        std::size_t end = first;
        for (; end < entries.size() && entries[end].key == key; ++end) {
            if (end - first == kCandidatesMax) {
                return refused(
                    *ranked[entries[end].rank],
                    fmt::format("{} rules before it ask for the same type, source and targets; no "
                                "more can be told apart",
                                kCandidatesMax));
            }
            candidates_.push_back(entries[end].rank);
        }
        slots_[at] = {key, static_cast<std::uint32_t>(first),
                      static_cast<std::uint32_t>(end - first)};
        first = end;
    }
    return {};
}

std::size_t RuleIndex::bytes_used() const noexcept {
    return sizeof *this + slots_.capacity() * sizeof(Slot) +
           candidates_.capacity() * sizeof(std::uint32_t) + kinds_.capacity() * sizeof(Kind) +
           (type_shapes_.capacity() + source_shapes_.capacity()) * sizeof(Shape);
}

}  // namespace crucible::runtime
