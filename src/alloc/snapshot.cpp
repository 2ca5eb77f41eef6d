#include "alloc/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "alloc/why_not_counted.h"
#include "base/file.h"
#include "crucible/allocation.h"

namespace crucible::alloc {
namespace {

/// In the order in which it is written here.
template <class Integer>
Integer load(const Integer& counter) noexcept {
    return __atomic_load_n(&counter, __ATOMIC_ACQUIRE);
}

/// What every version begins with.
struct Begin {
    std::uint64_t magic = 0;
    std::uint32_t version = 0;
};
static_assert(offsetof(Begin, version) == offsetof(Region, version));

template <std::size_t Size>
std::string text(const std::array<char, Size>& name) {
    return std::string(name.data(), ::strnlen(name.data(), Size));
}

std::size_t usable_of(std::uint32_t index) noexcept {
    const std::size_t chunk = smallest_chunk(index);
    return chunk > kChunkOverheadBytes ? chunk - kChunkOverheadBytes : 0;
}

Counts freed_of(const Row& row, std::array<Cell, kClasses>& classes) {
    Counts counts;
    counts.freed_bytes = load(row.freed_bytes);
    counts.freed_usable_bytes = load(row.large_freed_usable);
    for (std::uint32_t i = 0; i < kClasses; ++i) {
        const std::uint64_t frees = load(row.cells[i].frees);
        classes[i].frees += frees;
        counts.frees += frees;
        if (i < kSmallClasses) counts.freed_usable_bytes += frees * usable_of(i);
    }
    return counts;
}

Counts allocated_of(const Row& row, std::array<Cell, kClasses>& classes) {
    Counts counts;
    counts.bytes = load(row.bytes);
    counts.usable_bytes = load(row.large_usable);
    for (std::uint32_t i = 0; i < kClasses; ++i) {
        const std::uint64_t allocations = load(row.cells[i].allocations);
        classes[i].allocations += allocations;
        counts.allocations += allocations;
        if (i < kSmallClasses) counts.usable_bytes += allocations * usable_of(i);
    }
    return counts;
}

/// All that is known of owners and threads besides their rows.
void name(Snapshot& snapshot, const Region& region) {
    const std::uint32_t owners = std::min(load(region.owners_used), kOwnersMax);
    snapshot.owners.resize(owners);
    for (std::uint32_t i = 0; i < owners; ++i) {
        snapshot.owners[i].name = text(region.owners[i].name);
        snapshot.owners[i].peak_live_bytes = load(region.owners[i].peak);
    }
    const std::uint32_t threads = std::min(load(region.threads_used), kThreadsMax);
    snapshot.threads.resize(threads);
    for (std::uint32_t i = 0; i < threads; ++i) {
        const Thread& thread = region.threads[i];
        snapshot.threads[i].tid = static_cast<pid_t>(load(thread.tid));
        snapshot.threads[i].served = load(thread.served);
        snapshot.threads[i].name = text(thread.name);
        snapshot.reallocations += load(thread.reallocations);
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
    const base::UniqueFd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!descriptor) return std::unexpected(base::errno_error(file.string(), errno));
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0)
        return std::unexpected(base::errno_error(file.string(), errno));
    const auto corrupt = [&](std::string_view why) {
        return std::unexpected(Error{
            Errc::corrupt, fmt::format("{}: not an allocation region{}", file.string(), why)});
    };
    if (!S_ISREG(status.st_mode)) return corrupt("");
    // Before its size: another version's may be another.
    Begin begin;
    const bool is_complete = ::pread(descriptor.get(), &begin, sizeof begin, 0) == sizeof begin;
    if (is_complete && begin.magic == kMagic && begin.version != kFormatVersion) {
        return std::unexpected(Error{
            Errc::unsupported,
            fmt::format("{}: an allocation region of version {}; this crucible reads version {}",
                        file.string(), begin.version, kFormatVersion)});
    }
    if (status.st_size != static_cast<off_t>(sizeof(Region)))
        return corrupt(fmt::format(": {} bytes instead of {}", status.st_size, sizeof(Region)));
    void* const memory =
        ::mmap(nullptr, sizeof(Region), PROT_READ, MAP_SHARED, descriptor.get(), 0);
    if (memory == MAP_FAILED)
        return std::unexpected(base::errno_error(file.string() + ": mmap", errno));
    std::shared_ptr<const Region> region(
        static_cast<const Region*>(memory),
        [](const Region* mapped) { ::munmap(const_cast<Region*>(mapped), sizeof(Region)); });
    const std::uint64_t magic = load(region->magic);
    if (magic == 0)
        return std::unexpected(
            Error{Errc::not_found, file.string() + ": its process has not begun to count"});
    if (magic != kMagic || region->version != kFormatVersion || region->bytes != sizeof(Region))
        return corrupt("");
    return RegionReader(std::move(region));
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
    snapshot.pid = static_cast<pid_t>(region.pid);
    snapshot.forked_from = static_cast<pid_t>(region.forked_from);

    // First what was freed, in all rows, then what was allocated: what one thread allocates,
    // another may free meanwhile, and nothing is to be seen freed that was not seen allocated. The
    // number of rows again, too, and last the owners and threads that they name.
    std::array<Cell, kClasses> classes{};
    const std::uint64_t stray_frees = load(region.stray_frees);
    snapshot.total.frees = stray_frees;
    snapshot.total.freed_bytes = load(region.stray_freed_bytes);
    std::vector<Counts> counts(std::min(load(region.rows_used), kRowsMax));
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = freed_of(region.rows[i], classes);
    counts.resize(std::min(load(region.rows_used), kRowsMax));
    const auto rows = static_cast<std::uint32_t>(counts.size());
    for (std::uint32_t i = 0; i < rows; ++i) counts[i] += allocated_of(region.rows[i], classes);

    name(snapshot, region);
    std::int64_t highest = 0;  // above what was flushed of its row, of any row
    for (std::uint32_t i = 0; i < rows; ++i) {
        const Row& row = region.rows[i];
        snapshot.total += counts[i];
        const std::int64_t above = load(row.high) - load(row.flushed);
        highest = std::max(highest, above);
        if (row.owner < snapshot.owners.size()) {
            auto& owner = snapshot.owners[row.owner];
            owner.counts += counts[i];
            owner.peak_live_bytes =
                std::max(owner.peak_live_bytes, load(region.owners[row.owner].live) + above);
        }
        if (row.thread < snapshot.threads.size()) snapshot.threads[row.thread].counts += counts[i];
    }

    for (auto& owner : snapshot.owners)
        owner.peak_live_bytes = std::max(owner.peak_live_bytes, owner.counts.live_bytes());

    const std::int64_t live = load(region.live);
    const std::int64_t peak = load(region.peak);
    snapshot.peak_live_bytes = std::max({peak, live + highest, snapshot.total.live_bytes()});
    // One row: every rise is known. More: each may have moved so far unseen when another was
    // highest.
    if (rows > 1)
        snapshot.peak_error_bytes = (rows - 1) * flush_distance(0, snapshot.peak_live_bytes, rows);
    for (std::uint32_t i = 0; i < kClasses; ++i) {
        if (classes[i].allocations > 0)
            snapshot.classes.push_back({usable_of(i), classes[i].allocations, classes[i].frees});
    }
    snapshot.foreign_frees = load(region.foreign_frees);
    snapshot.uncounted = load(region.uncounted);
    snapshot.owners_complete = load(region.flags) == 0 && stray_frees == 0;
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
