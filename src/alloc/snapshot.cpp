#include "alloc/snapshot.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "alloc/shared_file.h"
#include "alloc/why_not_counted.h"
#include "crucible/allocation.h"

namespace crucible::alloc {
namespace {

template <std::size_t Size>
std::string text(const std::array<char, Size>& name) {
    return std::string(name.data(), ::strnlen(name.data(), Size));
}

std::size_t usable_of(std::uint32_t index) noexcept {
    const std::size_t chunk = smallest_chunk(index);
    return chunk > kChunkOverheadBytes ? chunk - kChunkOverheadBytes : 0;
}

std::size_t largest_usable_of(std::uint32_t index) noexcept {
    if (index < kSmallClasses) return usable_of(index);
    constexpr std::size_t kChunkStep = 16;
    return index + 1 < kClasses ? usable_of(index + 1) - kChunkStep
                                : std::numeric_limits<std::size_t>::max();
}

using Cells = std::array<Cell, kClasses>;

void add(Cells& to, const Cells& more) noexcept {
    for (std::uint32_t i = 0; i < kClasses; ++i) {
        to[i].allocations += more[i].allocations;
        to[i].frees += more[i].frees;
    }
}

std::vector<ClassCounts> classes_of(const Cells& cells) {
    std::vector<ClassCounts> classes;
    for (std::uint32_t i = 0; i < kClasses; ++i) {
        if (cells[i].allocations == 0) continue;
        classes.push_back(
            {usable_of(i), cells[i].allocations, cells[i].frees, largest_usable_of(i)});
    }
    return classes;
}

Counts freed_of(const Row& row, Cells& cells) {
    Counts counts;
    counts.freed_bytes = current(row.freed_bytes);
    counts.freed_usable_bytes = current(row.large_freed_usable);
    for (std::uint32_t i = 0; i < kClasses; ++i) {
        const std::uint64_t frees = current(row.cells[i].frees);
        cells[i].frees = frees;
        counts.frees += frees;
        if (i < kSmallClasses) counts.freed_usable_bytes += frees * usable_of(i);
    }
    return counts;
}

Counts allocated_of(const Row& row, Cells& cells) {
    Counts counts;
    counts.bytes = current(row.bytes);
    counts.usable_bytes = current(row.large_usable);
    for (std::uint32_t i = 0; i < kClasses; ++i) {
        const std::uint64_t allocations = current(row.cells[i].allocations);
        cells[i].allocations = allocations;
        counts.allocations += allocations;
        if (i < kSmallClasses) counts.usable_bytes += allocations * usable_of(i);
    }
    return counts;
}

/// Where a wrong file would overflow, the greatest or least number.
std::int64_t sum(std::int64_t a, std::int64_t b) noexcept {
    std::int64_t result = 0;
    if (!__builtin_add_overflow(a, b, &result)) return result;
    return a < 0 ? std::numeric_limits<std::int64_t>::min()
                 : std::numeric_limits<std::int64_t>::max();
}

/// Likewise; 0 where it is negative.
std::int64_t excess(std::int64_t a, std::int64_t b) noexcept {
    std::int64_t result = 0;
    if (a <= b) return 0;
    return __builtin_sub_overflow(a, b, &result) ? std::numeric_limits<std::int64_t>::max()
                                                 : result;
}

/// How far the row's highest live bytes were above what was flushed of it.
std::int64_t above_flushed(const Row& row) noexcept {
    std::int64_t result = 0;
    return __builtin_sub_overflow(current(row.high), current(row.flushed), &result) ? 0 : result;
}

/// How far the row may be from what was flushed of it, twice: another thread may have set the
/// bounds anew while its own moved as far as the ones before let it.
std::int64_t flush_error(const Row& row) noexcept {
    return excess(current(row.flush_above), current(row.flush_below));
}

bool is_apart(const Region& region, std::uint32_t owner) noexcept {
    return owner < kOwnersMax && (current(region.apart[owner / 64]) >> owner % 64 & 1) != 0;
}

/// All that is known of owners and threads besides their rows.
void name(Snapshot& snapshot, const Region& region) {
    const std::uint32_t owners = std::min(current(region.owners_used), kOwnersMax);
    snapshot.owners.resize(owners);
    for (std::uint32_t i = 0; i < owners; ++i) {
        snapshot.owners[i].name = text(region.owners[i].name);
        snapshot.owners[i].peak_live_bytes = current(region.owners[i].peak);
        snapshot.owners[i].apart = is_apart(region, i);
    }
    const std::uint32_t threads = std::min(current(region.threads_used), kThreadsMax);
    snapshot.threads.resize(threads);
    for (std::uint32_t i = 0; i < threads; ++i) {
        const Thread& thread = region.threads[i];
        snapshot.threads[i].tid = static_cast<pid_t>(current(thread.tid));
        snapshot.threads[i].served = current(thread.served);
        snapshot.threads[i].name = text(thread.name);
        snapshot.reallocations += current(thread.reallocations);
    }
}

}  // namespace

Counts& Counts::operator+=(const Counts& other) noexcept {
    allocations += other.allocations;
    frees += other.frees;
    bytes += other.bytes;
    freed_bytes += other.freed_bytes;
    usable_bytes += other.usable_bytes;
    freed_usable_bytes += other.freed_usable_bytes;
    return *this;
}

Counts operator-(const Counts& a, const Counts& b) noexcept {
    return {a.allocations - b.allocations,
            a.frees - b.frees,
            a.bytes - b.bytes,
            a.freed_bytes - b.freed_bytes,
            a.usable_bytes - b.usable_bytes,
            a.freed_usable_bytes - b.freed_usable_bytes};
}

Result<RegionReader> RegionReader::open(const std::filesystem::path& file) {
    static_assert(offsetof(Region, bytes) == offsetof(SharedBegin, bytes));
    auto mapped = map_shared_file(file, {.name = "an allocation region",
                                         .act = "count",
                                         .magic = kMagic,
                                         .version = kFormatVersion,
                                         .bytes = sizeof(Region)});
    if (!mapped) return std::unexpected(mapped.error());
    return RegionReader(std::static_pointer_cast<const Region>(*std::move(mapped)));
}

Result<RegionReader> RegionReader::self() {
    const void* const own = crucible_alloc_region == nullptr ? nullptr : crucible_alloc_region();
    if (own == nullptr)
        return std::unexpected(
            Error{Errc::not_found, "the allocation tracker is not in this process"});
    return RegionReader(
        std::shared_ptr<const Region>(static_cast<const Region*>(own), [](const Region*) {}));
}

Snapshot RegionReader::read() const {
    Snapshot snapshot;
    const Region& region = *region_;
    snapshot.pid = static_cast<pid_t>(current(region.pid));
    snapshot.forked_from = static_cast<pid_t>(current(region.forked_from));

    // First what was freed, in all rows, then what was allocated: what one thread allocates,
    // another may free meanwhile, and nothing is to be seen freed that was not seen allocated. The
    // number of rows again, too, and last the owners and threads that they name.
    const std::int64_t live_before = current(region.live);
    const std::int64_t rest_before = current(region.rest_live);
    const std::uint64_t stray_frees = current(region.stray_frees);
    snapshot.total.frees = stray_frees;
    snapshot.total.freed_bytes = current(region.stray_freed_bytes);
    std::vector<Counts> counts(std::min(current(region.rows_used), kRowsMax));
    std::vector<Cells> cells(counts.size());
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = freed_of(region.rows[i], cells[i]);
    counts.resize(std::min(current(region.rows_used), kRowsMax));
    cells.resize(counts.size());
    const auto rows = static_cast<std::uint32_t>(counts.size());
    for (std::uint32_t i = 0; i < rows; ++i) counts[i] += allocated_of(region.rows[i], cells[i]);

    name(snapshot, region);
    Cells all_cells{};
    std::vector<Cells> owner_cells(snapshot.owners.size());
    std::int64_t highest = 0;  // above what was flushed of its row, of any row
    std::int64_t rest_highest = 0;
    std::int64_t rest_live = 0;
    for (std::uint32_t i = 0; i < rows; ++i) {
        const Row& row = region.rows[i];
        snapshot.total += counts[i];
        const std::int64_t above = above_flushed(row);
        highest = std::max(highest, above);
        if (const std::uint32_t number = current(row.owner); !is_apart(region, number)) {
            rest_highest = std::max(rest_highest, above);
            rest_live = sum(rest_live, counts[i].live_bytes());
        }
        snapshot.kept_error_bytes = sum(snapshot.kept_error_bytes, flush_error(row));
        add(all_cells, cells[i]);
        const std::uint32_t owned_by = current(row.owner);
        const std::uint32_t thread = current(row.thread);
        const bool has_owner = owned_by < snapshot.owners.size();
        const bool has_thread = thread < snapshot.threads.size();
        if (has_owner) {
            auto& owner = snapshot.owners[owned_by];
            owner.counts += counts[i];
            add(owner_cells[owned_by], cells[i]);
            owner.peak_live_bytes =
                std::max(owner.peak_live_bytes, sum(current(region.owners[owned_by].live), above));
        }
        if (has_thread) snapshot.threads[thread].counts += counts[i];
        if (has_owner && has_thread) snapshot.rows.push_back({owned_by, thread, counts[i]});
    }

    for (std::size_t i = 0; i < snapshot.owners.size(); ++i) {
        auto& owner = snapshot.owners[i];
        owner.peak_live_bytes = std::max(owner.peak_live_bytes, owner.counts.live_bytes());
        owner.classes = classes_of(owner_cells[i]);
    }
    snapshot.classes = classes_of(all_cells);

    const std::int64_t live = current(region.live);
    snapshot.kept_live_bytes = live;
    const bool has_rest = current(region.apart_used) > 0;
    const std::int64_t rest = current(region.rest_live);
    snapshot.rest_kept_live_bytes = has_rest ? rest : live;
    // What was brought up to date while the rows were read.
    const auto brought = [](std::int64_t a, std::int64_t b) {
        return excess(std::max(a, b), std::min(a, b));
    };
    snapshot.kept_error_bytes =
        sum(snapshot.kept_error_bytes,
            std::max(brought(live, live_before), has_rest ? brought(rest, rest_before) : 0));
    const std::int64_t peak = current(region.peak);
    snapshot.peak_live_bytes = std::max({peak, sum(live, highest), snapshot.total.live_bytes()});
    snapshot.rest_peak_live_bytes = snapshot.peak_live_bytes;
    if (has_rest) {
        snapshot.rest_peak_live_bytes =
            std::max({current(region.rest_peak), sum(rest, rest_highest), rest_live});
    }
    // One row: every rise is known. More: each may have moved so far unseen when another was
    // highest, and that one since then.
    if (rows > 1)
        snapshot.peak_error_bytes = (rows + 1) * flush_distance(0, snapshot.peak_live_bytes, rows);
    snapshot.foreign_frees = current(region.foreign_frees);
    snapshot.uncounted = current(region.uncounted);
    const std::uint32_t flags = current(region.flags);
    snapshot.owners_complete = (flags & ~std::uint32_t{kSampleRefused}) == 0 && stray_frees == 0;
    snapshot.sample_refused = (flags & kSampleRefused) != 0;
    if (const std::uint64_t distance = current(region.sample_bytes); distance > 0)
        snapshot.sample_distance = distance == 1 ? 0 : distance;
    snapshot.header_bytes =
        static_cast<std::uint64_t>(std::max<std::int64_t>(snapshot.total.live_blocks(), 0)) *
        kBlockHeaderBytes;
    return snapshot;
}

Result<std::filesystem::path> region_file(const std::filesystem::path& directory, pid_t pid) {
    const std::string begin = fmt::format("{}-", pid);
    std::filesystem::path newest;
    int newest_image = -1;
    std::error_code status;
    for (const auto& entry : std::filesystem::directory_iterator(directory, status)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with(begin) || !name.ends_with(".alloc")) continue;
        int image = -1;
        const auto* const first = name.data() + begin.size();
        const auto read = std::from_chars(first, name.data() + name.size(), image);
        if (read.ec != std::errc{} || std::string_view(read.ptr) != ".alloc") continue;
        if (image <= newest_image) continue;
        newest_image = image;
        newest = entry.path();
    }
    if (newest_image < 0) return std::unexpected(why_not_counted(directory, pid));
    return newest;
}

}  // namespace crucible::alloc
