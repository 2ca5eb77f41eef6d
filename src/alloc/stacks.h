#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "alloc/stack_file.h"
#include "crucible/error.h"

namespace crucible::alloc {

/// What all allocations would sum up to, by those that were sampled. Exact, with a variance of 0,
/// where every allocation is a sample.
struct Estimate {
    double value = 0;
    double variance = 0;  ///< of the estimate, itself estimated

    /// 95 % of such intervals hold the true sum: all values from which the estimate is no further
    /// off than 1.96 standard errors as they would be there (a score interval, as Wilson's). The
    /// variance of what samples stand for grows with the truth; if it were taken as that of the
    /// estimate, low estimates would have intervals that are too short, from few samples often.
    /// It takes a dozen samples, also of those sizes that make up most of the sum: so for bytes.
    /// Counts of a place's blocks are told without one: it is often a vector that grows, of whose
    /// small blocks, which are most, hardly any is sampled (docs/design/allocation-stacks.md). Of
    /// an owner, the region has the exact counts. Nothing of which no sample is left: from 0 to 0.
    std::pair<double, double> interval95() const noexcept;
    Estimate& operator+=(const Estimate& other) noexcept;
    friend Estimate operator-(const Estimate& all, const Estimate& part) noexcept;
};

/// Of the allocations at one stack.
struct SampledCounts {
    // Of the samples themselves.
    std::uint64_t allocations = 0;
    std::uint64_t bytes = 0;
    std::uint64_t frees = 0;
    std::uint64_t freed_bytes = 0;

    // Of all that they stand for.
    Estimate all_allocations;
    Estimate all_bytes;
    Estimate live_blocks;
    Estimate live_bytes;
    /// Bytes times the seconds that they were live, of what has been freed.
    double freed_byte_seconds = 0;

    SampledCounts& operator+=(const SampledCounts& other) noexcept;
};

struct ThreadSamples {
    std::uint32_t thread = 0;  ///< index in Snapshot::threads
    SampledCounts counts;
};

/// A stack on which one owner's memory was allocated.
struct StackSamples {
    std::uint32_t number = 0;  ///< in its file: the same in each reading
    std::string owner;
    /// Return addresses as frame pointers lead to them, innermost first. Where frames lack them
    /// (operator new's, for one) some are missing: lab/unwind finds them. Empty for what there was
    /// no room for.
    std::vector<std::uint64_t> pcs;
    std::optional<std::uint32_t> raw;   ///< for StacksReader::memory(); none: it was not saved
    std::optional<std::uint32_t> maps;  ///< index in StackSnapshot::maps
    SampledCounts counts;
    std::vector<ThreadSamples> threads;  ///< shares of the counts
};

struct LifetimeClass {
    std::uint32_t number = 0;  ///< the same in each reading
    double from_ns = 0;        ///< half of to_ns; of the first: 0
    double to_ns = 0;
    double blocks = 0;  ///< estimated
};
struct OwnerLifetimes {
    std::string owner;
    std::vector<LifetimeClass> classes;  ///< that occur, ascending
};

struct StackSnapshot {
    pid_t pid = 0;
    /// Between sample points, in sample_stream(); 0: every allocation is a sample.
    std::uint64_t mean_bytes = 0;
    std::vector<std::string> maps;  ///< texts of /proc/<pid>/maps, in the order of time
    std::vector<StackSamples> stacks;
    std::vector<OwnerLifetimes> lifetimes;
    std::uint64_t without_stack = 0;  ///< samples for whose stacks there was no room
    std::uint64_t raw_not_saved = 0;  ///< stacks whose memory there was no room for
    std::uint64_t maps_not_saved = 0;

    SampledCounts total() const;
};

/// A stack's memory when it was first sampled, and the registers of malloc's caller.
struct StackMemory {
    std::uint64_t pc = 0;
    std::uint64_t sp = 0;
    std::uint64_t bp = 0;
    std::vector<std::byte> bytes;  ///< from sp on
};

/// Reads the stacks of a process while it runs, or after it has ended, however it ended. While its
/// threads go on, each count is of a moment between begin and end of the reading.
class StacksReader {
public:
    /// - Errc::not_found: no such file, or the process has not begun to sample.
    /// - Errc::corrupt: it is not such a file. - Errc::unsupported: of another version.
    /// - Errc::permission_denied, Errc::io.
    static Result<StacksReader> open(const std::filesystem::path& file);

    StackSnapshot read() const;
    /// StackSnapshot::mean_bytes.
    std::uint64_t mean_bytes() const noexcept;
    /// Of StackSamples::raw; nothing where the file is not what it should be.
    std::optional<StackMemory> memory(std::uint32_t raw) const;

private:
    explicit StacksReader(std::shared_ptr<const StackFile> file) : file_(std::move(file)) {}
    std::shared_ptr<const StackFile> file_;
};

/// Beside the region's file (region_file()), where stacks are sampled.
std::filesystem::path stacks_file(std::filesystem::path region_file);

}  // namespace crucible::alloc
