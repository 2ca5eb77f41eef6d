#include "lab/profile/stack_profile.h"

#include <algorithm>
#include <limits>
#include <ranges>
#include <utility>

#include "base/assert.h"

namespace crucible::lab {
namespace {

std::size_t sample_hash(std::span<const std::uint64_t> stack, std::string_view owner,
                        std::string_view thread) {
    // FNV-1a over whole words.
    std::size_t hash = 0xcbf29ce484222325;
    const auto mix = [&hash](std::size_t word) { hash = (hash ^ word) * 0x100000001b3; };
    for (const auto address : stack) mix(address);
    mix(std::hash<std::string_view>()(owner));
    mix(std::hash<std::string_view>()(thread));
    return hash;
}

std::int64_t saturated_sum(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return b > 0 ? std::numeric_limits<std::int64_t>::max()
                 : std::numeric_limits<std::int64_t>::min();
}

}  // namespace

std::vector<ValueKind> allocation_kinds() {
    return {{"alloc_objects", "count"},
            {"alloc_space", "bytes"},
            {"inuse_objects", "count"},
            {"inuse_space", "bytes"},
            {"lifetime", "byte_seconds"}};
}

StackProfile::StackProfile(std::vector<MappedModule> modules, std::vector<ValueKind> kinds,
                           Capture capture)
    : modules_(std::move(modules)), kinds_(std::move(kinds)), capture_(std::move(capture)) {
    std::ranges::stable_sort(modules_, {}, &MappedModule::start);
}

std::size_t StackProfile::add(std::span<const std::uint64_t> stack, std::string_view owner,
                              std::string_view thread, std::span<const std::int64_t> values) {
    CRUCIBLE_ASSERT(values.size() == kinds_.size());
    const auto hash = sample_hash(stack, owner, thread);
    const auto [first, last] = by_hash_.equal_range(hash);
    for (const auto& index : std::ranges::subrange(first, last) | std::views::values) {
        auto& sample = samples_[index];
        if (!std::ranges::equal(sample.stack, stack) || sample.owner != owner ||
            sample.thread != thread)
            continue;
        for (std::size_t i = 0; i < values.size(); ++i)
            sample.values[i] = saturated_sum(sample.values[i], values[i]);
        return index;
    }
    by_hash_.emplace(hash, samples_.size());
    samples_.push_back({.stack = {stack.begin(), stack.end()},
                        .owner = std::string(owner),
                        .thread = std::string(thread),
                        .values = {values.begin(), values.end()}});
    return samples_.size() - 1;
}

}  // namespace crucible::lab
