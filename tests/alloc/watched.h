#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "alloc/snapshot.h"
#include "base/file.h"
#include "base/process.h"

/// Programs run with the tracker, and what it counted of them.
namespace crucible::alloc {

inline const std::filesystem::path kPrograms = CRUCIBLE_ALLOC_PROGRAMS;
inline const std::string kTracker = CRUCIBLE_ALLOC_TRACKER;

enum class Tracker { preloaded, linked, absent };

struct Watch {
    Tracker tracker = Tracker::preloaded;
    std::vector<std::string> environment;  ///< "NAME=value"; the last of a name counts
};

/// A directory for regions.
base::TempDir region_directory();

/// A file system in memory, of that size ("16k"), while this lives.
struct SmallFileSystem {
    base::TempDir directory = region_directory();
    bool is_mounted;  ///< else errno says why not
    explicit SmallFileSystem(const std::string& bytes);
    SmallFileSystem(const SmallFileSystem&) = delete;
    SmallFileSystem& operator=(const SmallFileSystem&) = delete;
    ~SmallFileSystem();
};

/// How a program ended, what it printed, and where its regions are.
struct Ended {
    base::ExitStatus status;
    std::string output;
    std::string errors;
    base::TempDir directory;
    pid_t pid;
};

/// The command with what puts the tracker there, to write its regions into `directory`.
std::vector<std::string> watched(const std::vector<std::string>& command,
                                 const std::filesystem::path& directory, const Watch& watch = {});

/// Runs it to its end.
Ended run(const std::vector<std::string>& command, const Watch& watch = {});

/// One of the programs of this folder, preloaded and linked.
void run_both(const std::string& program, const std::vector<std::string>& arguments,
              const std::function<void(const Ended&)>& check);

/// Of what the process runs at its end.
Snapshot snapshot_of(const Ended& ended, pid_t pid);
Snapshot snapshot_of(const Ended& ended);
Snapshot read_region(const std::filesystem::path& file);

const OwnerCounts& owner(const Snapshot& snapshot, std::string_view name);

/// The region's own bytes at that place.
std::uint32_t region_word(const std::filesystem::path& file, std::size_t offset);

/// A line that a Ledger prints (programs/ledger.h).
struct LedgerLine {
    pid_t pid = 0, forked_from = 0;
    std::string owner;
    Counts counts;  ///< without usable bytes
};
/// Of what the program printed; lines of one process and owner are one.
std::vector<LedgerLine> ledger_lines(const Ended& ended);

/// The program ended well, and its processes' `lines` ledgers are to the byte what was counted.
void expect_ledgers(const Ended& ended, std::size_t lines);
void expect_counted(const Snapshot& snapshot, const LedgerLine& line);

/// What `exercise` prints (programs/exercise.cpp).
struct Exercised {
    std::uint64_t calls = 0, allocations = 0, frees = 0, bytes = 0, freed = 0;
    std::int64_t live = 0, peak_low = 0, peak_high = 0;
    std::uint64_t largest = 0, reallocations = 0;
    std::int64_t padded_bytes = 0, padded_live = 0, padded_peak = 0;
};
Exercised exercised(const std::string& line);

/// Of a process that rests: owners, threads and classes are three partitions of one whole, of which
/// it keeps the live bytes itself, too, and those of the owners that are not set apart.
void expect_partitions(const Snapshot& snapshot);

}  // namespace crucible::alloc
