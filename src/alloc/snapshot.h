#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alloc/region.h"
#include "crucible/error.h"

namespace crucible::alloc {

/// Sums since the process began (or since the process began from which it was forked).
struct Counts {
    std::uint64_t allocations = 0;
    std::uint64_t frees = 0;
    std::uint64_t bytes = 0;        ///< requested
    std::uint64_t freed_bytes = 0;  ///< requested of what was freed
    std::uint64_t usable_bytes =
        0;  ///< what the blocks could have held: at least what was requested
    std::uint64_t freed_usable_bytes = 0;

    /// Negative for a thread that frees what others allocated.
    std::int64_t live_blocks() const noexcept {
        return static_cast<std::int64_t>(allocations - frees);
    }
    std::int64_t live_bytes() const noexcept {
        return static_cast<std::int64_t>(bytes - freed_bytes);
    }
    std::int64_t live_usable_bytes() const noexcept {
        return static_cast<std::int64_t>(usable_bytes - freed_usable_bytes);
    }
    Counts& operator+=(const Counts& other) noexcept;
    friend Counts operator-(const Counts& a, const Counts& b) noexcept;
    bool operator==(const Counts&) const = default;
};

/// Blocks by what they can hold, which is at least what was requested.
struct ClassCounts {
    std::size_t usable_from = 0;  ///< usable bytes of its smallest block
    std::uint64_t allocations = 0;
    std::uint64_t frees = 0;
    /// Of its largest: the same below 2 KiB; of the last class the greatest number.
    std::size_t usable_to = 0;
};

struct OwnerCounts {
    std::string name;
    Counts counts;
    std::int64_t peak_live_bytes = 0;       ///< as exact as Snapshot's, of its own rows
    bool apart = false;                     ///< kApart (crucible/allocation.h)
    std::vector<ClassCounts> classes = {};  ///< in which something was allocated, ascending
};

struct ThreadCounts {
    pid_t tid = 0;             ///< 0: the last thread that used this has ended
    std::uint32_t served = 0;  ///< threads, one after the other
    std::string name;          ///< of the last one that has ended
    Counts counts;
};

/// What one thread allocated for one owner, and what it freed of that owner's.
struct RowCounts {
    std::uint32_t owner = 0;   ///< index in Snapshot::owners
    std::uint32_t thread = 0;  ///< index in Snapshot::threads
    Counts counts;
};

/// What one process has allocated. While its threads go on, each count is of a moment between
/// begin and end of the reading, and what was freed is of an earlier one than what was allocated;
/// where they rest, all are exact.
struct Snapshot {
    pid_t pid = 0;
    pid_t forked_from = 0;  ///< 0: it was not forked since it began to count
    Counts total;
    std::uint64_t reallocations = 0;
    /// Most requested bytes that were live at once, and by how much that may be off, besides an
    /// operation under way in each thread.
    std::int64_t peak_live_bytes = 0;
    std::int64_t peak_error_bytes = 0;
    /// Likewise of all owners but those set apart (kApart, crucible/allocation.h), and as exact; of
    /// all where none is.
    std::int64_t rest_peak_live_bytes = 0;
    /// Live bytes as the process itself keeps them, whose threads bring them up to date now and
    /// then, and how far from the rows' sum, total.live_bytes(), that may be.
    std::int64_t kept_live_bytes = 0;
    /// Likewise of all owners but those set apart, as far from the sum of what these have; of all
    /// where none is.
    std::int64_t rest_kept_live_bytes = 0;
    std::int64_t kept_error_bytes = 0;
    std::vector<OwnerCounts> owners;  ///< "other" first; all that were ever named
    std::vector<ThreadCounts> threads;
    std::vector<ClassCounts> classes;  ///< in which something was allocated, ascending
    std::vector<RowCounts> rows;       ///< at most one of each thread and owner
    std::uint64_t foreign_frees = 0;
    /// Allocations that are in no other count, for want of room in the region.
    std::uint64_t uncounted = 0;
    bool owners_complete = true;  ///< false: what some owned is with "other"
    /// How far apart in the mean the sample points of stacks are; 0: every allocation is a sample;
    /// nullopt: no stacks are taken.
    std::optional<std::uint64_t> sample_distance;
    /// They were asked for, in words that say no distance (CRUCIBLE_ALLOC_SAMPLE=512K).
    bool sample_refused = false;
    /// What the tracker's headers take of the process's own memory, in front of live blocks.
    std::uint64_t header_bytes = 0;
};

/// Reads the region of a process while it runs, or after it has ended, however it ended.
class RegionReader {
public:
    /// - Errc::not_found: no such file, or the process has not begun to count.
    /// - Errc::corrupt: it is not a region. - Errc::unsupported: of another version.
    /// - Errc::permission_denied, Errc::io.
    static Result<RegionReader> open(const std::filesystem::path& file);
    /// Of this process, where the tracker is linked in. - Errc::not_found: it is not.
    static Result<RegionReader> self();

    Snapshot read() const;

private:
    explicit RegionReader(std::shared_ptr<const Region> opened) : region_(std::move(opened)) {}
    std::shared_ptr<const Region> region_;
};

/// The file in `directory` of what that process runs now: it has one for each program that it has
/// executed. - Errc::not_found: none; why_not_counted().
Result<std::filesystem::path> region_file(const std::filesystem::path& directory, pid_t pid);

}  // namespace crucible::alloc
