// An allocation region, which a stranger's process writes: what is read of it is within what there
// can be, and adds up, whatever it says; or it is refused.
#include <cstring>
#include <memory>

#include "alloc/region.h"
#include "alloc/snapshot.h"
#include "base/assert.h"
#include "fuzzer.h"
#include "sparse_file.h"

namespace crucible::fuzz {
namespace {

void check_read(const alloc::Snapshot& snapshot) {
    CRUCIBLE_ASSERT(snapshot.owners.size() <= alloc::kOwnersMax);
    CRUCIBLE_ASSERT(snapshot.threads.size() <= alloc::kThreadsMax);
    for (const auto& owner : snapshot.owners) {
        CRUCIBLE_ASSERT(owner.name.size() <= sizeof(alloc::Owner::name));
        CRUCIBLE_ASSERT(owner.name.find('\0') == std::string::npos);
        CRUCIBLE_ASSERT(owner.peak_live_bytes >= owner.counts.live_bytes());
    }
    for (const auto& thread : snapshot.threads)
        CRUCIBLE_ASSERT(thread.name.size() <= sizeof(alloc::Thread::name));
    CRUCIBLE_ASSERT(snapshot.peak_live_bytes >= snapshot.total.live_bytes());
    CRUCIBLE_ASSERT(snapshot.peak_error_bytes >= 0);
    std::uint64_t allocations = 0;
    for (std::size_t i = 0; i < snapshot.classes.size(); ++i) {
        allocations += snapshot.classes[i].allocations;
        CRUCIBLE_ASSERT(i == 0 ||
                        snapshot.classes[i - 1].usable_from <= snapshot.classes[i].usable_from);
    }
    CRUCIBLE_ASSERT(allocations == snapshot.total.allocations);
}

}  // namespace

void run(std::string_view input) {
    static SparseFile file(sizeof(alloc::Region));
    file.fill(input);
    file.keep_below(offsetof(alloc::Region, rows_used), 64);
    const auto reader = alloc::RegionReader::open(file.path());
    if (!reader) return check_message(reader.error());
    check_read(reader->read());
}

std::vector<std::string> seeds() {
    const auto region = std::make_unique<alloc::Region>();
    region->magic = alloc::kMagic;
    region->version = alloc::kFormatVersion;
    region->pid = 4711;
    region->bytes = sizeof(alloc::Region);
    region->owners_used = 2;
    region->threads_used = 2;
    region->rows_used = 3;
    std::strcpy(region->owners[0].name.data(), "other");
    std::strcpy(region->owners[1].name.data(), "queue");
    for (std::uint32_t i = 0; i < 3; ++i) {
        region->threads[i / 2].served = 1;
        alloc::Row& row = region->rows[i];
        row.owner = i % 2;
        row.thread = i / 2;
        row.bytes = 3000 + i;
        row.freed_bytes = 100;
        row.high = 2950;
        row.flushed = 2900;
        row.cells[3] = {20, 10};
        row.cells[130] = {1, 0};
    }
    region->live = 8700;
    region->peak = 9000;
    const auto input = [&] {
        return SparseFile::input({reinterpret_cast<const char*>(region.get()), sizeof *region});
    };
    std::vector<std::string> all{input()};
    region->flags = alloc::kRowsExhausted;
    region->uncounted = 7;
    region->stray_frees = 2;
    region->stray_freed_bytes = 64;
    region->forked_from = 4710;
    all.push_back(input());
    return all;
}

}  // namespace crucible::fuzz
