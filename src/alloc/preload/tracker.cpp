#include "alloc/preload/tracker.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <new>

#include "alloc/preload/region_file.h"
#include "alloc/preload/sampler.h"
#include "alloc/preload/slow_lock.h"
#include "alloc/preload/stack_store.h"

namespace crucible::alloc {

thread_local constinit ThreadState* thread_state = nullptr;
constinit Region* region = nullptr;  // under the lock, and set once

namespace {

constinit SlowLock lock;
// All under the lock.
constinit bool has_begun = false;
constinit ThreadState* all_states = nullptr;
constinit ThreadState* free_states = nullptr;
constinit ThreadState* ending_states = nullptr;
/// So many slots in use, and none free: it is time to look for threads that ended unheard.
constinit std::uint32_t search_at = 64;
constinit pthread_key_t at_thread_end{};
constinit bool has_thread_end = false;

/// Of threads for which there is no memory: it has no rows and gets none.
constinit Thread uncounted_slot;
constinit ThreadState uncounted_state;

/// Of a thread's state in pages of its own. The processor first compares the addresses of a load
/// and of the stores before it by their place in a page: a state at the start of its page would
/// wait for what was stored at the start of a row.
constexpr std::size_t kStateOffset = 0xb40;

void make_free(ThreadState& state) noexcept {
    store(state.slot->tid, 0U);
    static_cast<ThreadCounters&>(state) = {};
    state.use = ThreadState::Use::free;
    state.next_unused = free_states;
    free_states = &state;
}

/// The thread-specific destructor. Others' may still allocate and free in this round, in the next
/// ones, and in the last one after this: the state is the thread's until the system does not know
/// it any more, and here it only says that this will be soon.
void thread_ends(void* value) {
    auto& state = *static_cast<ThreadState*>(value);
    if (--state.rounds_left > 0 && ::pthread_setspecific(at_thread_end, value) == 0) return;
    const SlowLock::Hold hold(lock);
    ::prctl(PR_GET_NAME, state.slot->name.data());
    store(state.slot->tid, 0U);
    state.use = ThreadState::Use::ending;
    state.next_unused = ending_states;
    ending_states = &state;
}

/// Whether the thread is no more that has the state.
bool has_ended(const ThreadState& state) noexcept {
    // Not with getpid(), which in a vfork()'s child is of another process than the threads.
    return ::syscall(SYS_tgkill, region->pid, state.tid, 0) != 0 && errno == ESRCH;
}

void free_ended() noexcept {
    ThreadState* state = ending_states;
    ending_states = nullptr;
    while (state != nullptr) {
        ThreadState* const next = state->next_unused;
        if (has_ended(*state)) {
            make_free(*state);
        } else {
            state->next_unused = ending_states;
            ending_states = state;
        }
        state = next;
    }
}

/// The system does not call destructors for what a thread sets in the last round of them.
void free_ended_unheard() noexcept {
    std::uint32_t found = 0;
    for (auto* state = all_states; state != nullptr; state = state->next) {
        if (state->use != ThreadState::Use::running || !has_ended(*state)) continue;
        make_free(*state);
        ++found;
    }
    // Not every time, when there are that many threads indeed.
    if (found < search_at / 2) search_at *= 2;
}

std::size_t used_bytes() noexcept {
    return offsetof(Region, rows) + load(region->rows_used) * sizeof(Row);
}

// What the process has counted when it forks: from here until the child has looked, its other
// threads go on.
constinit void* at_fork = nullptr;
constinit std::size_t at_fork_bytes = 0;

void before_fork() {
    lock.acquire();
    stacks_before_fork();
    if (region == nullptr || !is_shared_region()) return;
    at_fork_bytes = used_bytes();
    at_fork = private_memory(at_fork_bytes);
    if (at_fork == nullptr) return;
    copy_counts(*static_cast<Region*>(at_fork), *region);
    static_cast<Region*>(at_fork)->magic = 0;
}

void forget_fork() noexcept {
    if (at_fork != nullptr) ::munmap(at_fork, at_fork_bytes);
    at_fork = nullptr;
}

void after_fork_in_parent() {
    forget_fork();
    stacks_after_fork_in_parent();
    lock.release();
}

/// There is only the parent's region to count in: nothing is counted any more.
void stop_counting() noexcept {
    region = nullptr;
    for (auto* state = all_states; state != nullptr; state = state->next) {
        state->slot = &uncounted_slot;
        state->rows = {};
    }
}

/// The child has the blocks of all threads and only the one thread. It counts in a region of its
/// own at the same place, beginning with what was counted.
void after_fork_in_child() {
    const int before = errno;
    if (region != nullptr) {
        const std::uint32_t parent = region->pid;
        const bool is_own = !is_shared_region() ||
                            (at_fork != nullptr && renew_region(region, at_fork, at_fork_bytes));
        if (is_own) {
            begin_live();
            region->forked_from = parent;
            region->pid = static_cast<std::uint32_t>(::getpid());
            __atomic_store_n(&region->magic, kMagic, __ATOMIC_RELEASE);
        } else {
            stop_counting();
        }
    }
    free_states = nullptr;
    ending_states = nullptr;
    for (auto* state = all_states; state != nullptr; state = state->next) {
        forget_samples(*state);
        if (state == thread_state) {
            state->tid = static_cast<std::uint32_t>(::gettid());
            store(state->slot->tid, state->tid);
        } else {
            make_free(*state);
        }
    }
    forget_fork();
    stacks_after_fork_in_child();
    lock.release();
    errno = before;
}

void begin() noexcept {
    has_begun = true;
    region = open_region();
    if (region == nullptr) return;
    has_thread_end = ::pthread_key_create(&at_thread_end, thread_ends) == 0;
    static constexpr char kOther[] = "other";
    ::memcpy(region->owners[0].name.data(), kOther, sizeof kOther);
    store(region->owners_used, 1U);
    prepare_samples(*region);
    __atomic_store_n(&region->magic, kMagic, __ATOMIC_RELEASE);
}

std::nullptr_t missing(Flag what) noexcept {
    __atomic_fetch_or(&region->flags, what, __ATOMIC_RELAXED);
    return nullptr;
}

ThreadState* new_state() noexcept {
    const std::uint32_t number = load(region->threads_used);
    if (number == kThreadsMax) return missing(kRowsExhausted);
    Thread& slot = region->threads[number];
    if (!back_with_memory(&slot, sizeof slot)) return missing(kMemoryExhausted);
    void* const memory = private_memory(kStateOffset + sizeof(ThreadState));
    if (memory == nullptr) return missing(kMemoryExhausted);
    auto* const state = new (static_cast<char*>(memory) + kStateOffset) ThreadState;
    state->slot = &slot;
    state->sample_at = first_sample_at();
    state->next = all_states;
    all_states = state;
    store(region->threads_used, number + 1);
    return state;
}

/// Under the lock.
ThreadState* take_state() noexcept {
    if (!has_begun) begin();
    if (region == nullptr) return nullptr;
    if (free_states == nullptr) free_ended();
    if (free_states == nullptr && load(region->threads_used) >= search_at) free_ended_unheard();
    ThreadState* state = free_states;
    if (state != nullptr) {
        free_states = state->next_unused;
    } else {
        state = new_state();
    }
    if (state == nullptr) return nullptr;
    state->use = ThreadState::Use::running;
    // A vfork()'s child has the memory of the thread that waits for it, but not its number.
    const bool is_own = static_cast<std::uint32_t>(::getpid()) == region->pid;
    state->tid = is_own ? static_cast<std::uint32_t>(::gettid()) : 0;
    // Of this thread's own bytes, which begin at zero, not of those of the one before.
    state->sample_at = first_sample_at();
    begin_thread_samples(*state);
    state->slot->served += 1;
    store(state->slot->tid, state->tid);
    return state;
}

}  // namespace

Attached::Attached() noexcept : state_(thread_state), errno_(errno) {
    if (state_ != nullptr) return;
    bool is_first = false;
    {
        const SlowLock::Hold hold(lock);
        is_first = !has_begun;
        state_ = take_state();
        // Here, where no signal handler comes between that would take another.
        thread_state = state_;
    }
    // Before others': their handlers then run outside ours, between which there is the lock, and in
    // the child the parent's region. It may allocate, with the state that is in place by now.
    if (is_first && region != nullptr)
        ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    if (state_ == nullptr) {
        state_ = &uncounted_state;
        state_->slot = &uncounted_slot;
        return;
    }
    state_->rounds_left = PTHREAD_DESTRUCTOR_ITERATIONS - 1;
    if (has_thread_end) ::pthread_setspecific(at_thread_end, state_);  // may allocate, too
}

Attached::~Attached() {
    errno = errno_;
}

Row* make_row(ThreadState& state, std::uint32_t owner) noexcept {
    if (&state == &uncounted_state || region == nullptr) return nullptr;
    const int before = errno;
    const SlowLock::Hold hold(lock);
    // By a signal handler, meanwhile.
    if (Row* const made = state.rows[owner]) return made;
    const std::uint32_t number = load(region->rows_used);
    Flag why = kRowsExhausted;
    Row* row = nullptr;
    if (number < kRowsMax) {
        why = kMemoryExhausted;
        if (back_with_memory(&region->rows[number], sizeof(Row))) row = &region->rows[number];
    }
    errno = before;
    if (row == nullptr) {
        missing(why);
        return state.rows[owner] = state.rows[0];
    }
    row->owner = owner;
    row->thread = static_cast<std::uint32_t>(state.slot - region->threads.data());
    row->flush_above = kFlushBytesMin;
    row->flush_below = -kFlushBytesMin;
    add(region->owners[owner].rows, 1);
    __atomic_store_n(&region->rows_used, number + 1, __ATOMIC_RELEASE);
    return state.rows[owner] = row;
}

void count_foreign_free() noexcept {
    if (region != nullptr) __atomic_fetch_add(&region->foreign_frees, 1, __ATOMIC_RELAXED);
}

void count_stray_free(std::size_t bytes) noexcept {
    if (region == nullptr) return;
    __atomic_fetch_add(&region->stray_frees, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&region->stray_freed_bytes, bytes, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&region->live, static_cast<std::int64_t>(bytes), __ATOMIC_RELAXED);
}

void count_uncounted() noexcept {
    if (region != nullptr) __atomic_fetch_add(&region->uncounted, 1, __ATOMIC_RELAXED);
}

namespace {

// Before libraries' constructors where the linker is told so, and then even before the C library's
// own, which would say what the environment is.
[[gnu::constructor(101)]] void begin_early(int, char**, char** environment) {
    if (environ == nullptr) environ = environment;
    const Attached attached;
}

}  // namespace

extern "C" {

// Called by name from the program, through include/crucible/allocation.h.
[[gnu::visibility("default")]] ThreadCounters* crucible_alloc_thread() noexcept {
    if (thread_state != nullptr) return thread_state;
    const Attached attached;
    return &attached.state();
}

[[gnu::visibility("default")]] const void* crucible_alloc_region() noexcept {
    const Attached attached;
    return region;
}

[[gnu::visibility("default")]] std::uint32_t crucible_alloc_owner(const char* name,
                                                                  std::size_t length) noexcept {
    const Attached attached;
    if (region == nullptr) return 0;
    const std::size_t kept = length < Owner{}.name.size() ? length : Owner{}.name.size() - 1;
    const SlowLock::Hold hold(lock);
    const std::uint32_t used = load(region->owners_used);
    for (std::uint32_t i = 0; i < used; ++i) {
        const char* const other = region->owners[i].name.data();
        if (::strlen(other) == kept && ::memcmp(other, name, kept) == 0) return i;
    }
    if (used == kOwnersMax) {
        __atomic_fetch_or(&region->flags, kOwnersExhausted, __ATOMIC_RELAXED);
        return 0;
    }
    ::memcpy(region->owners[used].name.data(), name, kept);
    __atomic_store_n(&region->owners_used, used + 1, __ATOMIC_RELEASE);
    return used;
}

[[gnu::visibility("default")]] void crucible_alloc_set_apart(std::uint32_t owner) noexcept {
    const Attached attached;
    // Number 0 has what nobody owns.
    if (region == nullptr || owner == 0 || owner >= kOwnersMax) return;
    const SlowLock::Hold hold(lock);
    std::uint64_t& owners = region->apart[owner / 64];
    const std::uint64_t bit = std::uint64_t{1} << owner % 64;
    // What it has already is in what the rest has.
    if ((load(owners) & bit) != 0 || load(region->owners[owner].rows) > 0) return;
    if (load(region->apart_used) == 0) begin_rest();
    store(owners, load(owners) | bit);
    store(region->apart_used, load(region->apart_used) + 1);
}
}

}  // namespace crucible::alloc
