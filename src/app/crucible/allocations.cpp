#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "alloc/mapped_region.h"
#include "alloc/snapshot.h"
#include "app/crucible/command.h"
#include "app/crucible/parse_arguments.h"
#include "base/file.h"
#include "base/units.h"

namespace crucible::app {
namespace {

using nlohmann::json;

constexpr const char* kAllocationsFooter = R"(Examples:
  crucible allocations 4242
  crucible allocations /dev/shm/mine
  crucible allocations 4242 --json

The process is one that has the allocation tracker, with CRUCIBLE_ALLOC_DIRECTORY in its environment;
it is neither stopped nor asked. Of a directory: all whose counts are in it, also those that have
ended.

Exit codes: 0 done, 2 bad usage, 5 nothing is counted there, or it cannot be read.)";

constexpr std::size_t kSizesShown = 8;

/// What one process has counted.
struct Counted {
    std::filesystem::path file;
    alloc::Snapshot snapshot;
    bool running = false;  ///< and counting there
    std::string name;      ///< of its program; empty where it is not running
};

/// Names are those of any program: nothing in them may move the cursor.
std::string printable(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
    return text;
}

Result<Counted> read(const std::filesystem::path& file, pid_t pid, bool running) {
    const auto reader = alloc::RegionReader::open(file);
    if (!reader) return std::unexpected(reader.error());
    Counted counted{.file = file, .snapshot = reader->read(), .running = running, .name = {}};
    if (!running) return counted;
    counted.name = base::read_file(fmt::format("/proc/{}/comm", pid)).value_or("");
    if (counted.name.ends_with('\n')) counted.name.pop_back();
    return counted;
}

Result<Counted> read_process(pid_t pid) {
    const auto file = alloc::mapped_region({}, pid);
    if (!file) return std::unexpected(file.error());
    return read(*file, pid, true);
}

/// Of each process whose counts are there, what it runs or ran last; lines of those that cannot be
/// read go to `err`.
std::vector<Counted> read_directory(const std::filesystem::path& directory, std::ostream& err) {
    std::set<pid_t> pids;
    std::error_code status;
    for (const auto& entry : std::filesystem::directory_iterator(directory, status)) {
        if (const auto pid = alloc::writer_of(entry.path().filename().string())) pids.insert(*pid);
    }
    std::vector<Counted> all;
    for (const pid_t pid : pids) {
        const auto file = alloc::region_file(directory, pid);
        if (!file) continue;  // removed meanwhile
        const auto writes = alloc::mapped_region(directory, pid);
        std::error_code ignored;
        const bool running = writes && std::filesystem::equivalent(*writes, *file, ignored);
        if (auto counted = read(*file, pid, running)) {
            all.push_back(*std::move(counted));
        } else {
            err << "crucible: " << counted.error().message << '\n';
        }
    }
    return all;
}

std::string bytes(std::int64_t value) {
    return base::format_bytes(static_cast<double>(value));
}
template <class Integer>
std::string count(Integer value) {
    return base::format_count(static_cast<double>(value));
}

void print(std::ostream& out, const Counted& counted) {
    const auto& snapshot = counted.snapshot;
    const auto& total = snapshot.total;
    out << fmt::format(
        "Process {}{}{}\n", snapshot.pid,
        counted.running ? ", " + printable(counted.name) : " has ended",
        snapshot.forked_from == 0 ? "" : fmt::format(", forked from {}", snapshot.forked_from));
    const auto line = [&out](std::string_view name, const std::string& text) {
        out << fmt::format("{:<10} {}\n", name, text);
    };
    line("Live", fmt::format("{} in {} blocks, which can hold {}", bytes(total.live_bytes()),
                             count(total.live_blocks()), bytes(total.live_usable_bytes())));
    line("Peak", fmt::format("{}, within {}", bytes(snapshot.peak_live_bytes),
                             bytes(snapshot.peak_error_bytes)));
    line("Allocated", fmt::format("{} in {} allocations, {} of them by realloc",
                                  bytes(static_cast<std::int64_t>(total.bytes)),
                                  count(total.allocations), count(snapshot.reallocations)));
    if (snapshot.uncounted > 0)
        line("Uncounted", fmt::format("{} allocations, for want of room for their counts",
                                      count(snapshot.uncounted)));
    if (!snapshot.owners_complete) line("Owners", "some of what they have is with \"other\"");

    out << fmt::format("\n{:<32} {:>10} {:>10} {:>12} {:>14} {:>12}\n", "owner", "live", "peak",
                       "live blocks", "allocations", "allocated");
    auto owners = snapshot.owners;
    std::ranges::stable_sort(owners, std::ranges::greater(), [](const alloc::OwnerCounts& owner) {
        return owner.counts.live_bytes();
    });
    for (const auto& owner : owners) {
        if (owner.counts.allocations == 0) continue;
        out << fmt::format("{:<32} {:>10} {:>10} {:>12} {:>14} {:>12}\n", printable(owner.name),
                           bytes(owner.counts.live_bytes()), bytes(owner.peak_live_bytes),
                           count(owner.counts.live_blocks()), count(owner.counts.allocations),
                           bytes(static_cast<std::int64_t>(owner.counts.bytes)));
    }

    auto sizes = snapshot.classes;
    std::ranges::stable_sort(sizes, std::ranges::greater(), &alloc::ClassCounts::allocations);
    if (sizes.size() > kSizesShown) sizes.resize(kSizesShown);
    out << fmt::format("\n{:<32} {:>10} {:>10} {:>12} {:>14}\n", "blocks that can hold, from", "",
                       "", "live blocks", "allocations");
    for (const auto& size : sizes) {
        out << fmt::format("{:<32} {:>10} {:>10} {:>12} {:>14}\n",
                           bytes(static_cast<std::int64_t>(size.usable_from)), "", "",
                           count(static_cast<std::int64_t>(size.allocations - size.frees)),
                           count(size.allocations));
    }
}

json json_of(const alloc::Counts& counts) {
    return {{"allocations", counts.allocations},
            {"allocated_bytes", counts.bytes},
            {"frees", counts.frees},
            {"freed_bytes", counts.freed_bytes},
            {"live_blocks", counts.live_blocks()},
            {"live_bytes", counts.live_bytes()},
            {"live_usable_bytes", counts.live_usable_bytes()}};
}

json json_of(const Counted& counted) {
    const auto& snapshot = counted.snapshot;
    json result{{"pid", snapshot.pid},
                {"running", counted.running},
                {"name", counted.name},
                {"file", counted.file.string()},
                {"forked_from", snapshot.forked_from},
                {"total", json_of(snapshot.total)},
                {"peak_live_bytes", snapshot.peak_live_bytes},
                {"peak_error_bytes", snapshot.peak_error_bytes},
                {"reallocations", snapshot.reallocations},
                {"foreign_frees", snapshot.foreign_frees},
                {"uncounted", snapshot.uncounted},
                {"owners_complete", snapshot.owners_complete},
                {"owners", json::array()},
                {"sizes", json::array()}};
    for (const auto& owner : snapshot.owners) {
        auto one = json_of(owner.counts);
        one["name"] = owner.name;
        one["peak_live_bytes"] = owner.peak_live_bytes;
        result["owners"].push_back(std::move(one));
    }
    for (const auto& size : snapshot.classes)
        result["sizes"].push_back({{"usable_bytes_from", size.usable_from},
                                   {"allocations", size.allocations},
                                   {"frees", size.frees}});
    return result;
}

}  // namespace

int allocations_command(std::span<const std::string_view> args, std::ostream& out,
                        std::ostream& err) {
    CLI::App command("Shows what processes with the allocation tracker have counted.",
                     "allocations");
    std::string of;
    bool as_json = false;
    command.add_option("of", of, "a process's number, or the directory of the counts of several")
        ->type_name("PID|DIRECTORY")
        ->required();
    command.add_flag("--json", as_json, "all counts, as JSON");
    command.footer(kAllocationsFooter);
    if (const auto ended = parse_arguments(command, args, out, err)) return *ended;

    std::vector<Counted> all;
    pid_t pid = 0;
    const auto number = std::from_chars(of.data(), of.data() + of.size(), pid);
    if (number.ec == std::errc{} && number.ptr == of.data() + of.size() && pid > 0) {
        auto counted = read_process(pid);
        if (!counted) {
            err << "crucible: " << counted.error().message << '\n';
            return kTargetFailed;
        }
        all.push_back(*std::move(counted));
    } else {
        std::error_code status;
        if (!std::filesystem::is_directory(of, status)) {
            return usage_error(err, fmt::format("'{}': neither a process's number nor a directory; "
                                                "see crucible allocations --help",
                                                of));
        }
        all = read_directory(of, err);
        if (all.empty()) {
            err << fmt::format("crucible: {}: no counts of a process are there\n", of);
            return kTargetFailed;
        }
    }
    if (as_json) {
        json result{{"schema", "crucible.allocations/1"}, {"processes", json::array()}};
        for (const auto& counted : all) result["processes"].push_back(json_of(counted));
        // Names may be any bytes.
        out << result.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
        return kDone;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0) out << '\n';
        print(out, all[i]);
    }
    return kDone;
}

}  // namespace crucible::app
