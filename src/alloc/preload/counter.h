#pragma once

#include <cstdint>

namespace crucible::alloc {

/// Adds to a counter that only this thread writes and anybody may read. One instruction: a signal
/// handler that allocates cannot come between its reading and its writing, and be undone.
template <class Integer>
inline void add(Integer& counter, std::uint64_t amount) noexcept {
    static_assert(sizeof(Integer) == 8);
#if defined(__x86_64__)
    asm("addq %1, %0" : "+m"(counter) : "er"(amount) : "cc");
#else
    // With a lock: slower, and as exact.
    __atomic_fetch_add(&counter, static_cast<Integer>(amount), __ATOMIC_RELAXED);
#endif
}

template <class Integer>
inline Integer load(const Integer& counter) noexcept {
    return __atomic_load_n(&counter, __ATOMIC_RELAXED);
}

template <class Integer>
inline void store(Integer& counter, Integer value) noexcept {
    __atomic_store_n(&counter, value, __ATOMIC_RELAXED);
}

/// Makes `peak` at least `value`; from any thread.
inline void raise(std::int64_t& peak, std::int64_t value) noexcept {
    std::int64_t seen = load(peak);
    while (seen < value && !__atomic_compare_exchange_n(&peak, &seen, value, true, __ATOMIC_RELAXED,
                                                        __ATOMIC_RELAXED)) {
    }
}

}  // namespace crucible::alloc
