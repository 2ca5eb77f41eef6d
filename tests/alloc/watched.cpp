#include "alloc/watched.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace crucible::alloc {
namespace {

using namespace std::chrono_literals;

std::string text_of(const std::filesystem::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

}  // namespace

base::TempDir region_directory() {
    // In memory: what is made and removed here by the hundred would take seconds on a disk.
    if (::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 0);
    auto directory = base::TempDir::make("alloc-test");
    EXPECT_TRUE(directory) << directory.error().message;
    return std::move(*directory);
}

SmallFileSystem::SmallFileSystem(const std::string& bytes)
    : is_mounted(
          ::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, ("size=" + bytes).c_str()) == 0) {}

SmallFileSystem::~SmallFileSystem() {
    if (is_mounted) ::umount2(directory.path().c_str(), MNT_DETACH);
}

std::vector<std::string> watched(const std::vector<std::string>& command,
                                 const std::filesystem::path& directory, const Watch& watch) {
    // Through env: this process, which may have a sanitizer, is not to have the tracker.
    std::vector<std::string> all{"/usr/bin/env", "CRUCIBLE_ALLOC_DIRECTORY=" + directory.string()};
    all.insert(all.end(), watch.environment.begin(), watch.environment.end());
    if (watch.tracker == Tracker::preloaded) all.push_back("LD_PRELOAD=" + kTracker);
    all.insert(all.end(), command.begin(), command.end());
    return all;
}

Ended run(const std::vector<std::string>& command, const Watch& watch) {
    auto directory = region_directory();
    const auto output = directory.path() / "output";
    const auto errors = directory.path() / "errors";
    auto process = base::Process::start({.arguments = watched(command, directory.path(), watch),
                                         .standard_output = output,
                                         .standard_error = errors});
    EXPECT_TRUE(process) << process.error().message;
    const auto status = process->wait(60s);
    EXPECT_TRUE(status) << command[0] << " did not end";
    return {status.value_or(base::ExitStatus{1, 0}), text_of(output), text_of(errors),
            std::move(directory), process->pid()};
}

void run_both(const std::string& program, const std::vector<std::string>& arguments,
              const std::function<void(const Ended&)>& check) {
    for (const auto tracker : {Tracker::preloaded, Tracker::linked}) {
        const bool linked = tracker == Tracker::linked;
        std::vector<std::string> command{kPrograms / (linked ? program + "_linked" : program)};
        command.insert(command.end(), arguments.begin(), arguments.end());
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, ::testing::PrintToString(command));
        check(run(command, {.tracker = tracker}));
    }
}

Snapshot snapshot_of(const Ended& ended, pid_t pid) {
    const auto file = region_file(ended.directory.path(), pid);
    if (!file) {
        ADD_FAILURE() << file.error().message;
        return {};
    }
    return read_region(*file);
}

Snapshot snapshot_of(const Ended& ended) {
    return snapshot_of(ended, ended.pid);
}

Snapshot read_region(const std::filesystem::path& file) {
    const auto reader = RegionReader::open(file);
    if (!reader) {
        ADD_FAILURE() << reader.error().message;
        return {};
    }
    return reader->read();
}

const OwnerCounts& owner(const Snapshot& snapshot, std::string_view name) {
    for (const auto& one : snapshot.owners)
        if (one.name == name) return one;
    ADD_FAILURE() << "no owner " << name;
    static const OwnerCounts none;
    return none;
}

std::uint32_t region_word(const std::filesystem::path& file, std::size_t offset) {
    const base::UniqueFd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    std::uint32_t word = 0;
    EXPECT_EQ(::pread(descriptor.get(), &word, sizeof word, static_cast<off_t>(offset)), 4);
    return word;
}

std::vector<LedgerLine> ledger_lines(const Ended& ended) {
    std::vector<LedgerLine> lines;
    std::istringstream text(ended.output);
    for (std::string line; std::getline(text, line);) {
        LedgerLine one;
        std::istringstream words(line);
        words >> one.pid >> one.forked_from >> one.owner >> one.counts.allocations >>
            one.counts.frees >> one.counts.bytes >> one.counts.freed_bytes;
        EXPECT_TRUE(words) << line;
        bool is_new = true;
        for (auto& other : lines) {
            if (other.pid != one.pid || other.owner != one.owner) continue;
            other.counts += one.counts;
            is_new = false;
        }
        if (is_new) lines.push_back(one);
    }
    return lines;
}

void expect_counted(const Snapshot& snapshot, const LedgerLine& line) {
    EXPECT_EQ(snapshot.pid, line.pid);
    EXPECT_EQ(snapshot.forked_from, line.forked_from) << line.pid;
    const Counts& counts = owner(snapshot, line.owner).counts;
    EXPECT_EQ(counts.allocations, line.counts.allocations) << line.pid << ' ' << line.owner;
    EXPECT_EQ(counts.frees, line.counts.frees) << line.pid << ' ' << line.owner;
    EXPECT_EQ(counts.bytes, line.counts.bytes) << line.pid << ' ' << line.owner;
    EXPECT_EQ(counts.freed_bytes, line.counts.freed_bytes) << line.pid << ' ' << line.owner;
    EXPECT_GE(counts.live_usable_bytes(), counts.live_bytes());
    EXPECT_EQ(snapshot.foreign_frees, 0U);
    EXPECT_EQ(snapshot.uncounted, 0U);
    EXPECT_TRUE(snapshot.owners_complete);
}

void expect_ledgers(const Ended& ended, std::size_t lines) {
    ASSERT_EQ(ended.status.describe(), "exited with code 0") << ended.errors;
    const auto ledgers = ledger_lines(ended);
    EXPECT_EQ(ledgers.size(), lines);
    for (const auto& line : ledgers) expect_counted(snapshot_of(ended, line.pid), line);
}

Exercised exercised(const std::string& line) {
    Exercised all;
    std::istringstream text(line);
    text >> all.calls >> all.allocations >> all.frees >> all.bytes >> all.freed >> all.live >>
        all.peak_low >> all.peak_high >> all.largest >> all.reallocations >> all.padded_bytes >>
        all.padded_live >> all.padded_peak;
    EXPECT_TRUE(text) << line;
    return all;
}

void expect_partitions(const Snapshot& snapshot) {
    Counts owners;
    Counts threads;
    ClassCounts classes;
    for (const auto& one : snapshot.owners) owners += one.counts;
    for (const auto& one : snapshot.threads) threads += one.counts;
    for (const auto& one : snapshot.classes) {
        classes.allocations += one.allocations;
        classes.frees += one.frees;
    }
    // Of each owner and of each thread, and by size again.
    std::vector<Counts> by_owner(snapshot.owners.size());
    std::vector<Counts> by_thread(snapshot.threads.size());
    for (const auto& row : snapshot.rows) {
        by_owner.at(row.owner) += row.counts;
        by_thread.at(row.thread) += row.counts;
    }
    for (std::size_t i = 0; i < by_thread.size(); ++i)
        EXPECT_EQ(by_thread[i], snapshot.threads[i].counts);
    for (std::size_t i = 0; i < by_owner.size(); ++i) {
        const auto& one = snapshot.owners[i];
        EXPECT_EQ(by_owner[i], one.counts);
        std::uint64_t allocations = 0, frees = 0, least = 0, most = 0;
        for (const auto& size : one.classes) {
            allocations += size.allocations;
            frees += size.frees;
            least += size.allocations * size.usable_from;
            most += size.allocations * size.usable_to;
        }
        EXPECT_EQ(allocations, one.counts.allocations);
        EXPECT_EQ(frees, one.counts.frees);
        EXPECT_LE(least, one.counts.usable_bytes);
        EXPECT_GE(most, one.counts.usable_bytes);
    }
    EXPECT_EQ(owners, snapshot.total);
    EXPECT_EQ(threads, snapshot.total);
    EXPECT_EQ(classes.allocations, snapshot.total.allocations);
    EXPECT_EQ(classes.frees, snapshot.total.frees);
    // What the process keeps itself of the whole.
    EXPECT_LE(std::abs(snapshot.total.live_bytes() - snapshot.kept_live_bytes),
              snapshot.kept_error_bytes);
    std::int64_t apart = 0;
    bool has_apart = false;
    for (const auto& one : snapshot.owners) {
        has_apart |= one.apart;
        if (one.apart) apart += one.counts.live_bytes();
    }
    if (!has_apart) return;
    EXPECT_LE(std::abs(snapshot.total.live_bytes() - apart - snapshot.rest_kept_live_bytes),
              snapshot.kept_error_bytes);
}

}  // namespace crucible::alloc
