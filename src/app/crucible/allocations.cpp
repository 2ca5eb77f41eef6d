#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "alloc/mapped_region.h"
#include "alloc/snapshot.h"
#include "alloc/stacks.h"
#include "alloc/thread_name.h"
#include "app/crucible/command.h"
#include "app/crucible/output.h"
#include "app/crucible/parse_arguments.h"
#include "base/units.h"
#include "lab/memory/process_stacks.h"
#include "lab/memory/stack_files.h"
#include "lab/profile/symbolized_profile.h"

namespace crucible::app {
namespace {

using nlohmann::json;

constexpr const char* kAllocationsFooter = R"(Examples:
  crucible allocations 4242
  crucible allocations /dev/shm/mine
  crucible allocations 4242 --json
  crucible allocations 4242 --out stacks

The process is one that has the allocation tracker, with CRUCIBLE_ALLOC_DIRECTORY in its environment;
it is neither stopped nor asked. Of a directory: all whose counts are in it, also those that have
ended.

With --out a process that samples stacks (CRUCIBLE_ALLOC_SAMPLE=512KiB, or all, in its environment)
has four files there: flame graphs of what it has allocated since its start and of what is live,
folded stacks, and a profile for pprof with owners and threads.

Exit codes: 0 done, 2 bad usage, 5 nothing is counted there, or it cannot be read; with --out, also
that none samples stacks.)";

constexpr std::size_t kSizesShown = 8;
constexpr std::size_t kThreadsShown = 8;

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
    counted.name = alloc::thread_name(pid, pid);
    alloc::name_threads(counted.snapshot, pid);
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

/// What is wrong with how stacks were asked for, and what is right.
constexpr std::string_view kSampleRefused =
    "CRUCIBLE_ALLOC_SAMPLE must be 'all' or a distance from 1B to 1TiB in B, KiB, MiB or GiB, e.g. "
    "512KiB";

std::string stacks_text(const alloc::Snapshot& snapshot) {
    if (snapshot.sample_refused) return fmt::format("none: its {}", kSampleRefused);
    if (!snapshot.sample_distance) return "none";
    if (*snapshot.sample_distance == 0) return "every allocation";
    return fmt::format("{} apart in the mean",
                       bytes(static_cast<std::int64_t>(*snapshot.sample_distance)));
}

/// Those that hold or have allocated most, as long as there are few.
void print_threads(std::ostream& out, const Counted& counted) {
    auto threads = counted.snapshot.threads;
    std::erase_if(threads, [](const auto& thread) { return thread.counts == alloc::Counts{}; });
    std::ranges::stable_sort(threads, std::ranges::greater(),
                             [](const auto& thread) { return thread.counts.bytes; });
    const std::size_t others = threads.size() - std::min(threads.size(), kThreadsShown);
    threads.resize(threads.size() - others);
    out << fmt::format("\n{:<32} {:>10} {:>10} {:>12} {:>14} {:>12}\n", "thread", "", "",
                       "live blocks", "allocations", "allocated");
    for (const auto& thread : threads) {
        const bool lives = counted.running && thread.tid != 0;
        const auto which = lives               ? fmt::format(" {}", thread.tid)
                           : thread.served > 1 ? fmt::format(", last of {}", thread.served)
                           : counted.running   ? std::string(", ended")
                                               : std::string();
        out << fmt::format("{:<32} {:>10} {:>10} {:>12} {:>14} {:>12}\n",
                           (thread.name.empty() ? "unnamed" : printable(thread.name)) + which, "",
                           "", count(thread.counts.live_blocks()), count(thread.counts.allocations),
                           bytes(static_cast<std::int64_t>(thread.counts.bytes)));
    }
    if (others > 0) out << fmt::format("{} more with --json\n", others);
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
    line("Stacks", stacks_text(snapshot));
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

    print_threads(out, counted);

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
                {"sample_distance_bytes", nullptr},
                {"sample_refused", snapshot.sample_refused},
                {"owners", json::array()},
                {"threads", json::array()},
                {"sizes", json::array()}};
    if (snapshot.sample_distance) result["sample_distance_bytes"] = *snapshot.sample_distance;
    for (const auto& owner : snapshot.owners) {
        auto one = json_of(owner.counts);
        one["name"] = owner.name;
        one["peak_live_bytes"] = owner.peak_live_bytes;
        result["owners"].push_back(std::move(one));
    }
    for (const auto& thread : snapshot.threads) {
        auto one = json_of(thread.counts);
        one["tid"] = counted.running ? thread.tid : 0;
        one["name"] = thread.name;
        one["served"] = thread.served;
        result["threads"].push_back(std::move(one));
    }
    for (const auto& size : snapshot.classes)
        result["sizes"].push_back({{"usable_bytes_from", size.usable_from},
                                   {"allocations", size.allocations},
                                   {"frees", size.frees}});
    return result;
}

/// What it has allocated on which stacks, as files in `directory` whose names begin with its
/// number.
/// - Errc::not_found: it takes no stacks; the message says how to start it so. - those of
/// StacksReader::open() and write_stack_files().
Result<> write_stacks(const Counted& counted, const std::filesystem::path& directory) {
    const auto& snapshot = counted.snapshot;
    if (!snapshot.sample_distance) {
        return std::unexpected(Error{
            Errc::not_found,
            snapshot.sample_refused
                ? fmt::format("process {} takes no stacks: its {}", snapshot.pid, kSampleRefused)
                : fmt::format("process {} takes no stacks: start it with "
                              "CRUCIBLE_ALLOC_SAMPLE=512KiB, or all, in its environment",
                              snapshot.pid)});
    }
    const auto reader = alloc::StacksReader::open(alloc::stacks_file(counted.file));
    if (!reader) return std::unexpected(reader.error());
    std::vector<std::string> threads;
    for (const auto& thread : snapshot.threads) threads.push_back(printable(thread.name));
    const auto title = counted.name.empty()
                           ? fmt::format("Process {}", snapshot.pid)
                           : fmt::format("{}, process {}", printable(counted.name), snapshot.pid);
    return lab::write_stack_files(directory, std::to_string(snapshot.pid),
                                  lab::symbolize(lab::process_profile(*reader, threads)),
                                  {.allocated = title + ": bytes allocated since its start",
                                   .live = title + ": bytes live",
                                   .subtitle = lab::sampling_text(reader->mean_bytes())});
}

/// Of all that take stacks; names the files in `told`, and what stands in the way in `err`.
int write_all_stacks(std::span<const Counted> all, const std::filesystem::path& directory,
                     std::ostream& told, std::ostream& err) {
    bool any = false;
    for (const auto& counted : all) {
        if (const auto written = write_stacks(counted, directory); !written) {
            err << "crucible: " << written.error().message << '\n';
            continue;
        }
        any = true;
        for (const auto& [what, file] : lab::stack_file_names(std::to_string(counted.snapshot.pid)))
            told << fmt::format("{:<10} {}\n", what, (directory / file).string());
    }
    return any ? kDone : kTargetFailed;
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
    std::string to;
    command
        .add_option("--out", to,
                    "also write where it was allocated: flame graphs, folded stacks and pprof, of "
                    "what samples stacks")
        ->type_name("DIRECTORY");
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
    std::filesystem::path directory;
    if (!to.empty()) {
        const auto prepared = prepare_output(to, "allocations");
        if (!prepared) return usage_error(err, prepared.error().message);
        directory = *prepared;
    }
    if (as_json) {
        json result{{"schema", "crucible.allocations/1"}, {"processes", json::array()}};
        for (const auto& counted : all) result["processes"].push_back(json_of(counted));
        // Names may be any bytes.
        out << result.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
        return to.empty() ? kDone : write_all_stacks(all, directory, err, err);
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0) out << '\n';
        print(out, all[i]);
    }
    if (to.empty()) return kDone;
    out << '\n';
    return write_all_stacks(all, directory, out, err);
}

}  // namespace crucible::app
