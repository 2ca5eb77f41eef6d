#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "alloc/snapshot.h"

namespace crucible::lab {

struct Amounts {
    std::uint64_t allocations, frees, bytes, freed;
    std::int64_t peak;
};

/// One thread, one size class of 8 bytes: whatever the owners have adds up. All had their peaks at
/// once, but for the measurement's own, which are set apart.
inline alloc::Snapshot snapshot(std::vector<std::pair<std::string, Amounts>> owners) {
    alloc::Snapshot all;
    all.pid = 7;
    for (const auto& [name, amounts] : owners) {
        alloc::OwnerCounts owner{.name = name, .counts = {}, .peak_live_bytes = amounts.peak};
        owner.counts = {amounts.allocations, amounts.frees, amounts.bytes,
                        amounts.freed,       amounts.bytes, amounts.freed};
        owner.classes = {{8, amounts.allocations, amounts.frees, 8}};
        all.total += owner.counts;
        all.rows.push_back({static_cast<std::uint32_t>(all.owners.size()), 0, owner.counts});
        all.owners.push_back(owner);
        all.peak_live_bytes += amounts.peak;
        auto& kept = all.owners.back();
        kept.apart = name == "harness" || name == "workload";
        if (kept.apart) continue;
        all.rest_peak_live_bytes += amounts.peak;
        all.rest_kept_live_bytes += kept.counts.live_bytes();
    }
    all.threads = {{.tid = 7, .served = 1, .name = {}, .counts = all.total}};
    all.classes = {{8, all.total.allocations, all.total.frees, 8}};
    all.kept_live_bytes = all.total.live_bytes();
    return all;
}

}  // namespace crucible::lab
