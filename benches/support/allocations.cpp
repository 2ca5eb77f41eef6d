#include "support/allocations.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace crucible::bench {
namespace {

// Threads count in slots of their own: one shared counter would bounce between the cores and slow
// down what is being measured. With more threads than slots some share one, which is slower but as
// exact.
struct alignas(64) Slot {
    std::atomic<std::uint64_t> count = 0;
    std::atomic<std::uint64_t> bytes = 0;
};
constinit std::array<Slot, 64> slots;
constinit std::atomic<std::uint32_t> threads_seen = 0;

Slot& slot_of_this_thread() noexcept {
    // Constant-initialised, so that reading it cannot allocate in turn.
    static thread_local constinit Slot* slot = nullptr;
    if (slot == nullptr)
        slot = &slots[threads_seen.fetch_add(1, std::memory_order_relaxed) % slots.size()];
    return *slot;
}

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
    Slot& slot = slot_of_this_thread();
    slot.count.fetch_add(1, std::memory_order_relaxed);
    slot.bytes.fetch_add(bytes, std::memory_order_relaxed);
    if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes == 0 ? 1 : bytes);
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
    if (void* memory = allocate(bytes, alignment)) return memory;
    throw std::bad_alloc();
}

}  // namespace

Allocations allocations() noexcept {
    Allocations total;
    for (const auto& slot : slots)
        total += {slot.count.load(std::memory_order_relaxed),
                  slot.bytes.load(std::memory_order_relaxed)};
    return total;
}

}  // namespace crucible::bench

// The standard's array and nothrow forms call the first of these; a sanitizer's runtime has its
// own, whose memory std::free() may not take, so all are replaced.
void* operator new(std::size_t bytes) {
    return crucible::bench::allocate_or_throw(bytes, 1);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    try {
        return crucible::bench::allocate_or_throw(bytes, 1);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
void* operator new[](std::size_t bytes) {
    return ::operator new(bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t& nothrow) noexcept {
    return ::operator new(bytes, nothrow);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return crucible::bench::allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
