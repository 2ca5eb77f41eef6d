#include "lab/memory/counted_parts.h"

#include <algorithm>
#include <map>
#include <utility>

#include "lab/memory/memory_figures.h"

namespace crucible::lab {
namespace {

/// Calls `visit(process, before, after)` for each process of the system.
template <typename Visit>
void each_process(const MemoryTrial& trial, std::size_t phase, const Visit& visit) {
    if (phase >= watched_phases(trial)) return;
    for (const auto& process : trial.processes) {
        if (is_measured(trial, process))
            visit(process, process.quiet[phase], process.quiet[phase + 1]);
    }
}

bool is_systems(const ProcessCourse& process, const alloc::OwnerCounts& owner) {
    return !process.client || !is_harness_owner(owner.name);
}

/// What the system's owners have allocated and freed by thread, which keeps its index.
std::vector<alloc::Counts> by_thread(const ProcessCourse& process,
                                     const alloc::Snapshot& snapshot) {
    std::vector<alloc::Counts> threads(snapshot.threads.size());
    for (const auto& row : snapshot.rows) {
        if (is_systems(process, snapshot.owners[row.owner])) threads[row.thread] += row.counts;
    }
    return threads;
}

}  // namespace

std::vector<SizeFigures> size_figures(const MemoryTrial& trial, std::size_t phase) {
    std::map<std::size_t, SizeFigures> sizes;
    each_process(trial, phase, [&](const auto& process, const auto& before, const auto& after) {
        const auto add = [&](const alloc::Snapshot& snapshot, double sign) {
            for (const auto& owner : snapshot.owners) {
                if (!is_systems(process, owner)) continue;
                for (const auto& one : owner.classes) {
                    auto& size = sizes[one.usable_from];
                    size.usable_from = one.usable_from;
                    size.usable_to = one.usable_to;
                    const auto allocations = static_cast<double>(one.allocations);
                    size.allocations += sign * allocations;
                    if (sign > 0) size.live_blocks += allocations - static_cast<double>(one.frees);
                }
            }
        };
        add(before, -1);
        add(after, 1);
    });
    std::vector<SizeFigures> all;
    for (const auto& [from, size] : sizes) all.push_back(size);
    return all;
}

std::vector<ThreadFigures> thread_figures(const MemoryTrial& trial, std::size_t phase) {
    std::map<std::pair<std::string, std::string>, ThreadFigures> groups;
    each_process(trial, phase, [&](const auto& process, const auto& before, const auto& after) {
        auto earlier = by_thread(process, before);
        const auto later = by_thread(process, after);
        earlier.resize(later.size());
        for (std::size_t i = 0; i < later.size(); ++i) {
            const alloc::Counts done = later[i] - earlier[i];
            if (done == alloc::Counts{}) continue;
            const std::string place = process.client ? "client" : "system";
            const auto& thread = after.threads[i];
            const auto name = thread_group(thread.name);
            auto& group = groups[{place, name}];
            group.place = place;
            group.name = name;
            // Those that began in the phase, and the one that was there.
            const bool was_there = i < before.threads.size();
            group.threads += thread.served - (was_there ? before.threads[i].served : 0);
            if (was_there && before.threads[i].tid != 0) group.threads += 1;
            group.allocations += static_cast<double>(done.allocations);
            group.bytes += static_cast<double>(done.bytes);
            group.freed_bytes += static_cast<double>(done.freed_bytes);
        }
    });
    std::vector<ThreadFigures> all;
    for (auto& [key, group] : groups) all.push_back(std::move(group));
    return all;
}

std::string thread_group(std::string_view name) {
    constexpr std::string_view kDigits = "0123456789";
    constexpr std::string_view kSeparators = "-_/:# ";
    std::string_view group = name;
    while (true) {
        const auto digits = group.find_last_not_of(kDigits);
        if (digits == std::string_view::npos || digits + 1 == group.size()) break;
        const auto end = group.substr(0, digits + 1).find_last_not_of(kSeparators);
        // A number that is part of a word, or no word at all.
        if (end == std::string_view::npos || end == digits) break;
        group = group.substr(0, end + 1);
    }
    return group.empty() ? "unnamed" : std::string(group);
}

}  // namespace crucible::lab
