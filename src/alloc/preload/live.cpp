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
};

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
            __atomic_add_fetch(&owner.live, moved, __ATOMIC_RELAXED)};
}

void set_distance(Row& row) noexcept {
    const Owner& owner = region->owners[row.owner];
    std::int64_t distance =
        flush_distance(load(region->slack), load(region->peak), load(region->rows_used));
    if (const auto rows = static_cast<std::int64_t>(load(owner.rows)); rows > 1) {
        const std::int64_t own = flush_distance(load(owner.slack), load(owner.peak), rows);
        if (own < distance) distance = own;
    }
    std::int64_t live = 0;
    do {
        live = load(row.flushed);
        store(row.flush_above, live + distance);
        store(row.flush_below, live - distance);
        // Others may have flushed it meanwhile, and set these as well.
    } while (__atomic_load_n(&row.flushed, __ATOMIC_SEQ_CST) != live);
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
    for (Owner& owner : region->owners) owner.live = 0;
    for (std::uint32_t i = 0; i < rows; ++i) {
        Row& row = region->rows[i];
        row.flushed = live_of(row);
        region->live += row.flushed;
        region->owners[row.owner].live += row.flushed;
    }
    // What a row had at its highest since it was last flushed is in no peak yet.
    for (std::uint32_t i = 0; i < rows; ++i) {
        Row& row = region->rows[i];
        Owner& owner = region->owners[row.owner];
        const std::int64_t above = row.high > row.flushed ? row.high - row.flushed : 0;
        raise(region->peak, region->live + above);
        raise(owner.peak, owner.live + above);
        row.high = row.flushed;
    }
    begin(region->live, region->peak, region->slack);
    for (Owner& owner : region->owners) begin(owner.live, owner.peak, owner.slack);
    for (std::uint32_t i = 0; i < rows; ++i) set_distance(region->rows[i]);
}

}  // namespace crucible::alloc
