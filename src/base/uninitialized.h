#pragma once

#include <memory>
#include <new>
#include <utility>

namespace crucible::base {

/// For std::vector: elements that are made without a value are left as the memory is. Writing zeros
/// over what is about to be overwritten is a good part of the cost of copying it.
template <typename T>
struct UninitializedAllocator : std::allocator<T> {
    template <typename U>
    struct rebind {
        using other = UninitializedAllocator<U>;
    };

    UninitializedAllocator() = default;
    template <typename U>
    constexpr UninitializedAllocator(const UninitializedAllocator<U>&) noexcept {}

    template <typename U>
    void construct(U* at) noexcept {
        ::new (static_cast<void*>(at)) U;
    }
    template <typename U, typename... Args>
    void construct(U* at, Args&&... args) {
        std::construct_at(at, std::forward<Args>(args)...);
    }
};

}  // namespace crucible::base
