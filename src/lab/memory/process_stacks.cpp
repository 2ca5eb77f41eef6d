#include "lab/memory/process_stacks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "lab/memory/stack_space.h"

namespace crucible::lab {
namespace {

using Values = std::array<std::int64_t, 5>;

Values values_of(const alloc::SampledCounts& counts) {
    const auto whole = [](double value) { return std::llround(std::max(value, 0.0)); };
    return {whole(counts.all_allocations.value), whole(counts.all_bytes.value),
            whole(counts.live_blocks.value), whole(counts.live_bytes.value),
            whole(counts.freed_byte_seconds)};
}

std::string thread_name(std::span<const std::string> names, std::uint32_t thread) {
    if (thread < names.size() && !names[thread].empty()) return names[thread];
    return fmt::format("thread {}", thread);
}

}  // namespace

StackProfile process_profile(const alloc::StacksReader& reader,
                             std::span<const std::string> thread_names) {
    struct Found {
        std::string owner;
        std::string thread;
        std::vector<std::uint64_t> stack;
        Values values;
    };
    std::vector<Found> all;
    StackSpace space;
    auto snapshot = reader.read();
    space.each(reader, snapshot,
               [&](const alloc::StackSamples& stack, const std::vector<std::uint64_t>& addresses) {
                   // What threads without a number of their own allocated is in the sum alone.
                   Values rest = values_of(stack.counts);
                   std::uint64_t samples = stack.counts.allocations;
                   for (const auto& thread : stack.threads) {
                       const auto values = values_of(thread.counts);
                       all.push_back({stack.owner, thread_name(thread_names, thread.thread),
                                      addresses, values});
                       samples -= std::min(samples, thread.counts.allocations);
                       for (std::size_t i = 0; i < rest.size(); ++i)
                           rest[i] = std::max<std::int64_t>(rest[i] - values[i], 0);
                   }
                   if (samples > 0) all.push_back({stack.owner, {}, addresses, rest});
               });
    Capture capture;
    capture.period = static_cast<std::int64_t>(std::max<std::uint64_t>(snapshot.mean_bytes, 1));
    StackProfile profile(space.modules(), allocation_kinds(), capture);
    for (const auto& one : all) profile.add(one.stack, one.owner, one.thread, one.values);
    return profile;
}

}  // namespace crucible::lab
