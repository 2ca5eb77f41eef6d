#include "lab/memory/memory_trial.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "alloc/mapped_region.h"
#include "alloc/thread_name.h"
#include "base/file.h"
#include "base/process.h"
#include "lab/memory/memory_figures.h"

namespace crucible::lab {
namespace {

constexpr const char* kTrackerVariable = "CRUCIBLE_ALLOC";
constexpr const char* kTrackerName = "libcrucible_alloc.so";

/// Resident and not a file's; 0 where it cannot be read.
double anonymous_bytes(pid_t pid) {
    const auto rollup = base::read_file(fmt::format("/proc/{}/smaps_rollup", pid));
    if (!rollup) return 0;
    const auto at = rollup->find("\nAnonymous:");
    if (at == std::string::npos) return 0;
    return 1024.0 * std::strtod(rollup->c_str() + at + 11, nullptr);
}

/// Not of one that has ended, waited for or not.
bool has_memory(pid_t pid) {
    const auto maps = base::read_file(fmt::format("/proc/{}/maps", pid));
    return !maps ? maps.error().code != Errc::not_found : !maps->empty();
}

/// The library as LD_PRELOAD can name it: there spaces and colons separate libraries, and a dollar
/// sign begins what the loader replaces. A link in `directory` where its own path has one of these.
Result<std::filesystem::path> preloadable(const std::filesystem::path& tracker,
                                          const std::filesystem::path& directory) {
    const auto is_plain = [](const std::filesystem::path& path) {
        return path.string().find_first_of(" :$") == std::string::npos;
    };
    if (is_plain(tracker)) return tracker;
    const auto link = directory / kTrackerName;
    if (!is_plain(link)) {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("{}: cannot be preloaded: its path has a space, a colon or a dollar "
                              "sign, and so has that of the temporary directory {}",
                              tracker.string(), directory.string())});
    }
    std::error_code status;
    std::filesystem::create_symlink(tracker, link, status);
    if (status) return std::unexpected(Error{Errc::io, link.string() + ": " + status.message()});
    return link;
}

/// Looks at all processes of a trial when nothing is in flight.
class Watcher {
public:
    Watcher(std::filesystem::path directory, const MemoryTrialOptions& watch)
        : directory_(std::move(directory)), watch_(watch) {}

    void look(const QuietMoment& moment) {
        own_bytes_.push_back(anonymous_bytes(::getpid()));
        std::map<pid_t, bool> is_client;
        for (const pid_t pid : moment.clients) is_client[pid] = true;
        for (const pid_t pid : moment.system) is_client[pid] = false;
        // What these have started themselves is the system's as well.
        std::set<pid_t> others;
        for (const auto& [pid, files] : files_by_writer()) {
            if (!is_client.contains(pid) && has_memory(pid))
                is_client[pid] = false, others.insert(pid);
        }
        double workers = 0;
        std::size_t workers_read = 0;
        for (const auto& [pid, client] : is_client) {
            if (courses_.contains(pid) && !has_memory(pid)) continue;  // known up to here
            // In the directory of this trial, or where others have started it with the tracker.
            const auto file = alloc::mapped_region(directory_, pid);
            auto snapshot = file ? read(*file) : std::unexpected(file.error());
            if (!snapshot) {
                missing_[pid] = snapshot.error().message;
                continue;
            }
            if (client) {
                workers += harness_live_bytes(*snapshot);
                ++workers_read;
            }
            auto& [course, counted_in] = courses_[pid];
            // What starts, or starts another program in its place, before the first phase has ended
            // has not been measured yet: the later phases are.
            const bool is_new = counted_in != *file;
            if (is_new && moment.phases_ended > 1 &&
                (!counted_in.empty() || snapshot->forked_from != 0)) {
                missing_[pid] =
                    fmt::format("process {} {} while the load ran: its counts begin elsewhere", pid,
                                counted_in.empty() ? "was forked" : "became another program");
                continue;
            }
            if (is_new) course = {};
            if (moment.phases_ended <= 1) missing_.erase(pid);
            counted_in = *file;
            course.pid = pid;
            course.client = client;
            course.started_by_system = others.contains(pid);
            if (is_new) course.ran_before = !is_in_directory(*file);
            // One that began later had nothing before.
            course.quiet.resize(moment.phases_ended);
            course.anonymous_bytes.resize(moment.phases_ended);
            alloc::name_threads(*snapshot, pid);
            if (!watch_.keeps_details) forget_details(*snapshot);
            course.quiet.push_back(*std::move(snapshot));
            course.anonymous_bytes.push_back(anonymous_bytes(pid));
            if (watch_.stack_distance) look_at_stacks(course, *file, moment.phases_ended);
        }
        moments_ = moment.phases_ended + 1;
        if (workers_read == moment.clients.size() && worker_bytes_.size() + 1 == own_bytes_.size())
            worker_bytes_.push_back(workers);
        discard_files_of_the_gone();
        // What came and went before what is measured is no concern of it.
        if (moment.phases_ended <= 1) gone_.clear();
    }

    /// Removes the files of processes that nobody will look at again: a system that starts one for
    /// each event would fill the memory with them.
    void discard_files_of_the_gone() {
        std::error_code ignored;
        for (const auto& [pid, files] : files_by_writer()) {
            if (courses_.contains(pid) || has_memory(pid)) continue;
            for (const auto& file : files) std::filesystem::remove(file, ignored);
            if (!missing_.contains(pid)) gone_.insert(pid);
        }
    }

    void conclude(MemoryTrial& result) {
        result.own_bytes = std::move(own_bytes_);
        result.worker_bytes = std::move(worker_bytes_);
        if (result.trial.failure) forget_after_first_end();
        for (auto& [pid, counted] : courses_) {
            if (missing_.contains(pid)) continue;
            if (counted.course.quiet.size() == moments_) {
                result.processes.push_back(std::move(counted.course));
            } else {
                missing_[pid] = fmt::format("process {} ended before the load did", pid);
            }
        }
        for (auto& [pid, why] : missing_) result.missing.push_back(std::move(why));
        discard_files_of_the_gone();
        if (gone_.empty()) return;
        result.missing.push_back(
            fmt::format("process {}{} came and went while the load ran", *gone_.begin(),
                        gone_.size() == 1 ? "" : fmt::format(" and {} others", gone_.size() - 1)));
    }

private:
    /// A trial that failed is known up to the last moment at which all its processes lived.
    void forget_after_first_end() {
        for (const auto& [pid, counted] : courses_) {
            if (!missing_.contains(pid)) moments_ = std::min(moments_, counted.course.quiet.size());
        }
        for (auto& [pid, counted] : courses_) {
            auto& course = counted.course;
            if (course.quiet.size() <= moments_) continue;
            course.quiet.resize(moments_);
            course.anonymous_bytes.resize(moments_);
            if (course.stacks) course.stacks->lifetimes.resize(moments_);
        }
    }

    /// A process without such a file has no stacks: it was forked, or there was no room, or others
    /// have started it. Those may have asked for other samples, which are not what was asked here.
    void look_at_stacks(ProcessCourse& course, const std::filesystem::path& region,
                        std::uint32_t moments_before) const {
        if (!course.stacks) {
            auto reader = alloc::StacksReader::open(alloc::stacks_file(region));
            if (!reader || reader->mean_bytes() != *watch_.stack_distance) return;
            course.stacks.emplace(StackCourse{.reader = *std::move(reader)});
            course.stacks->lifetimes.resize(moments_before);
        }
        auto& stacks = *course.stacks;
        auto read = stacks.reader.read();
        stacks.mean_bytes = read.mean_bytes;
        stacks.without_stack = read.without_stack;
        stacks.lifetimes.push_back(std::move(read.lifetimes));
        for (const auto& stack : read.stacks) {
            if (stacks.changes.size() <= stack.number) stacks.changes.resize(stack.number + 1);
            const StackSums sums(stack.counts);
            auto& changes = stacks.changes[stack.number];
            if (changes.empty() || !changes.back().second.same_blocks(sums))
                changes.emplace_back(moments_before, sums);
        }
    }

    /// A process has a file for each program that it has run, and others for their stacks.
    std::map<pid_t, std::vector<std::filesystem::path>> files_by_writer() const {
        std::map<pid_t, std::vector<std::filesystem::path>> files;
        std::error_code status;
        for (const auto& entry : std::filesystem::directory_iterator(directory_, status)) {
            const std::string name = entry.path().filename().string();
            pid_t pid = 0;
            std::from_chars(name.data(), name.data() + name.size(), pid);
            if (pid > 0) files[pid].push_back(entry.path());
        }
        return files;
    }

    /// Processes that the trial starts count there; those that were there before it do not.
    bool is_in_directory(const std::filesystem::path& file) const {
        std::error_code ignored;
        return std::filesystem::equivalent(file.parent_path(), directory_, ignored);
    }

    static void forget_details(alloc::Snapshot& snapshot) {
        // With the memory that they are in.
        snapshot.rows = {};
        snapshot.classes = {};
        for (auto& owner : snapshot.owners) owner.classes = {};
    }

    static Result<alloc::Snapshot> read(const std::filesystem::path& file) {
        const auto reader = alloc::RegionReader::open(file);
        if (!reader) return std::unexpected(reader.error());
        return reader->read();
    }

    const std::filesystem::path directory_;
    const MemoryTrialOptions watch_;
    struct Counted {
        ProcessCourse course;
        std::filesystem::path file;  ///< of the program that it was first seen to run
    };
    std::map<pid_t, Counted> courses_;
    std::map<pid_t, std::string> missing_;
    std::set<pid_t> gone_;  ///< ended since what is measured began, before anybody looked
    std::size_t moments_ = 0;
    std::vector<double> own_bytes_;
    std::vector<double> worker_bytes_;
};

}  // namespace

StackSums StackCourse::at(std::size_t moment, std::uint32_t stack) const {
    if (stack >= changes.size()) return {};
    const auto& noted = changes[stack];
    const auto after = std::ranges::upper_bound(
        noted, moment, {}, [](const auto& change) { return std::size_t{change.first}; });
    return after == noted.begin() ? StackSums{} : std::prev(after)->second;
}

const Check* unended_events(const std::vector<Check>& checks) {
    // Conservation alone says nothing of it: what never ended adds up as lost.
    const auto found = std::ranges::find_if(checks, [](const Check& check) {
        return !check.passed && (check.name == "no_losses" || check.name == "conservation");
    });
    return found == checks.end() ? nullptr : &*found;
}

std::size_t watched_phases(const MemoryTrial& trial) {
    std::size_t phases = trial.trial.phases.size();
    for (const auto& process : trial.processes)
        phases = std::min(phases, process.quiet.size() - std::size_t{1});
    return phases;
}

Result<std::filesystem::path> find_tracker() {
    if (const char* named = std::getenv(kTrackerVariable); named != nullptr && *named != '\0') {
        if (std::filesystem::exists(named)) return std::filesystem::absolute(named);
        return std::unexpected(
            Error{Errc::not_found, fmt::format("{}: {} is not there", kTrackerVariable, named)});
    }
    const auto programs = base::self_executable().parent_path();
    // As built, and as installed.
    const std::array places{programs / "../lib", programs / ".." / CRUCIBLE_TRACKER_FOLDER};
    for (const auto& place : places) {
        const auto library = place / kTrackerName;
        if (std::filesystem::exists(library)) return std::filesystem::canonical(library);
    }
    return std::unexpected(
        Error{Errc::not_found,
              fmt::format("the allocation tracker {} is not in {}; {} can name it", kTrackerName,
                          places.front().lexically_normal().string(), kTrackerVariable)});
}

Result<MemoryTrial> run_memory_trial(const TargetUrl& target, const SystemOptions& system,
                                     const Plan& plan, TrialOptions options,
                                     const std::filesystem::path& tracker,
                                     const MemoryTrialOptions& watch) {
    // Shared memory, so that counting never waits for a disk.
    const auto directory = base::TempDir::make_in_memory("alloc");
    if (!directory) return std::unexpected(directory.error());
    const auto preloaded = preloadable(tracker, directory->path());
    if (!preloaded) return std::unexpected(preloaded.error());
    Watcher watcher(directory->path(), watch);
    const char* const others = std::getenv("LD_PRELOAD");
    options.environment = {
        fmt::format("LD_PRELOAD={}{}{}", preloaded->string(), others == nullptr ? "" : ":",
                    others == nullptr ? "" : others),
        fmt::format("{}={}", alloc::kDirectoryVariable, directory->path().string())};
    if (const auto distance = watch.stack_distance) {
        options.environment.push_back(
            fmt::format("{}={}", alloc::kSampleVariable,
                        *distance == 0 ? "all" : fmt::format("{}B", *distance)));
    }
    options.on_quiet = [&watcher](const QuietMoment& moment) { watcher.look(moment); };
    options.on_progress = [&watcher, told = std::move(options.on_progress)](const auto& progress) {
        watcher.discard_files_of_the_gone();
        if (told) told(progress);
    };
    auto trial = run_trial(target, system, plan, options);
    if (!trial) return std::unexpected(trial.error());
    MemoryTrial result;
    result.trial = *std::move(trial);
    watcher.conclude(result);
    return result;
}

}  // namespace crucible::lab
