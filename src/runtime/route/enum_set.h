#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "crucible/event.h"
#include "runtime/service/health_registry.h"

namespace crucible::runtime {

/// A set of enumerators numbered from 0; a plain value.
template <typename Enum, std::size_t kCount>
class EnumSet {
    static_assert(kCount <= 8);

public:
    constexpr EnumSet() = default;
    constexpr EnumSet(std::initializer_list<Enum> values) {
        for (const Enum value : values) add(value);
    }
    static constexpr EnumSet all() noexcept {
        EnumSet set;
        set.bits_ = static_cast<std::uint8_t>((1u << kCount) - 1);
        return set;
    }

    constexpr void add(Enum value) noexcept {
        bits_ = static_cast<std::uint8_t>(bits_ | 1u << static_cast<unsigned>(value));
    }
    /// False for what is no enumerator: a value read from elsewhere is safe to ask for.
    constexpr bool contains(Enum value) const noexcept {
        const auto index = static_cast<std::size_t>(value);
        return index < kCount && (bits_ >> index & 1u) != 0;
    }
    constexpr bool empty() const noexcept { return bits_ == 0; }
    constexpr bool is_all() const noexcept { return *this == all(); }

    friend bool operator==(const EnumSet&, const EnumSet&) = default;

private:
    std::uint8_t bits_ = 0;
};

using CategorySet = EnumSet<Category, kCategoryCount>;
using PrioritySet = EnumSet<Priority, kPriorityCount>;
using HealthSet = EnumSet<Health, kHealthCount>;

}  // namespace crucible::runtime
