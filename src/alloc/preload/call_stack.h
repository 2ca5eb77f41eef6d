#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "alloc/preload/process_maps.h"
#include "alloc/stack_file.h"

namespace crucible::alloc {

/// The registers of malloc's caller, as they are once malloc has returned.
struct CallSite {
    std::uintptr_t pc = 0;
    std::uintptr_t sp = 0;
    std::uintptr_t bp = 0;
};

/// Of the caller of the function that this is in: an exported one, or one that it has jumped to as
/// its last act, when every register that is the caller's has its value back.
[[gnu::always_inline]] inline CallSite call_site() noexcept {
#if defined(__x86_64__)
    const auto* const frame = static_cast<const std::uintptr_t*>(__builtin_frame_address(0));
    return {frame[1], reinterpret_cast<std::uintptr_t>(frame + 2), frame[0]};
#else
    return {reinterpret_cast<std::uintptr_t>(__builtin_return_address(0)), 0, 0};
#endif
}

/// The stack that the system gave a thread. Others that it runs on (coroutines', signal handlers')
/// are not followed: nobody says where they end.
class OwnStack {
public:
    /// Whether everything from `sp`, where the calling thread's stack is in use, to top() is of its
    /// own stack, and so can be read.
    bool holds(std::uintptr_t sp) noexcept {
        return sp < top_ ? sp >= low_ || reaches(sp)
                         : top_ == 0 && find() && sp < top_ && sp >= low_;
    }
    /// One past the last byte.
    std::uintptr_t top() const noexcept { return top_; }

private:
    bool find() noexcept;
    bool reaches(std::uintptr_t sp) noexcept;

    std::uintptr_t low_ = 0;
    std::uintptr_t top_ = 0;  ///< 0: not looked for; 1: not found
    bool grows_ = false;
    std::uint32_t misses_ = 0;
};

/// Has to be said in the main thread, before any OwnStack is asked: its stack is not where other
/// threads' are.
void remember_main_thread() noexcept;

/// Visits the return addresses from the call site on, innermost first, as far as frame pointers
/// lead, until `visit(pc)` says false. `top` is the stack's, 0 where only the call site is known.
template <class Visit>
inline void walk_frames(const CallSite& site, std::uintptr_t top, Visit visit) noexcept {
    if (!visit(site.pc) || top == 0) return;
    // Code without frame pointers has anything in that register. What is followed is within the
    // stack, and higher each time: it ends.
    std::uintptr_t above = site.sp;
    std::uintptr_t frame = site.bp;
    for (std::uint32_t i = 1; i < kFramesMax; ++i) {
        if (frame < above || frame > top - 2 * sizeof frame || frame % 16 != 0) return;
        const auto* const words = reinterpret_cast<const std::uintptr_t*>(frame);
        if (!visit(words[1])) return;
        above = frame + 2 * sizeof frame;
        frame = words[0];
    }
}

/// How far from a stack's end return addresses are looked for: where every allocation is sampled,
/// and where few are, which has time.
inline constexpr std::size_t kGuessedBytesOfAll = 512;
inline constexpr std::size_t kGuessedBytes = 2048;
/// Where little room is left for more stacks: what calls before have left lying there makes several
/// of one, and each takes the room of another.
inline constexpr std::size_t kGuessedBytesInTheEnd = 64;

/// What tells stacks apart: the owner, the frames, and how deep it is. Below the first frame that
/// its pointer leads to lie those of code without them (operator new, to begin with): so also what
/// looks like a return address there.
inline std::uint64_t stack_hash(const CallSite& site, std::uintptr_t top, std::uint32_t owner,
                                const CodeMap& code, std::size_t guessed_bytes) noexcept {
    constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15;
    std::uint64_t hash = (top == 0 ? 0 : top - site.sp) << 8 | owner;
    const auto mix = [&](std::uintptr_t word) { hash = (std::rotl(hash, 23) ^ word) * kFactor; };
    walk_frames(site, top, [&](std::uintptr_t pc) {
        if (!code.holds(pc)) return false;
        mix(pc);
        return true;
    });
    if (top != 0) {
        std::uintptr_t end = top < site.sp + guessed_bytes ? top : site.sp + guessed_bytes;
        if (site.bp >= site.sp && site.bp < end && site.bp % 16 == 0) end = site.bp;
        code.each_in(site.sp, end, mix);
    }
    hash ^= hash >> 32;
    hash *= kFactor;
    return hash ^ hash >> 29;
}

}  // namespace crucible::alloc
