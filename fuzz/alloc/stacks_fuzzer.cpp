// A file of stacks, which a stranger's process writes: what is read of it is within what there can
// be, and is numbers that can be computed with, whatever it says; or it is refused.
#include <cmath>
#include <cstring>
#include <memory>

#include "alloc/stack_file.h"
#include "alloc/stacks.h"
#include "base/assert.h"
#include "fuzzer.h"
#include "sparse_file.h"

namespace crucible::fuzz {
namespace {

void check_estimate(const alloc::Estimate& estimate) {
    CRUCIBLE_ASSERT(std::isfinite(estimate.value));
    CRUCIBLE_ASSERT(std::isfinite(estimate.variance) && estimate.variance >= 0);
    const auto [low, high] = estimate.interval95();
    CRUCIBLE_ASSERT(std::isfinite(low) && std::isfinite(high) && low <= high);
}

void check_counts(const alloc::SampledCounts& counts) {
    for (const auto& estimate :
         {counts.all_allocations, counts.all_bytes, counts.live_blocks, counts.live_bytes})
        check_estimate(estimate);
    CRUCIBLE_ASSERT(std::isfinite(counts.freed_byte_seconds) && counts.freed_byte_seconds >= 0);
}

void check_read(const alloc::StacksReader& reader, const alloc::StackSnapshot& snapshot) {
    for (const auto& stack : snapshot.stacks) {
        CRUCIBLE_ASSERT(stack.pcs.size() <= alloc::kFramesMax);
        CRUCIBLE_ASSERT(stack.owner.size() <= 32);
        CRUCIBLE_ASSERT(!stack.maps || *stack.maps < snapshot.maps.size());
        check_counts(stack.counts);
        for (const auto& thread : stack.threads) check_counts(thread.counts);
        if (!stack.raw) continue;
        const auto memory = reader.memory(*stack.raw);
        CRUCIBLE_ASSERT(!memory || memory->bytes.size() <= alloc::kRawBytesMax);
    }
    check_counts(snapshot.total());
    std::size_t maps_bytes = 0;
    for (const auto& text : snapshot.maps) maps_bytes += text.size();
    CRUCIBLE_ASSERT(maps_bytes <= alloc::kMapsBytes);
    for (const auto& owner : snapshot.lifetimes) {
        double from = -1;
        for (const auto& one : owner.classes) {
            CRUCIBLE_ASSERT(one.from_ns >= from && std::isfinite(one.from_ns) && one.blocks > 0);
            from = one.from_ns;
        }
    }
}

}  // namespace

void run(std::string_view input) {
    static SparseFile file(sizeof(alloc::StackFile));
    file.fill(input);
    file.keep_below(offsetof(alloc::StackFile, stacks_used), 2 * alloc::kOwnersMax);
    file.keep_below(offsetof(alloc::StackFile, tallies_used), 2 * alloc::kOwnersMax);
    const auto reader = alloc::StacksReader::open(file.path());
    if (!reader) return check_message(reader.error());
    check_read(*reader, reader->read());
}

std::vector<std::string> seeds() {
    const auto file = std::make_unique<alloc::StackFile>();
    // As a file begins, unlike the structure, which has "none" in places.
    std::memset(static_cast<void*>(file.get()), 0, sizeof *file);
    file->magic = alloc::kStacksMagic;
    file->version = alloc::kStacksVersion;
    file->pid = 4711;
    file->bytes = sizeof(alloc::StackFile);
    file->mean_bytes = 1024;
    file->begun = {1'000'000, 500'000};
    file->seen = {9'000'000, 4'500'000};
    file->clock_writes = 2;
    std::strcpy(file->owners[1].data(), "queue");
    constexpr std::uint32_t kFirst = alloc::kOwnersMax;
    file->stacks_used = kFirst + 1;
    file->tallies_used = kFirst + 2;
    file->pcs_used = 3;
    file->maps_used = 1;
    constexpr std::string_view kMaps = "1000-2000 r-xp 00000000 00:00 0 /bin/a\n";
    file->maps[0] = {0, kMaps.size()};
    kMaps.copy(file->maps_text.data(), kMaps.size());
    file->pcs[0] = 0x1100;
    file->pcs[1] = 0x1200;
    file->pcs[2] = 0x1300;
    file->stacks[kFirst] = {.hash = 9, .owner = 1, .frames = 3, .raw = 0, .tallies = kFirst + 1};
    const alloc::RawStack raw{
        .pc = 0x1100, .sp = 0x7000, .bp = 0x7010, .stack = kFirst, .bytes = 16};
    std::memcpy(file->raw.data(), &raw, sizeof raw);
    file->raw_used = sizeof raw + 16;
    for (std::uint32_t i = 0; i < 2; ++i) {
        alloc::Tally& tally = file->tallies[kFirst + i];
        tally.stack = kFirst;
        tally.thread = i;
        tally.owner = 1;
        tally.next = i * kFirst;
        tally.allocations = 3;
        tally.bytes = 600;
        tally.freed = {1, 200, 1e6};
        tally.allocated_weighted = {15, 3000, 60, 2.4e6};
        tally.freed_weighted = {5, 1000, 20, 8e5};
    }
    file->lifetimes_used[0] = 1;
    file->lifetimes[0].owner_and_one = 2;
    file->lifetimes[0].counts[12] = 5 * alloc::kLifetimeUnit;
    const auto input = [&] {
        return SparseFile::input({reinterpret_cast<const char*>(file.get()), sizeof *file});
    };
    std::vector<std::string> all{input()};
    file->mean_bytes = 0;
    file->tallies[1].allocations = 4;  // for which there was no room
    all.push_back(input());
    return all;
}

}  // namespace crucible::fuzz
