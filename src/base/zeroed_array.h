#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace crucible::base {

/// A fixed number of values that are all zero bits at first. A large one is taken from the kernel
/// without touching it: what is never written never becomes resident memory.
template <typename T>
class ZeroedArray {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

public:
    /// Throws std::bad_alloc.
    explicit ZeroedArray(std::size_t size)
        : values_(static_cast<T*>(std::calloc(size, sizeof(T)))), size_(size) {
        if (values_ == nullptr && size > 0) throw std::bad_alloc();
    }

    std::size_t size() const noexcept { return size_; }
    T& operator[](std::size_t index) noexcept { return values_.get()[index]; }
    const T& operator[](std::size_t index) const noexcept { return values_.get()[index]; }

private:
    struct Free {
        void operator()(T* values) const noexcept { std::free(values); }
    };
    std::unique_ptr<T, Free> values_;
    std::size_t size_;
};

}  // namespace crucible::base
