#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "alloc/snapshot.h"
#include "alloc/stacks.h"
#include "base/file.h"
#include "base/process.h"

/// Programs under the tracker with sampled stacks, and names for their addresses.
namespace crucible::alloc::sampled {

struct TrackedRun {
    base::ExitStatus status;
    std::string output;
    base::TempDir directory;
    pid_t pid = 0;
};

inline std::vector<std::string> tracked(const base::TempDir& directory, const std::string& sample,
                                        const std::vector<std::string>& command,
                                        const std::string& seed = "1") {
    std::vector<std::string> arguments{
        "/usr/bin/env", "CRUCIBLE_ALLOC_DIRECTORY=" + directory.path().string(),
        "CRUCIBLE_ALLOC_SAMPLE=" + sample, "CRUCIBLE_ALLOC_SEED=" + seed,
        "LD_PRELOAD=" CRUCIBLE_ALLOC_TRACKER};
    arguments.insert(arguments.end(), command.begin(), command.end());
    return arguments;
}

inline TrackedRun run(const std::string& sample, const std::vector<std::string>& command,
                      const std::string& seed = "1") {
    auto directory = base::TempDir::make("stacks-test");
    EXPECT_TRUE(directory);
    const auto output = directory->path() / "output";
    auto process = base::Process::start(
        {.arguments = tracked(*directory, sample, command, seed), .standard_output = output});
    EXPECT_TRUE(process) << process.error().message;
    const auto status = process->wait(std::chrono::seconds(60));
    EXPECT_TRUE(status) << "it did not end";
    std::ostringstream text;
    text << std::ifstream(output).rdbuf();
    return {status.value_or(base::ExitStatus{1, 0}), text.str(), std::move(*directory),
            process->pid()};
}

inline TrackedRun run_stacks(const std::string& what, const std::string& sample = "all") {
    TrackedRun done = run(sample, {CRUCIBLE_ALLOC_PROGRAMS "/stacks", what});
    EXPECT_EQ(done.status.exit_code, 0) << done.status.describe();
    EXPECT_EQ(done.status.signal, 0) << done.status.describe();
    return done;
}

inline std::filesystem::path file_of(const TrackedRun& done, pid_t pid) {
    const auto region = region_file(done.directory.path(), pid);
    EXPECT_TRUE(region) << region.error().message;
    return region ? stacks_file(*region) : std::filesystem::path{};
}

inline StackSnapshot stacks_of(const TrackedRun& done, pid_t pid) {
    const auto reader = StacksReader::open(file_of(done, pid));
    EXPECT_TRUE(reader) << reader.error().message;
    return reader ? reader->read() : StackSnapshot{};
}
inline StackSnapshot stacks_of(const TrackedRun& done) {
    return stacks_of(done, done.pid);
}

inline Snapshot region_of(const TrackedRun& done, pid_t pid) {
    const auto file = region_file(done.directory.path(), pid);
    EXPECT_TRUE(file) << file.error().message;
    const auto reader = RegionReader::open(file.value_or(""));
    EXPECT_TRUE(reader) << reader.error().message;
    return reader ? reader->read() : Snapshot{};
}

/// What `nm` says of the files that were mapped.
class Symbols {
public:
    explicit Symbols(const std::string& maps) {
        std::istringstream lines(maps);
        std::string line;
        while (std::getline(lines, line)) {
            std::istringstream words(line);
            std::string range;
            std::string rights;
            std::string offset;
            std::string device;
            std::string inode;
            std::string path;
            words >> range >> rights >> offset >> device >> inode >> path;
            if (path.empty() || path[0] != '/') continue;
            const auto begin = std::stoull(range, nullptr, 16);
            const auto end = std::stoull(range.substr(range.find('-') + 1), nullptr, 16);
            mapped_.push_back({begin, end, begin - std::stoull(offset, nullptr, 16), path});
        }
    }

    /// Of a return address. "?": of a function that has no name.
    std::string name(std::uint64_t return_address) {
        const std::uint64_t pc = return_address - 1;
        for (const auto& mapped : mapped_) {
            if (pc < mapped.begin || pc >= mapped.end) continue;
            const auto& symbols = symbols_of(mapped.path);
            // Of a position-independent file, whose first mapping is at its offset 0.
            auto found = symbols.upper_bound(pc - mapped.base);
            if (found == symbols.begin()) return "?";
            --found;
            return pc - mapped.base < found->first + found->second.first ? found->second.second
                                                                         : "?";
        }
        return "nowhere";
    }

    std::vector<std::string> names(const std::vector<std::uint64_t>& pcs) {
        std::vector<std::string> all;
        for (const auto pc : pcs) all.push_back(name(pc));
        return all;
    }

private:
    struct Mapped {
        std::uint64_t begin;
        std::uint64_t end;
        std::uint64_t base;
        std::string path;
    };
    using Table = std::map<std::uint64_t, std::pair<std::uint64_t, std::string>>;

    const Table& symbols_of(const std::string& path) {
        const auto [at, is_new] = tables_.try_emplace(path);
        if (!is_new) return at->second;
        for (const char* option : {"", "-D "}) {
            const std::string command =
                std::string("nm -S --defined-only ") + option + path + " 2>&1";
            FILE* const lines = ::popen(command.c_str(), "r");
            char line[4096];
            while (lines != nullptr && std::fgets(line, sizeof line, lines) != nullptr) {
                std::istringstream words(line);
                std::uint64_t begin = 0;
                std::uint64_t size = 0;
                std::string kind;
                std::string name;
                words >> std::hex >> begin >> size >> kind >> name;
                if (!words || (kind != "T" && kind != "t" && kind != "W" && kind != "i")) continue;
                at->second[begin] = {size, name.substr(0, name.find('@'))};
            }
            if (lines != nullptr) ::pclose(lines);
        }
        return at->second;
    }

    std::vector<Mapped> mapped_;
    static inline std::map<std::string, Table> tables_;  // of files, which stay as they are
};

/// Those of an owner with the names of their frames, and where they sampled so many bytes.
inline std::vector<std::vector<std::string>> named_stacks(const StackSnapshot& snapshot,
                                                          std::string_view owner,
                                                          std::uint64_t bytes = 0) {
    std::vector<std::vector<std::string>> all;
    for (const auto& stack : snapshot.stacks) {
        if (stack.owner != owner || (bytes != 0 && stack.counts.bytes != bytes)) continue;
        EXPECT_TRUE(stack.maps);
        if (stack.maps) all.push_back(Symbols(snapshot.maps[*stack.maps]).names(stack.pcs));
    }
    return all;
}

inline SampledCounts of_owner(const StackSnapshot& snapshot, std::string_view owner) {
    SampledCounts sum;
    for (const auto& stack : snapshot.stacks)
        if (stack.owner == owner) sum += stack.counts;
    return sum;
}

}  // namespace crucible::alloc::sampled
