#include "alloc/stacks.h"

#include <string.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "alloc/shared_file.h"

namespace crucible::alloc {
namespace {

/// How long a tick is. From the process's own notes; while there is none but the first, from now.
double ns_per_tick(const StackFile& file) {
    const ClockPair begun{current(file.begun.ticks), current(file.begun.ns)};
    ClockPair seen = begun;
    // Odd for long where the process was killed in between: what is there may not fit together. And
    // who writes all the time is not waited for.
    for (int tries = 0; tries < 100; ++tries) {
        const std::uint64_t writes = current(file.clock_writes);
        const ClockPair read{current(file.seen.ticks), current(file.seen.ns)};
        if (writes % 2 != 0) break;
        if (current(file.clock_writes) != writes) continue;
        seen = read;
        break;
    }
    constexpr std::uint64_t kLongEnoughNs = 1'000'000;
#if defined(__x86_64__)
    if (seen.ns - begun.ns < kLongEnoughNs) {
        timespec time{};
        ::clock_gettime(CLOCK_MONOTONIC, &time);
        const std::uint64_t ns = static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
                                 static_cast<std::uint64_t>(time.tv_nsec);
        const std::uint64_t ticks = __builtin_ia32_rdtsc();
        // Of the machine that it ran on, and since that was last started.
        if (ns > begun.ns && ticks > begun.ticks) seen = {ticks, ns};
    }
#endif
    if (seen.ticks <= begun.ticks || seen.ns <= begun.ns) return 1;
    return static_cast<double>(seen.ns - begun.ns) / static_cast<double>(seen.ticks - begun.ticks);
}

std::string owner_name(const StackFile& file, std::uint32_t owner) {
    if (owner >= kOwnersMax) return {};
    const auto& name = file.owners[owner];
    return std::string(name.data(), ::strnlen(name.data(), name.size()));
}

/// What no sum over samples is is 0: no number, below what one sample would give, or beyond all
/// that a process could do.
double known(double sum, double least = 0) noexcept {
    return sum >= least && sum <= 1e60 ? sum : 0;
}

Weighted weighted(const Weighted& sums) {
    return {known(current(sums.count), 1), known(current(sums.bytes), 1),
            known(current(sums.count_variance)), known(current(sums.bytes_variance))};
}

/// Frees before allocations: nothing is seen freed that was not allocated yet.
SampledCounts counts_of(const Tally& tally, bool all, double tick_seconds) {
    SampledCounts counts;
    for (const Freed* freed : {&tally.freed, &tally.freed_elsewhere}) {
        counts.frees += current(freed->frees);
        counts.freed_bytes += current(freed->bytes);
        counts.freed_byte_seconds += known(current(freed->byte_ticks)) * tick_seconds;
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
    std::size_t end = 0;
    const std::uint32_t used = std::min(current(file.maps_used), kMapsMax);
    for (std::uint32_t i = 0; i < used; ++i) {
        // One behind the other: wrong ones that overlap would be many times the file.
        const std::size_t begin =
            std::clamp<std::size_t>(current(file.maps[i].offset), end, kMapsBytes);
        const std::size_t bytes =
            std::min<std::size_t>(current(file.maps[i].bytes), kMapsBytes - begin);
        texts.emplace_back(file.maps_text.data() + begin, bytes);
        end = begin + bytes;
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

Result<StacksReader> StacksReader::open(const std::filesystem::path& file) {
    static_assert(offsetof(StackFile, bytes) == offsetof(SharedBegin, bytes));
    auto mapped = map_shared_file(file, {.name = "a file of stacks",
                                         .act = "sample",
                                         .magic = kStacksMagic,
                                         .version = kStacksVersion,
                                         .bytes = sizeof(StackFile)});
    if (!mapped) return std::unexpected(mapped.error());
    return StacksReader(std::static_pointer_cast<const StackFile>(*std::move(mapped)));
}

StackSnapshot StacksReader::read() const {
    const StackFile& file = *file_;
    StackSnapshot snapshot;
    snapshot.pid = static_cast<pid_t>(current(file.pid));
    snapshot.mean_bytes = current(file.mean_bytes);
    const double tick_ns = ns_per_tick(file);

    // Tallies before stacks: each is of a stack that is complete.
    const std::uint32_t tallies = std::min(current(file.tallies_used), kTalliesMax);
    const std::uint32_t stacks = std::min(current(file.stacks_used), kStacksMax);
    snapshot.stacks.resize(stacks);
    for (std::uint32_t i = 0; i < stacks; ++i) {
        const StackEntry& entry = file.stacks[i];
        StackSamples& stack = snapshot.stacks[i];
        stack.number = i;
        stack.owner = owner_name(file, current(entry.owner));
        const std::uint32_t first = std::min(current(entry.first_pc), kPcsMax);
        const std::uint32_t frames = std::min({current(entry.frames), kFramesMax, kPcsMax - first});
        stack.pcs.assign(file.pcs.begin() + first, file.pcs.begin() + first + frames);
        const std::uint32_t raw = current(entry.raw);
        if (raw != kNone && i >= kOwnersMax) stack.raw = raw;
        if (const std::uint32_t maps = current(entry.maps); maps != kNone) stack.maps = maps;
    }
    for (std::uint32_t i = 0; i < tallies; ++i) {
        const Tally& tally = file.tallies[i];
        const std::uint32_t number = current(tally.stack);
        if (number >= stacks) continue;
        const SampledCounts counts = counts_of(tally, snapshot.mean_bytes == 0, tick_ns / 1e9);
        if (counts.allocations == 0) continue;
        StackSamples& stack = snapshot.stacks[number];
        stack.counts += counts;
        const std::uint32_t thread = current(tally.thread);
        if (thread != kNone) stack.threads.push_back({thread, counts});
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

std::uint64_t StacksReader::mean_bytes() const noexcept {
    return current(file_->mean_bytes);
}

std::optional<StackMemory> StacksReader::memory(std::uint32_t raw) const {
    const std::size_t used = std::min<std::size_t>(current(file_->raw_used), kRawPoolBytes);
    const std::size_t begin = std::size_t{raw} * 16;
    RawStack header;
    if (begin + sizeof header > used) return std::nullopt;
    ::memcpy(&header, file_->raw.data() + begin, sizeof header);
    const std::byte* const first = file_->raw.data() + begin + sizeof header;
    if (header.bytes > std::min(used - begin - sizeof header, kRawBytesMax)) return std::nullopt;
    return StackMemory{header.pc, header.sp, header.bp, {first, first + header.bytes}};
}

std::filesystem::path stacks_file(std::filesystem::path region_file) {
    return region_file.replace_extension(".stacks");
}

}  // namespace crucible::alloc
