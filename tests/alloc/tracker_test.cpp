// The tracker against programs that know what they have allocated.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "alloc/snapshot.h"
#include "base/file.h"
#include "base/process.h"

namespace crucible::alloc {
namespace {

using namespace std::chrono_literals;

const std::filesystem::path kPrograms = CRUCIBLE_ALLOC_PROGRAMS;
const std::string kTracker = CRUCIBLE_ALLOC_TRACKER;

/// How a program ended, what it printed, and where its regions are.
struct Ended {
    base::ExitStatus status;
    std::string output;
    base::TempDir directory;
    pid_t pid;
};

/// Runs a program with the tracker, preloaded unless it is linked in.
Ended run(std::vector<std::string> command, bool preload = true) {
    auto directory = base::TempDir::make("alloc-test");
    EXPECT_TRUE(directory);
    std::vector<std::string> arguments{"/usr/bin/env",
                                       "CRUCIBLE_ALLOC_DIRECTORY=" + directory->path().string()};
    if (preload) arguments.push_back("LD_PRELOAD=" + kTracker);
    arguments.insert(arguments.end(), command.begin(), command.end());
    const auto output = directory->path() / "output";
    auto process = base::Process::start({.arguments = arguments, .standard_output = output});
    EXPECT_TRUE(process) << process.error().message;
    const auto status = process->wait(60s);
    EXPECT_TRUE(status) << "it did not end";
    std::ostringstream text;
    text << std::ifstream(output).rdbuf();
    return {status.value_or(base::ExitStatus{1, 0}), text.str(), std::move(*directory),
            process->pid()};
}

Snapshot snapshot_of(const Ended& ended, pid_t pid) {
    const auto file = region_file(ended.directory.path(), pid);
    if (!file) {
        ADD_FAILURE() << file.error().message;
        return {};
    }
    const auto reader = RegionReader::open(*file);
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

/// What exercise prints.
struct Exercised {
    std::uint64_t calls = 0, allocations = 0, frees = 0, bytes = 0, freed = 0;
    std::int64_t live = 0, peak_low = 0, peak_high = 0;
    std::uint64_t largest = 0, reallocations = 0;
};
Exercised exercised(const std::string& line) {
    Exercised all;
    std::istringstream text(line);
    text >> all.calls >> all.allocations >> all.frees >> all.bytes >> all.freed >> all.live >>
        all.peak_low >> all.peak_high >> all.largest >> all.reallocations;
    EXPECT_TRUE(text) << line;
    return all;
}

void expect_exact(const Ended& ended) {
    ASSERT_EQ(ended.status.exit_code, 0) << ended.status.describe();
    const Exercised truth = exercised(ended.output);
    const Snapshot snapshot = snapshot_of(ended, ended.pid);
    const OwnerCounts& own = owner(snapshot, "exercise");
    EXPECT_EQ(own.counts.allocations, truth.allocations);
    EXPECT_EQ(own.counts.frees, truth.frees);
    EXPECT_EQ(own.counts.bytes, truth.bytes);
    EXPECT_EQ(own.counts.freed_bytes, truth.freed);
    EXPECT_EQ(own.counts.live_bytes(), truth.live);
    EXPECT_EQ(snapshot.reallocations, truth.reallocations);
    EXPECT_GE(own.counts.usable_bytes, own.counts.bytes);
    EXPECT_LE(own.peak_live_bytes, truth.peak_high);
    EXPECT_GE(own.peak_live_bytes + snapshot.peak_error_bytes, truth.peak_low);
    EXPECT_LE(snapshot.peak_error_bytes, 64 * 1024);
    EXPECT_EQ(snapshot.foreign_frees, 0U);
    EXPECT_EQ(snapshot.uncounted, 0U);
    EXPECT_TRUE(snapshot.owners_complete);

    // Owners, threads and classes are three partitions of one whole.
    Counts owners;
    Counts threads;
    ClassCounts classes;
    for (const auto& one : snapshot.owners) owners += one.counts;
    for (const auto& one : snapshot.threads) threads += one.counts;
    for (const auto& one : snapshot.classes) {
        classes.allocations += one.allocations;
        classes.frees += one.frees;
    }
    EXPECT_EQ(owners, snapshot.total);
    EXPECT_EQ(threads, snapshot.total);
    EXPECT_EQ(classes.allocations, snapshot.total.allocations);
    EXPECT_EQ(classes.frees, snapshot.total.frees);
}

TEST(Tracker, CountsEveryCallOfEightThreadsPreloaded) {
    expect_exact(run({kPrograms / "exercise", "1", "800000", "8"}));
}

TEST(Tracker, CountsEveryCallOfEightThreadsLinked) {
    expect_exact(run({kPrograms / "exercise_linked", "2", "800000", "8"}, false));
}

TEST(Tracker, KnowsThePeakOfOneThreadToTheByte) {
    const Ended ended = run({kPrograms / "exercise", "3", "200000", "1"});
    expect_exact(ended);
    const Exercised truth = exercised(ended.output);
    EXPECT_EQ(truth.peak_low, truth.peak_high);
    EXPECT_EQ(owner(snapshot_of(ended, ended.pid), "exercise").peak_live_bytes, truth.peak_low);
}

}  // namespace
}  // namespace crucible::alloc
