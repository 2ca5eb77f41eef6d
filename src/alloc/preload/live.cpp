// How much memory is live, and the most that ever was: of the process and of each owner, from what
// the threads' rows have.
#include <string.h>

#include "alloc/preload/tracker.h"

namespace crucible::alloc {
namespace {

/// What a row's flush found.
struct Moved {
    std::int64_t above;  ///< its highest live bytes since the last one, above its present ones
    std::int64_t total;  ///< the process's live bytes with it
    std::int64_t owner_total;  ///< its owner's
    std::int64_t rest_total;   ///< those of all owners but the ones set apart, where it is of these
};

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

std::int64_t live_of(const Row& row) noexcept {
    return static_cast<std::int64_t>(load(row.bytes) - load(row.freed_bytes));
}

/// Brings the live bytes of the process and the owner up to date with the row; from any thread.
Moved bring(Row& row) noexcept {
    const std::int64_t high = load(row.high);
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
    Owner& owner = region->owners[row.owner];
    return {high > live ? high - live : 0,
            __atomic_add_fetch(&region->live, moved, __ATOMIC_RELAXED),
            __atomic_add_fetch(&owner.live, moved, __ATOMIC_RELAXED),
            is_of_rest(row) ? __atomic_add_fetch(&region->rest_live, moved, __ATOMIC_RELAXED) : 0};
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

/// Brings what all rows have that are `of_it` up to date: then the sum of their live bytes is that
/// of this moment, and so is a peak.
template <class OfIt>
void settle(Kept kept, OfIt of_it, std::int64_t above) noexcept {
    const std::uint32_t rows = __atomic_load_n(&region->rows_used, __ATOMIC_ACQUIRE);
    const auto each = [&](auto act) {
        for (std::uint32_t i = 0; i < rows; ++i) {
            Row& row = region->rows[i];
            if (of_it(row)) act(row);
        }
    };
    each([](Row& row) { bring(row); });
    raise(kept.peak, load(kept.live) + above);
    store(kept.slack, load(kept.peak) - load(kept.live));
    each(set_distance);
}

/// What a flush that found this has to do for one of those whose peak is kept, of `rows` rows.
template <class OfIt>
void follow(Kept kept, std::int64_t total, std::int64_t above, std::int64_t rows,
            OfIt of_it) noexcept {
    const std::int64_t missing = load(kept.peak) - total - above;
    if (rows == 1) {
        raise(kept.peak, total + above);
        return;
    }
    if (missing < 0 || missing < load(kept.slack) / 2) settle(kept, of_it, above);
}

/// As seen from where it is now, far below.
void widen(Kept kept) noexcept {
    const std::int64_t slack = load(kept.peak) - load(kept.live);
    if (slack > 2 * load(kept.slack)) store(kept.slack, slack);
}

}  // namespace

void flush(Row& row) noexcept {
    const Moved moved = bring(row);
    Owner& owner = region->owners[row.owner];
    const std::int64_t rows = load(region->rows_used);
    follow(of_process(), moved.total, moved.above, rows, [](const Row&) { return true; });
    follow(of_owner(owner), moved.owner_total, moved.above,
           static_cast<std::int64_t>(load(owner.rows)),
           [&owner](const Row& one) { return &region->owners[one.owner] == &owner; });
    widen(of_process());
    widen(of_owner(owner));
    if (is_of_rest(row)) {
        follow(of_rest(), moved.rest_total, moved.above, rows, is_of_rest);
        widen(of_rest());
    }
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
