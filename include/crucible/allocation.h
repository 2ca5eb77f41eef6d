#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

/// Whose memory it is. Where the allocation tracker is in the process (`crucible profile` puts it
/// there, or the program links Crucible::alloc), each allocation counts for the owner whose scope
/// its thread is in; where it is not, all of this costs a comparison and does nothing.
namespace crucible {

/// What the calling thread has allocated since it began.
struct ThreadAllocations {
    std::uint64_t allocations = 0;
    std::uint64_t bytes = 0;  ///< requested

    friend ThreadAllocations operator-(const ThreadAllocations& a,
                                       const ThreadAllocations& b) noexcept {
        return {a.allocations - b.allocations, a.bytes - b.bytes};
    }
};

namespace alloc {

/// What the tracker keeps for a thread at the address that it gives out.
struct ThreadCounters {
    ThreadAllocations counts;
    std::uint32_t owner = 0;  ///< of what the thread allocates next
};

extern "C" {
/// Of the calling thread, until it ends. Never null.
[[gnu::weak]] ThreadCounters* crucible_alloc_thread() noexcept;
/// The number of the owner of that name; a new one where none has it. 0, which stands for "other",
/// where there are no more.
[[gnu::weak]] std::uint32_t crucible_alloc_owner(const char* name, std::size_t length) noexcept;
/// Sets that owner apart, unless it has allocated already.
[[gnu::weak]] void crucible_alloc_set_apart(std::uint32_t owner) noexcept;
/// What is kept about this process (alloc/region.h); null where there was no memory for it.
[[gnu::weak]] const void* crucible_alloc_region() noexcept;
}

/// Null without a tracker. Hidden: what it keeps would otherwise be unique in the process, and no
/// library that uses it could be unloaded.
[[gnu::visibility("hidden")]] inline ThreadCounters* this_thread() noexcept {
    if (crucible_alloc_thread == nullptr) return nullptr;
    static thread_local constinit ThreadCounters* cached = nullptr;
    if (cached == nullptr) cached = crucible_alloc_thread();
    return cached;
}

}  // namespace alloc

/// Whether the tracker is in this process.
inline bool allocations_tracked() noexcept {
    return alloc::crucible_alloc_thread != nullptr;
}

/// Two of these, subtracted, are what was allocated between; all zero without a tracker.
inline ThreadAllocations thread_allocations() noexcept {
    const auto* const thread = alloc::this_thread();
    return thread == nullptr ? ThreadAllocations{} : thread->counts;
}

/// Says that an owner is no part of what its process is watched for, as what measures the rest of
/// it is not: the peak of all other owners together is kept besides the whole process's.
struct Apart {};
inline constexpr Apart kApart;

/// Somebody who may own memory: "queue", "database-2". Made once, outside the paths that matter.
class AllocationOwner {
public:
    /// Two of one name are one owner. At most 31 bytes of the name, and 255 owners in a process,
    /// are told apart; later ones count as "other".
    explicit AllocationOwner(std::string_view name) noexcept
        : number_(allocations_tracked() ? alloc::crucible_alloc_owner(name.data(), name.size())
                                        : 0) {}
    /// Made before anything is allocated in its scope (else it is an owner like any other), and
    /// while no other thread allocates, best as the program starts.
    AllocationOwner(std::string_view name, Apart) noexcept : AllocationOwner(name) {
        if (alloc::crucible_alloc_set_apart != nullptr) alloc::crucible_alloc_set_apart(number_);
    }
    std::uint32_t number() const noexcept { return number_; }

private:
    std::uint32_t number_;
};

/// What the calling thread allocates while this lives is `owner`'s, except in scopes within.
class AllocationScope {
public:
    explicit AllocationScope(const AllocationOwner& owner) noexcept
        : thread_(alloc::this_thread()) {
        if (thread_ == nullptr) return;
        before_ = thread_->owner;
        thread_->owner = owner.number();
    }
    ~AllocationScope() {
        if (thread_ != nullptr) thread_->owner = before_;
    }
    AllocationScope(const AllocationScope&) = delete;
    AllocationScope& operator=(const AllocationScope&) = delete;

private:
    alloc::ThreadCounters* thread_;
    std::uint32_t before_ = 0;
};

}  // namespace crucible
