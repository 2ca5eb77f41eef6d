#include "alloc/preload/call_stack.h"

#include <unistd.h>

extern "C" {
/// glibc: where the main thread's stack was when the process began.
extern void* __libc_stack_end;
}

namespace crucible::alloc {
namespace {

constinit std::uintptr_t main_thread = 0;

/// How far the main thread's stack may have grown since it was looked at.
constexpr std::uintptr_t kGrowthMax = std::uintptr_t{1} << 30;
/// How often it is looked at in vain: for one whose coroutines' stacks lie just below its own.
constexpr std::uint32_t kMissesMax = 64;

/// glibc has a thread's control block at the top of its stack.
std::uintptr_t control_block() noexcept {
#if defined(__x86_64__)
    return reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
#else
    return 0;
#endif
}

}  // namespace

void remember_main_thread() noexcept {
    if (::getpid() == ::gettid()) main_thread = control_block();
}

bool OwnStack::find() noexcept {
    const std::uintptr_t own = control_block();
    const bool is_main = own == main_thread;
    const auto top = is_main ? reinterpret_cast<std::uintptr_t>(__libc_stack_end) : own;
    Mapping mapping;
    // One mapping from end to end: nothing in it can be missing.
    if (own == 0 || top == 0 || !find_mapping(top - 1, mapping)) {
        top_ = 1;
        return false;
    }
    grows_ = is_main;
    low_ = mapping.begin;
    top_ = top;
    return true;
}

bool OwnStack::reaches(std::uintptr_t sp) noexcept {
    if (!grows_ || low_ - sp > kGrowthMax || misses_ == kMissesMax) return false;
    Mapping mapping;
    if (find_mapping(top_ - 1, mapping)) low_ = mapping.begin;
    if (sp >= low_) return true;
    ++misses_;
    return false;
}

}  // namespace crucible::alloc
