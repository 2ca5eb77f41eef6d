#include "alloc/stacks.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/file.h"

namespace crucible::alloc {
namespace {

/// Acquires: what is read after it is no older, so that frees, which are read first, are never more
/// than allocations.
template <class Number>
Number current(const Number& counter) noexcept {
    Number value{};
    __atomic_load(&counter, &value, __ATOMIC_ACQUIRE);
    return value;
}

/// How long a tick is. From the process's own notes; while there is none but the first, from now.
double ns_per_tick(const StackFile& file) {
    ClockPair seen;
    std::uint64_t writes = 0;
    do {
        writes = current(file.clock_writes);
        seen = {current(file.seen.ticks), current(file.seen.ns)};
    } while (writes % 2 == 0 && current(file.clock_writes) != writes);
    // Odd for long where the process was killed in between: what is there may not fit together.
    if (writes % 2 != 0) seen = file.begun;
    constexpr std::uint64_t kLongEnoughNs = 1'000'000;
#if defined(__x86_64__)
    if (seen.ns - file.begun.ns < kLongEnoughNs) {
        timespec time{};
        ::clock_gettime(CLOCK_MONOTONIC, &time);
        const std::uint64_t ns = static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
                                 static_cast<std::uint64_t>(time.tv_nsec);
        const std::uint64_t ticks = __builtin_ia32_rdtsc();
        // Of the machine that it ran on, and since that was last started.
        if (ns > file.begun.ns && ticks > file.begun.ticks) seen = {ticks, ns};
    }
#endif
    if (seen.ticks <= file.begun.ticks || seen.ns <= file.begun.ns) return 1;
    return static_cast<double>(seen.ns - file.begun.ns) /
           static_cast<double>(seen.ticks - file.begun.ticks);
}

std::string owner_name(const StackFile& file, std::uint32_t owner) {
    if (owner >= kOwnersMax) return {};
    const auto& name = file.owners[owner];
    return std::string(name.data(), ::strnlen(name.data(), name.size()));
}

Weighted weighted(const Weighted& sums) {
    return {current(sums.count), current(sums.bytes), current(sums.count_variance),
            current(sums.bytes_variance)};
}

/// Frees before allocations: nothing is seen freed that was not allocated yet.
SampledCounts counts_of(const Tally& tally, bool all, double tick_seconds) {
    SampledCounts counts;
    for (const Freed* freed : {&tally.freed, &tally.freed_elsewhere}) {
        counts.frees += current(freed->frees);
        counts.freed_bytes += current(freed->bytes);
        counts.freed_byte_seconds += current(freed->byte_ticks) * tick_seconds;
    }
    Weighted freed = weighted(tally.freed_weighted);
    counts.allocations = current(tally.allocations);
    counts.bytes = current(tally.bytes);
    Weighted allocated = weighted(tally.allocated_weighted);
    if (all) {
        allocated.count = static_cast<double>(counts.allocations);
        allocated.bytes = static_cast<double>(counts.bytes);
        freed.count = static_cast<double>(counts.frees);
        freed.bytes = static_cast<double>(counts.freed_bytes);
    }
    counts.all_allocations = {allocated.count, allocated.count_variance};
    counts.all_bytes = {allocated.bytes, allocated.bytes_variance};
    // Where no sample is live, what is left of the sums is rounding.
    if (counts.frees < counts.allocations) {
        counts.live_blocks = counts.all_allocations - Estimate{freed.count, freed.count_variance};
        counts.live_bytes = counts.all_bytes - Estimate{freed.bytes, freed.bytes_variance};
    }
    return counts;
}

std::vector<std::string> maps_of(const StackFile& file) {
    std::vector<std::string> texts;
    const std::uint32_t used = std::min(current(file.maps_used), kMapsMax);
    for (std::uint32_t i = 0; i < used; ++i) {
        const Maps& maps = file.maps[i];
        const std::size_t begin = std::min<std::size_t>(maps.offset, kMapsBytes);
        texts.emplace_back(file.maps_text.data() + begin,
                           std::min<std::size_t>(maps.bytes, kMapsBytes - begin));
    }
    return texts;
}

std::vector<OwnerLifetimes> lifetimes_of(const StackFile& file, double tick_ns) {
    std::map<std::uint32_t, std::array<std::uint64_t, 63>> sums;
    constexpr std::size_t kEach = kPageBytes / sizeof(Lifetimes);
    for (std::size_t row = 0; row < kRowsMax; ++row) {
        const std::size_t page = row / kEach;
        if ((current(file.lifetimes_used[page / 64]) >> (page % 64) & 1) == 0) continue;
        const Lifetimes& lifetimes = file.lifetimes[row];
        const std::uint64_t owner = current(lifetimes.owner_and_one);
        if (owner == 0) continue;
        auto& sum = sums[static_cast<std::uint32_t>(owner - 1)];
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += current(lifetimes.counts[i]);
    }
    std::vector<OwnerLifetimes> all;
    for (const auto& [owner, sum] : sums) {
        OwnerLifetimes one{owner_name(file, owner), {}};
        for (std::size_t i = 0; i < sum.size(); ++i) {
            if (sum[i] == 0) continue;
            const bool first = i < kBirthShift;
            const double from = first ? 0 : std::ldexp(tick_ns, static_cast<int>(i));
            const double to = first ? std::ldexp(tick_ns, kBirthShift) : 2 * from;
            one.classes.push_back(
                {static_cast<std::uint32_t>(i), from, to,
                 static_cast<double>(sum[i]) / static_cast<double>(kLifetimeUnit)});
        }
        all.push_back(std::move(one));
    }
    return all;
}

}  // namespace

std::pair<double, double> Estimate::interval95() const noexcept {
    constexpr double kZ = 1.959963985;
    if (value <= 0) return {value - kZ * std::sqrt(variance), value + kZ * std::sqrt(variance)};
    const double per_unit = variance / value;
    const double middle = value + kZ * kZ * per_unit / 2;
    const double half = kZ * std::sqrt(variance + kZ * kZ * per_unit * per_unit / 4);
    return {middle - half, middle + half};
}

Estimate& Estimate::operator+=(const Estimate& other) noexcept {
    value += other.value;
    variance += other.variance;
    return *this;
}

Estimate operator-(const Estimate& all, const Estimate& part) noexcept {
    // The rest of the same samples: what remains of the sums is of what remains of them, except
    // for rounding.
    return {all.value - part.value, std::max(all.variance - part.variance, 0.0)};
}

SampledCounts& SampledCounts::operator+=(const SampledCounts& other) noexcept {
    allocations += other.allocations;
    bytes += other.bytes;
    frees += other.frees;
    freed_bytes += other.freed_bytes;
    all_allocations += other.all_allocations;
    all_bytes += other.all_bytes;
    live_blocks += other.live_blocks;
    live_bytes += other.live_bytes;
    freed_byte_seconds += other.freed_byte_seconds;
    return *this;
}

SampledCounts StackSnapshot::total() const {
    SampledCounts sum;
    for (const auto& stack : stacks) sum += stack.counts;
    return sum;
}

Result<StacksReader> StacksReader::open(const std::filesystem::path& path) {
    const base::UniqueFd descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!descriptor) return std::unexpected(base::errno_error(path.string(), errno));
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0 ||
        status.st_size != static_cast<off_t>(sizeof(StackFile)))
        return std::unexpected(
            Error{Errc::corrupt, fmt::format("{}: not a file of stacks: {} bytes instead of {}",
                                             path.string(), status.st_size, sizeof(StackFile))});
    void* const memory =
        ::mmap(nullptr, sizeof(StackFile), PROT_READ, MAP_SHARED, descriptor.get(), 0);
    if (memory == MAP_FAILED)
        return std::unexpected(base::errno_error(path.string() + ": mmap", errno));
    std::shared_ptr<const StackFile> file(
        static_cast<const StackFile*>(memory),
        [](const StackFile* mapped) { ::munmap(const_cast<StackFile*>(mapped), sizeof *mapped); });
    const std::uint64_t magic = current(file->magic);
    if (magic == 0)
        return std::unexpected(
            Error{Errc::not_found, path.string() + ": its process has not begun to sample"});
    if (magic != kStacksMagic)
        return std::unexpected(Error{Errc::corrupt, path.string() + ": not a file of stacks"});
    if (file->version != kStacksVersion || file->bytes != sizeof(StackFile))
        return std::unexpected(
            Error{Errc::unsupported,
                  fmt::format("{}: a file of stacks of version {}; this crucible reads version {}",
                              path.string(), file->version, kStacksVersion)});
    return StacksReader(std::move(file));
}

StackSnapshot StacksReader::read() const {
    const StackFile& file = *file_;
    StackSnapshot snapshot;
    snapshot.pid = static_cast<pid_t>(file.pid);
    snapshot.mean_bytes = file.mean_bytes;
    const double tick_ns = ns_per_tick(file);

    // Tallies before stacks: each is of a stack that is complete.
    const std::uint32_t tallies = std::min(current(file.tallies_used), kTalliesMax);
    const std::uint32_t stacks = std::min(current(file.stacks_used), kStacksMax);
    snapshot.stacks.resize(stacks);
    for (std::uint32_t i = 0; i < stacks; ++i) {
        const StackEntry& entry = file.stacks[i];
        StackSamples& stack = snapshot.stacks[i];
        stack.number = i;
        stack.owner = owner_name(file, entry.owner);
        const std::uint32_t first = std::min(entry.first_pc, kPcsMax);
        const std::uint32_t frames = std::min({entry.frames, kFramesMax, kPcsMax - first});
        stack.pcs.assign(file.pcs.begin() + first, file.pcs.begin() + first + frames);
        if (entry.raw != kNone && i >= kOwnersMax) stack.raw = entry.raw;
        if (entry.maps != kNone) stack.maps = entry.maps;
    }
    for (std::uint32_t i = 0; i < tallies; ++i) {
        const Tally& tally = file.tallies[i];
        if (tally.stack >= stacks) continue;
        const SampledCounts counts = counts_of(tally, file.mean_bytes == 0, tick_ns / 1e9);
        if (counts.allocations == 0) continue;
        StackSamples& stack = snapshot.stacks[tally.stack];
        stack.counts += counts;
        if (tally.thread != kNone) stack.threads.push_back({tally.thread, counts});
        if (i < kOwnersMax) snapshot.without_stack += counts.allocations;
    }
    std::erase_if(snapshot.stacks, [](const StackSamples& s) { return s.counts.allocations == 0; });
    // Last: those of the newest stack are there by now.
    snapshot.maps = maps_of(file);
    for (auto& stack : snapshot.stacks)
        if (stack.maps && *stack.maps >= snapshot.maps.size()) stack.maps.reset();
    snapshot.lifetimes = lifetimes_of(file, tick_ns);
    snapshot.raw_not_saved = current(file.raw_not_saved);
    snapshot.maps_not_saved = current(file.maps_not_saved);
    return snapshot;
}

std::optional<StackMemory> StacksReader::memory(std::uint32_t raw) const {
    const std::size_t used = std::min<std::size_t>(current(file_->raw_used), kRawPoolBytes);
    const std::size_t begin = std::size_t{raw} * 16;
    RawStack header;
    if (begin + sizeof header > used) return std::nullopt;
    ::memcpy(&header, file_->raw.data() + begin, sizeof header);
    const std::byte* const first = file_->raw.data() + begin + sizeof header;
    if (header.bytes > used - begin - sizeof header) return std::nullopt;
    return StackMemory{header.pc, header.sp, header.bp, {first, first + header.bytes}};
}

std::filesystem::path stacks_file(std::filesystem::path region_file) {
    return region_file.replace_extension(".stacks");
}

}  // namespace crucible::alloc
