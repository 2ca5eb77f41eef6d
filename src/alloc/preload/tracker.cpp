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
#include "alloc/preload/slow_lock.h"

namespace crucible::alloc {

thread_local constinit ThreadState* thread_state = nullptr;

namespace {

constinit SlowLock lock;
// All under the lock, and set once.
constinit Region* region = nullptr;
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

void* private_memory(std::size_t bytes) noexcept {
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

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
    at_fork_bytes = used_bytes();
    at_fork = private_memory(at_fork_bytes);
    if (at_fork != nullptr) ::memcpy(at_fork, region, at_fork_bytes);
}

void forget_fork() noexcept {
    if (at_fork != nullptr) ::munmap(at_fork, at_fork_bytes);
    at_fork = nullptr;
}

void after_fork_in_parent() {
    forget_fork();
    lock.release();
}

/// The child has the blocks of all threads and only the one thread. It counts in a region of its
/// own at the same place, beginning with what was counted.
void after_fork_in_child() {
    const int before = errno;
    const std::uint32_t parent = region->pid;
    if (at_fork == nullptr || !renew_region(region, at_fork, at_fork_bytes)) {
        // Nothing to count in but the parent's: this process is not watched any more.
        ::mmap(region, sizeof(Region), PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        if (at_fork != nullptr) ::memcpy(static_cast<void*>(region), at_fork, at_fork_bytes);
    }
    region->forked_from = parent;
    region->pid = static_cast<std::uint32_t>(::getpid());
    free_states = nullptr;
    ending_states = nullptr;
    for (auto* state = all_states; state != nullptr; state = state->next) {
        if (state == thread_state) {
            state->tid = static_cast<std::uint32_t>(::gettid());
            store(state->slot->tid, state->tid);
        } else {
            make_free(*state);
        }
    }
    forget_fork();
    lock.release();
    errno = before;
}

void begin() noexcept {
    region = open_region();
    if (region == nullptr) return;
    has_thread_end = ::pthread_key_create(&at_thread_end, thread_ends) == 0;
    static constexpr char kOther[] = "other";
    ::memcpy(region->owners[0].name.data(), kOther, sizeof kOther);
    store(region->owners_used, 1U);
    __atomic_store_n(&region->magic, kMagic, __ATOMIC_RELEASE);
}

ThreadState* new_state() noexcept {
    const std::uint32_t number = load(region->threads_used);
    if (number == kThreadsMax) return nullptr;
    Thread& slot = region->threads[number];
    if (!back_with_memory(&slot, sizeof slot)) return nullptr;
    void* const memory = private_memory(kStateOffset + sizeof(ThreadState));
    if (memory == nullptr) return nullptr;
    auto* const state = new (static_cast<char*>(memory) + kStateOffset) ThreadState;
    state->slot = &slot;
    state->next = all_states;
    all_states = state;
    store(region->threads_used, number + 1);
    return state;
}

/// Under the lock.
ThreadState* take_state() noexcept {
    if (region == nullptr) begin();
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
        is_first = region == nullptr;
        state_ = take_state();
        // Here, where no signal handler comes between that would take another.
        thread_state = state_;
    }
    if (state_ == nullptr) {
        state_ = &uncounted_state;
        state_->slot = &uncounted_slot;
        return;
    }
    state_->rounds_left = PTHREAD_DESTRUCTOR_ITERATIONS - 1;
    // These may allocate, with the state that is in place by now.
    if (has_thread_end) ::pthread_setspecific(at_thread_end, state_);
    // Before others': their handlers then run outside ours, between which there is the lock, and in
    // the child the parent's region.
    if (is_first) ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

Attached::~Attached() {
    errno = errno_;
}

Row* make_row(ThreadState& state, std::uint32_t owner) noexcept {
    if (&state == &uncounted_state) return nullptr;
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
        __atomic_fetch_or(&region->flags, why, __ATOMIC_RELAXED);
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

namespace {

/// What a row's flush found.
struct Moved {
    std::int64_t above;  ///< its highest live bytes since the last one, above its present ones
    std::int64_t total;  ///< the process's live bytes with it
    std::int64_t owner_total;  ///< its owner's
};

/// Brings the live bytes of the process and the owner up to date with the row; from any thread.
Moved bring(Row& row) noexcept {
    const auto live = static_cast<std::int64_t>(load(row.bytes) - load(row.freed_bytes));
    const std::int64_t high = load(row.high);
    // Exchanged: a signal handler that allocates, or another thread, may do the same between these
    // lines, and what it has brought is not brought again.
    const std::int64_t moved = live - __atomic_exchange_n(&row.flushed, live, __ATOMIC_RELAXED);
    store(row.high, live);
    Owner& owner = region->owners[row.owner];
    return {high > live ? high - live : 0,
            __atomic_add_fetch(&region->live, moved, __ATOMIC_RELAXED),
            __atomic_add_fetch(&owner.live, moved, __ATOMIC_RELAXED)};
}

void set_distance(Row& row) noexcept {
    const std::int64_t live = load(row.flushed);
    const Owner& owner = region->owners[row.owner];
    std::int64_t distance =
        flush_distance(load(region->slack), load(region->peak), load(region->rows_used));
    if (const auto rows = static_cast<std::int64_t>(load(owner.rows)); rows > 1) {
        const std::int64_t own = flush_distance(load(owner.slack), load(owner.peak), rows);
        if (own < distance) distance = own;
    }
    store(row.flush_above, live + distance);
    store(row.flush_below, live - distance);
}

/// Brings what all rows have, or all of one owner, up to date: then the sum of their live bytes is
/// that of this moment, and so is a peak.
void settle(Owner* owner, std::int64_t above) noexcept {
    const std::uint32_t rows = __atomic_load_n(&region->rows_used, __ATOMIC_ACQUIRE);
    const auto each = [&](auto act) {
        for (std::uint32_t i = 0; i < rows; ++i) {
            Row& row = region->rows[i];
            if (owner == nullptr || &region->owners[row.owner] == owner) act(row);
        }
    };
    each([](Row& row) { bring(row); });
    std::int64_t& live = owner == nullptr ? region->live : owner->live;
    std::int64_t& peak = owner == nullptr ? region->peak : owner->peak;
    raise(peak, load(live) + above);
    store(owner == nullptr ? region->slack : owner->slack, load(peak) - load(live));
    each(set_distance);
}

}  // namespace

void flush(Row& row) noexcept {
    const Moved moved = bring(row);
    const auto follow = [&](std::int64_t total, std::int64_t& peak, std::int64_t slack,
                            std::int64_t rows, Owner* owner) {
        const std::int64_t missing = load(peak) - total - moved.above;
        if (rows == 1) {
            raise(peak, total + moved.above);
            return;
        }
        if (missing < 0 || missing < slack / 2) settle(owner, moved.above);
    };
    Owner& owner = region->owners[row.owner];
    follow(moved.total, region->peak, load(region->slack), load(region->rows_used), nullptr);
    follow(moved.owner_total, owner.peak, load(owner.slack),
           static_cast<std::int64_t>(load(owner.rows)), &owner);
    // As seen from where it is now, far below.
    if (const std::int64_t slack = load(region->peak) - load(region->live);
        slack > 2 * load(region->slack))
        store(region->slack, slack);
    if (const std::int64_t slack = load(owner.peak) - load(owner.live);
        slack > 2 * load(owner.slack))
        store(owner.slack, slack);
    set_distance(row);
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
}

}  // namespace crucible::alloc
