// How much memory is live, and the most that ever was: of the process and of each owner, from what
// the threads' rows have.
#include <string.h>

#include <type_traits>

#include "alloc/preload/tracker.h"

namespace crucible::alloc {
namespace {

/// Whose live bytes and peak are kept.
struct Kept {
    std::int64_t& live;
    std::int64_t& peak;
    std::int64_t& slack;
};
Kept of_process() noexcept {
    return {region->live, region->peak, region->slack};
}
Kept of_rest() noexcept {
    return {region->rest_live, region->rest_peak, region->rest_slack};
}
Kept of_owner(Owner& owner) noexcept {
    return {owner.live, owner.peak, owner.slack};
}

/// Whether the row is of the rest, and that is kept: where nobody is set apart it would be all.
bool is_of_rest(const Row& row) noexcept {
    return load(region->apart_used) > 0 &&
           (load(region->apart[row.owner / 64]) >> row.owner % 64 & 1) == 0;
}

struct OfAll {
    bool operator()(const Row&) const noexcept { return true; }
};

std::int64_t live_of(const Row& row) noexcept {
    return static_cast<std::int64_t>(load(row.bytes) - load(row.freed_bytes));
}

/// How far above what was flushed of it the row's highest live bytes since then were.
std::int64_t rise_of(const Row& row) noexcept {
    const std::int64_t flushed = __atomic_load_n(&row.flushed, __ATOMIC_ACQUIRE);
    const std::int64_t rise = load(row.high) - flushed;
    return rise > 0 ? rise : 0;
}

/// Raises the peaks to what they were when the row was highest, if all others were as flushed then.
/// Before any row is brought: then each other one is off by what it may move at most between two
/// times, and not by twice as much.
void raise_peaks(const Row& row) noexcept {
    Owner& owner = region->owners[row.owner];
    // What is live first: a row that is flushed between may be in it or not, but not twice.
    const std::int64_t total = __atomic_load_n(&region->live, __ATOMIC_ACQUIRE);
    const std::int64_t owned = __atomic_load_n(&owner.live, __ATOMIC_ACQUIRE);
    const std::int64_t rest = __atomic_load_n(&region->rest_live, __ATOMIC_ACQUIRE);
    const std::int64_t rise = rise_of(row);
    raise(region->peak, total + rise);
    raise(owner.peak, owned + rise);
    if (is_of_rest(row)) raise(region->rest_peak, rest + rise);
}

/// Brings the live bytes of the process, the owner and the rest up to date with the row, whose
/// highest is forgotten; from any thread.
void bring(Row& row) noexcept {
    // Compared: a signal handler that allocates, or another thread, may do the same between these
    // lines. What it has brought is not brought again, and is newer than what was read here before:
    // a thread that settles, and was held up that long, would leave the row as it once was, and so
    // what is live, until the row has moved as far as that is off.
    std::int64_t before = __atomic_load_n(&row.flushed, __ATOMIC_ACQUIRE);
    std::int64_t live = live_of(row);
    while (!__atomic_compare_exchange_n(&row.flushed, &before, live, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
        live = live_of(row);
    const std::int64_t moved = live - before;
    store(row.high, live);
    __atomic_add_fetch(&region->live, moved, __ATOMIC_RELEASE);
    __atomic_add_fetch(&region->owners[row.owner].live, moved, __ATOMIC_RELEASE);
    if (is_of_rest(row)) __atomic_add_fetch(&region->rest_live, moved, __ATOMIC_RELEASE);
}

void set_distance(Row& row) noexcept {
    const Owner& owner = region->owners[row.owner];
    std::int64_t distance =
        flush_distance(load(region->slack), load(region->peak), load(region->rows_used));
    if (const auto rows = static_cast<std::int64_t>(load(owner.rows)); rows > 1) {
        const std::int64_t own = flush_distance(load(owner.slack), load(owner.peak), rows);
        if (own < distance) distance = own;
    }
    if (is_of_rest(row)) {
        const std::int64_t rest = flush_distance(load(region->rest_slack), load(region->rest_peak),
                                                 load(region->rows_used));
        if (rest < distance) distance = rest;
    }
    std::int64_t live = 0;
    do {
        live = load(row.flushed);
        store(row.flush_above, live + distance);
        store(row.flush_below, live - distance);
        // Others may have flushed it meanwhile, and set these as well.
    } while (__atomic_load_n(&row.flushed, __ATOMIC_SEQ_CST) != live);
}

/// All rows of it have been brought.
void note_settled(Kept kept) noexcept {
    raise(kept.peak, load(kept.live));
    store(kept.slack, load(kept.peak) - load(kept.live));
}

/// Brings what all rows have that are `of_it` up to date: then the sum of their live bytes is that
/// of this moment, and so is a peak. Other peaks are of the same rows, which do not come to their
/// own distance where they are brought again and again before it: they are raised, too, and owners
/// are settled with them.
template <class OfIt>
void settle(Kept kept, OfIt of_it) noexcept {
    const std::uint32_t rows = __atomic_load_n(&region->rows_used, __ATOMIC_ACQUIRE);
    const auto each = [&](auto act) {
        for (std::uint32_t i = 0; i < rows; ++i) {
            Row& row = region->rows[i];
            if (of_it(row)) act(row);
        }
    };
    each(raise_peaks);
    each(bring);
    note_settled(kept);
    each([](const Row& row) { note_settled(of_owner(region->owners[row.owner])); });
    if constexpr (std::is_same_v<OfIt, OfAll>) {
        if (load(region->apart_used) > 0) note_settled(of_rest());
    }
    each(set_distance);
}

/// Whether a row that has risen so far may have brought it to its peak, or half of the way there
/// since its rows were settled.
bool is_due(Kept kept, std::int64_t rise) noexcept {
    const std::int64_t missing = load(kept.peak) - load(kept.live) - rise;
    return missing < 0 || missing < load(kept.slack) / 2;
}

/// As seen from where it is now, far below.
void widen(Kept kept) noexcept {
    const std::int64_t slack = load(kept.peak) - load(kept.live);
    if (slack > 2 * load(kept.slack)) store(kept.slack, slack);
}

}  // namespace

void flush(Row& row) noexcept {
    Owner& owner = region->owners[row.owner];
    const bool is_rest = is_of_rest(row);
    const std::int64_t rise = rise_of(row);
    const std::int64_t rows = load(region->rows_used);
    // The largest first: its rows are those of the others, too.
    if (rows > 1 && is_due(of_process(), rise)) return settle(of_process(), OfAll{});
    if (is_rest && is_due(of_rest(), rise)) {
        settle(of_rest(), is_of_rest);
    } else if (load(owner.rows) > 1 && is_due(of_owner(owner), rise)) {
        settle(of_owner(owner),
               [&owner](const Row& one) { return &region->owners[one.owner] == &owner; });
    } else {
        raise_peaks(row);
        bring(row);
    }
    // By what its other rows had moved these may have come near theirs.
    if (is_rest && is_due(of_rest(), 0)) settle(of_rest(), is_of_rest);
    if (rows > 1 && is_due(of_process(), 0)) return settle(of_process(), OfAll{});
    widen(of_process());
    widen(of_owner(owner));
    if (is_rest) widen(of_rest());
    set_distance(row);
}

void begin_rest() noexcept {
    store(region->rest_live, load(region->live));
    store(region->rest_peak, load(region->peak));
    store(region->rest_slack, load(region->slack));
}

void copy_counts(Region& to, const Region& from) noexcept {
    const std::uint32_t rows = load(from.rows_used);
    ::memcpy(static_cast<void*>(&to), &from, offsetof(Region, rows));
    for (std::uint32_t i = 0; i < rows; ++i) {
        const Row& row = from.rows[i];
        Row& copy = to.rows[i];
        copy.owner = row.owner;
        copy.thread = row.thread;
        copy.freed_bytes = load(row.freed_bytes);
        copy.large_freed_usable = load(row.large_freed_usable);
        for (std::uint32_t cell = 0; cell < kClasses; ++cell)
            copy.cells[cell].frees = load(row.cells[cell].frees);
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    for (std::uint32_t i = 0; i < rows; ++i) {
        const Row& row = from.rows[i];
        Row& copy = to.rows[i];
        copy.bytes = load(row.bytes);
        copy.large_usable = load(row.large_usable);
        copy.high = load(row.high);
        for (std::uint32_t cell = 0; cell < kClasses; ++cell)
            copy.cells[cell].allocations = load(row.cells[cell].allocations);
    }
}

void begin_live() noexcept {
    const std::uint32_t rows = load(region->rows_used);
    const auto begin = [](std::int64_t& live, std::int64_t& peak, std::int64_t& slack) {
        raise(peak, live);
        slack = peak - live;
    };
    region->live = -static_cast<std::int64_t>(region->stray_freed_bytes);
    region->rest_live = 0;
    for (Owner& owner : region->owners) owner.live = 0;
    for (std::uint32_t i = 0; i < rows; ++i) {
        Row& row = region->rows[i];
        row.flushed = live_of(row);
        region->live += row.flushed;
        region->owners[row.owner].live += row.flushed;
        if (is_of_rest(row)) region->rest_live += row.flushed;
    }
    // What a row had at its highest since it was last flushed is in no peak yet.
    for (std::uint32_t i = 0; i < rows; ++i) {
        Row& row = region->rows[i];
        Owner& owner = region->owners[row.owner];
        const std::int64_t above = row.high > row.flushed ? row.high - row.flushed : 0;
        raise(region->peak, region->live + above);
        raise(owner.peak, owner.live + above);
        if (is_of_rest(row)) raise(region->rest_peak, region->rest_live + above);
        row.high = row.flushed;
    }
    begin(region->live, region->peak, region->slack);
    if (region->apart_used > 0) begin(region->rest_live, region->rest_peak, region->rest_slack);
    for (Owner& owner : region->owners) begin(owner.live, owner.peak, owner.slack);
    for (std::uint32_t i = 0; i < rows; ++i) set_distance(region->rows[i]);
}

}  // namespace crucible::alloc
