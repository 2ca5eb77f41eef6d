#include "allocation_overhead/arms.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cmath>
#include <sstream>
#include <utility>
#include <vector>

#include "alloc/snapshot.h"
#include "alloc/stack_file.h"
#include "alloc/stacks.h"
#include "allocation_overhead/programs.h"
#include "base/file.h"
#include "lab/memory/memory_trial.h"
#include "support/installed_program.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr Duration kProgramLimit = 20min;
constexpr std::size_t kComplaintMost = 400;  ///< bytes of what a program complains

struct WatchText {
    std::string_view name;
    std::string_view description;
};
constexpr std::array<WatchText, 6> kTexts{{
    {"glibc", "as it is, without the tracker"},
    {"exact counters", "the tracker, without stacks"},
    {"sampled stacks", "the tracker, CRUCIBLE_ALLOC_SAMPLE=512KiB"},
    {"all stacks", "the tracker, CRUCIBLE_ALLOC_SAMPLE=all"},
    {"DHAT", "valgrind --tool=dhat"},
    {"heaptrack", "heaptrack"},
}};

std::unexpected<Error> not_as_it_says(std::string what) {
    return std::unexpected(Error{Errc::failed, std::move(what)});
}

/// The end of what the process wrote, in one line.
std::string complaint(const std::filesystem::path& directory) {
    std::string text = base::read_file(directory / "errors").value_or("") +
                       base::read_file(directory / "output").value_or("");
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (text.size() > kComplaintMost) text.erase(0, text.size() - kComplaintMost);
    for (char& c : text)
        if (c == '\n') c = ' ';
    return text;
}

Result<ProgramResult> read_result(const std::filesystem::path& file) {
    const auto text = base::read_file(file);
    if (!text) return std::unexpected(text.error());
    ProgramResult result;
    std::istringstream words(*text);
    words >> result.seconds >> result.allocations;
    if (!words || !(result.seconds > 0)) return not_as_it_says("it found nothing out: " + *text);
    return result;
}

Result<> check_all_stacks(const alloc::StackSnapshot& stacks, std::uint64_t allocations) {
    const auto sampled = stacks.total().allocations;
    if (sampled == allocations && stacks.without_stack == 0) return {};
    return not_as_it_says(fmt::format("{} of {} allocations have a stack",
                                      sampled - stacks.without_stack, allocations));
}

/// The estimate of a Poisson process of sample points: its variance is at most mean distance times
/// bytes. A few samples more, for Poisson's tail where hardly any is due.
Result<> check_estimate(const alloc::StackSnapshot& stacks, std::uint64_t counted_bytes) {
    const auto bytes = static_cast<double>(counted_bytes);
    const double estimate = stacks.total().all_bytes.value;
    const double likely = std::sqrt(static_cast<double>(kSampleBytes) * bytes);
    const bool is_near = std::abs(estimate - bytes) <= 6 * likely + 8.0 * kSampleBytes;
    if (stacks.mean_bytes == kSampleBytes && is_near) return {};
    return not_as_it_says(fmt::format("{:.0f} of {:.0f} bytes by the samples at {} B", estimate,
                                      bytes, stacks.mean_bytes));
}

/// The first sample makes the file: a short run may have neither, as likely as exp(-due).
bool may_have_no_sample(const alloc::Counts& counted) {
    constexpr double kDueMost = 20;
    const auto due = static_cast<double>(alloc::sample_stream(counted.bytes, counted.allocations)) /
                     static_cast<double>(kSampleBytes);
    return due <= kDueMost;
}

Result<> check_stacks(const std::filesystem::path& region, Watch watch,
                      const alloc::Snapshot& counted) {
    const std::uint64_t asked = watch == Watch::all ? 0 : kSampleBytes;
    if (counted.sample_distance != asked)
        return not_as_it_says("it does not take the samples that were asked for");
    const auto file = alloc::stacks_file(region);
    if (watch == Watch::sampled && !std::filesystem::exists(file) &&
        may_have_no_sample(counted.total))
        return {};
    const auto reader = alloc::StacksReader::open(file);
    if (!reader) return std::unexpected(reader.error());
    const auto stacks = reader->read();
    return watch == Watch::all ? check_all_stacks(stacks, counted.total.allocations)
                               : check_estimate(stacks, counted.total.bytes);
}

/// Whether the tracker did in the process what the arm says.
Result<> check_tracked(const std::filesystem::path& directory, pid_t pid, Watch watch,
                       std::uint64_t allocations) {
    const auto file = alloc::region_file(directory, pid);
    if (!file) return std::unexpected(file.error());
    const auto reader = alloc::RegionReader::open(*file);
    if (!reader) return std::unexpected(reader.error());
    const auto counted = reader->read();
    if (counted.total.allocations < allocations || counted.uncounted != 0) {
        return not_as_it_says(fmt::format("{} of at least {} allocations were counted",
                                          counted.total.allocations, allocations));
    }
    if (watch != Watch::counters) return check_stacks(*file, watch, counted);
    if (!counted.sample_distance && !std::filesystem::exists(alloc::stacks_file(*file))) return {};
    return not_as_it_says("stacks were taken that nobody asked for");
}

}  // namespace

std::string_view name_of(Watch watch) noexcept {
    return kTexts[static_cast<std::size_t>(watch)].name;
}
std::string_view description_of(Watch watch) noexcept {
    return kTexts[static_cast<std::size_t>(watch)].description;
}
bool is_tool(Watch watch) noexcept {
    return watch == Watch::dhat || watch == Watch::heaptrack;
}

Result<Arms> Arms::make() {
    auto tracker = lab::find_tracker();
    if (!tracker) return std::unexpected(tracker.error());
    return Arms(*std::move(tracker));
}

Result<base::Process::Options> Arms::command(const ProgramCall& call, Watch watch,
                                             const std::filesystem::path& directory) const {
    base::Process::Options options{.arguments = {},
                                   .inherit = {},
                                   .environment = {"LD_PRELOAD=", "CRUCIBLE_ALLOC_SAMPLE="},
                                   .standard_output = directory / "output",
                                   .standard_error = directory / "errors",
                                   .cpus = {}};
    if (is_tool(watch)) {
        const bool is_dhat = watch == Watch::dhat;
        const auto tool = is_dhat ? installed_program("valgrind", "valgrind")
                                  : installed_program("heaptrack", "heaptrack");
        if (!tool) return std::unexpected(tool.error());
        options.arguments = {*tool};
        const auto file = (directory / "profile").string();
        for (auto& word :
             is_dhat ? std::vector<std::string>{"--tool=dhat", "--quiet", "--dhat-out-file=" + file}
                     : std::vector<std::string>{"--output", file})
            options.arguments.push_back(std::move(word));
    } else if (watch != Watch::glibc) {
        const std::string_view stacks = watch == Watch::counters  ? ""
                                        : watch == Watch::sampled ? "512KiB"
                                                                  : "all";
        options.environment = {fmt::format("LD_PRELOAD={}", tracker_.string()),
                               fmt::format("CRUCIBLE_ALLOC_DIRECTORY={}", directory.string()),
                               fmt::format("CRUCIBLE_ALLOC_SAMPLE={}", stacks)};
    }
    for (auto& word : std::vector<std::string>{
             base::self_executable().string(), std::string(kProgramWord), call.program,
             fmt::format("{}", call.amount), (directory / "result").string()})
        options.arguments.push_back(std::move(word));
    return options;
}

Result<double> Arms::run(const ProgramCall& call, Watch watch) const {
    // In shared memory, so that nothing waits for a disk.
    const auto directory = base::TempDir::make_in_memory("allocation-overhead");
    if (!directory) return std::unexpected(directory.error());
    const auto options = command(call, watch, directory->path());
    if (!options) return std::unexpected(options.error());
    auto process = base::Process::start(*options);
    if (!process) return std::unexpected(process.error());
    const pid_t pid = process->pid();
    const auto ended = process->wait(kProgramLimit);
    const auto result = read_result(directory->path() / "result");
    if (!ended || ended->exit_code != 0 || ended->signal != 0 || !result) {
        return not_as_it_says(fmt::format("{}: {}", ended ? ended->describe() : "did not end",
                                          complaint(directory->path())));
    }
    const bool is_tracked = watch != Watch::glibc && !is_tool(watch);
    if (is_tracked) {
        const auto checked = check_tracked(directory->path(), pid, watch, result->allocations);
        if (!checked) return std::unexpected(checked.error());
    }
    return result->seconds;
}

}  // namespace crucible::bench
