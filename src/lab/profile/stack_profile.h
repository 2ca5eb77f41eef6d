#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "crucible/time.h"
#include "lab/profile/mapped_module.h"

namespace crucible::lab {

/// What one of a sample's values counts.
struct ValueKind {
    std::string name;  ///< e.g. "alloc_space"
    std::string unit;  ///< "count", "bytes", "nanoseconds" or "byte_seconds"
    bool operator==(const ValueKind&) const = default;
};

/// alloc_objects, alloc_space, inuse_objects, inuse_space and lifetime, in this order. Lifetime is
/// in bytes times seconds: what was held, for as long as it was held.
std::vector<ValueKind> allocation_kinds();

/// What the first address of each stack is.
enum class Innermost : std::uint8_t {
    return_address,  ///< the unwinder's: of the instruction behind a call, like all the others
    instruction,     ///< a signal's: of the interrupted instruction itself
};

/// When and how stacks were taken.
struct Capture {
    Innermost innermost = Innermost::return_address;
    /// One sample every `period` of this kind; 1: each was taken.
    ValueKind period_kind{"space", "bytes"};
    std::int64_t period = 1;
    WallTime start{};
    Duration duration{};
};

/// Where something happened, how often, and for whom.
struct StackSample {
    std::vector<std::uint64_t> stack;  ///< program counters, the innermost first
    std::string owner;                 ///< empty: nobody's
    std::string thread;                ///< empty: not known
    std::vector<std::int64_t> values;  ///< one of each kind
    bool operator==(const StackSample&) const = default;
};

/// What one process did at which places, in its own addresses. Not thread-safe.
class StackProfile {
public:
    StackProfile(std::vector<MappedModule> modules, std::vector<ValueKind> kinds,
                 Capture capture = {});

    /// Adds to the sample of the same stack, owner and thread where there is one. As many values as
    /// kinds. A sum that would not fit stays at the greatest number. Returns its index in
    /// samples().
    std::size_t add(std::span<const std::uint64_t> stack, std::string_view owner,
                    std::string_view thread, std::span<const std::int64_t> values);

    /// Sorted by start.
    const std::vector<MappedModule>& modules() const noexcept { return modules_; }
    const std::vector<ValueKind>& kinds() const noexcept { return kinds_; }
    const Capture& capture() const noexcept { return capture_; }
    /// In the order in which they were first added.
    const std::vector<StackSample>& samples() const noexcept { return samples_; }

private:
    std::vector<MappedModule> modules_;
    std::vector<ValueKind> kinds_;
    Capture capture_;
    std::vector<StackSample> samples_;
    std::unordered_multimap<std::size_t, std::size_t> by_hash_;  ///< hash: index in samples_
};

}  // namespace crucible::lab
