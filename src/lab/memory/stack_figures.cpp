#include "lab/memory/stack_figures.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

#include "lab/memory/stack_space.h"
#include "lab/profile/demangle.h"

namespace crucible::lab {
namespace {

constexpr double kShortLived = 1e6;  ///< ns
constexpr std::size_t kFramesDescribed = 3;
constexpr double kErrorsAllowed = 4;  ///< standard errors, between sampled sums and counters

constexpr std::array kLifetimeMetrics{
    MetricInfo{"byte_seconds_per_event", "B·s", Better::lower, false},
    MetricInfo{"lifetime_p50", "s", Better::lower, false},
    MetricInfo{"short_lived_share", "1", Better::lower, false},
};

/// The stacks of a trial's processes with all of their frames, in one address space.
class StackWalk {
public:
    explicit StackWalk(const MemoryTrial& trial) : trial_(trial) {}

    /// Calls `visit(owner, stack, course, number)` for those stacks of the system's owners for
    /// which `matters(course, number)`: to find their frames takes most of the time.
    template <typename Matters, typename Visit>
    void each(const Matters& matters, const Visit& visit) {
        for (const auto& process : trial_.processes) {
            if (!process.stacks || !is_measured(trial_, process)) continue;
            const auto& course = *process.stacks;
            auto snapshot = course.reader.read();
            std::erase_if(snapshot.stacks, [&](const alloc::StackSamples& stack) {
                return (process.client && is_harness_owner(stack.owner)) ||
                       !matters(course, stack.number);
            });
            space_.each(
                course.reader, snapshot,
                [&](const alloc::StackSamples& stack, std::vector<std::uint64_t> addresses) {
                    visit(owner_label(process, stack.owner), std::move(addresses), course,
                          stack.number);
                });
        }
    }

    const std::vector<MappedModule>& modules() const noexcept { return space_.modules(); }

private:
    const MemoryTrial& trial_;
    StackSpace space_;
};

/// As allocation_kinds().
std::array<std::int64_t, 5> values_of(const StackSums& sums) {
    const auto whole = [](double value) { return std::llround(std::max(value, 0.0)); };
    return {whole(sums.allocations.value), whole(sums.bytes.value), whole(sums.live_blocks.value),
            whole(sums.live_bytes.value), whole(sums.freed_byte_seconds)};
}

double blocks_of(const std::vector<alloc::OwnerLifetimes>& all, const std::string& owner,
                 std::uint32_t number) {
    for (const auto& one : all) {
        if (one.owner != owner) continue;
        for (const auto& each : one.classes)
            if (each.number == number) return each.blocks;
    }
    return 0;
}

double blocks_in(std::span<const alloc::LifetimeClass> classes) {
    double blocks = 0;
    for (const auto& each : classes) blocks += each.blocks;
    return blocks;
}

/// Allocators and containers: who called them is what matters.
bool is_plumbing(const Frame& frame) {
    if (frame.file.find("/include/c++/") != std::string::npos) return true;
    const std::string name = short_name(frame.function);
    for (const std::string_view part : {"std::", "__gnu_cxx::", "operator new", "decltype"})
        if (name.starts_with(part)) return true;
    static constexpr std::array<std::string_view, 6> kAllocators{
        "malloc", "calloc", "realloc", "reallocarray", "posix_memalign", "aligned_alloc"};
    return std::ranges::find(kAllocators, name) != kAllocators.end();
}

/// The last two parts of a name: its file says the rest.
std::string without_namespaces(const std::string& name) {
    const auto last = name.rfind("::");
    if (last == std::string::npos || last == 0) return name;
    const auto before = name.rfind("::", last - 1);
    const auto kept = before == std::string::npos ? name : name.substr(before + 2);
    return kept.starts_with("(anonymous)::") ? kept.substr(kept.find("::") + 2) : kept;
}

std::string describe_frame(const Frame& frame) {
    // What GCC puts a file's constructors of static objects together in.
    const bool is_static = frame.function.starts_with("_GLOBAL__sub_I_");
    std::string text =
        is_static ? "static initialization" : without_namespaces(short_name(frame.function));
    if (frame.file.empty()) return text;
    const auto slash = frame.file.rfind('/');
    return fmt::format("{} ({}:{})", text,
                       slash == std::string::npos ? frame.file : frame.file.substr(slash + 1),
                       frame.line);
}

/// By the name of its file: "libx.so" or "libx.so.1.2".
bool is_library(const std::string& path) {
    std::string_view name = path;
    name.remove_prefix(name.rfind('/') + 1);
    constexpr std::string_view kEnding = ".so";
    for (auto at = name.find(kEnding); at != std::string_view::npos; at = name.find(kEnding, at)) {
        at += kEnding.size();
        if (at == name.size()) return true;
        if (name[at] == '.' && at + 1 < name.size() && name[at + 1] >= '0' && name[at + 1] <= '9')
            return true;
    }
    return false;
}

/// A function of a stack, and whether it is in the program itself and not in a library.
struct StackFrame {
    const Frame* frame;
    bool in_program;
};

/// The functions of a stack, innermost first, inlined ones too.
std::vector<StackFrame> frames_of(const SymbolizedProfile& profile,
                                  const SymbolizedSample& sample) {
    std::vector<StackFrame> frames;
    for (const auto index : sample.stack) {
        const auto& location = profile.locations[index];
        const bool in_program =
            location.module && !is_library(profile.modules[*location.module].path);
        for (const auto& frame : location.frames) frames.push_back({&frame, in_program});
    }
    return frames;
}

/// While it was counted, so that it began with what its parent held, of which it has no stacks.
bool was_forked(const ProcessCourse& process) {
    return !process.quiet.empty() && process.quiet.back().forked_from != 0;
}

}  // namespace

AllocationProfile allocation_profile(const MemoryTrial& trial, std::size_t phase) {
    struct Found {
        std::string owner;
        std::vector<std::uint64_t> stack;
        StackSums sums;
    };
    std::vector<Found> all;
    std::uint64_t period = 0;
    StackWalk walk(trial);
    const auto done = [phase](const StackCourse& course, std::uint32_t number) {
        return between(course.at(phase, number), course.at(phase + 1, number));
    };
    walk.each(
        [&](const StackCourse& course, std::uint32_t number) {
            return std::ranges::any_of(values_of(done(course, number)),
                                       [](auto value) { return value != 0; });
        },
        [&](std::string owner, std::vector<std::uint64_t> stack, const StackCourse& course,
            std::uint32_t number) {
            period = course.mean_bytes;
            all.push_back({std::move(owner), std::move(stack), done(course, number)});
        });
    Capture capture;
    capture.period = static_cast<std::int64_t>(std::max<std::uint64_t>(period, 1));
    AllocationProfile found{.profile = {walk.modules(), allocation_kinds(), capture}, .sums = {}};
    for (const auto& one : all) {
        const auto index = found.profile.add(one.stack, one.owner, {}, values_of(one.sums));
        found.sums.resize(found.profile.samples().size());
        found.sums[index] += one.sums;
    }
    return found;
}

std::optional<Check> stacks_conserved(const MemoryTrial& trial, std::size_t phase,
                                      std::uint64_t mean_bytes) {
    MemoryTrial known = trial;
    std::erase_if(known.processes, [](const ProcessCourse& process) {
        return !process.stacks || was_forked(process);
    });
    const auto figures = memory_figures(known, phase);
    if (!figures) return std::nullopt;
    StackSums all;
    for (const auto& sums : allocation_profile(known, phase).sums) all += sums;
    return stacks_conserved(all, figures->total, mean_bytes);
}

Check stacks_conserved(const StackSums& all, const OwnerFigures& counted,
                       std::uint64_t mean_bytes) {
    const auto mean = static_cast<double>(mean_bytes);
    // As far as the sum may be off that is estimated where so much was counted.
    const auto margin = [mean](const alloc::Estimate& estimate, double truth) {
        const double readings = 4096 + 0.001 * truth;
        if (mean == 0) return readings;
        // The variance grows with the truth, and is at most the mean distance times it. Of few
        // samples it is not known well, nor are their sums normal: hence one distance more.
        const double variance =
            truth * std::min(mean, estimate.value > 0 ? estimate.variance / estimate.value : mean);
        return readings + kErrorsAllowed * (std::sqrt(std::max(variance, 0.0)) + mean);
    };
    const double bytes_margin = margin(all.bytes, counted.bytes);
    const double live_margin = margin(all.live_bytes, counted.live_bytes);
    Check check{"stacks_conserved", true, {}};
    check.passed = std::abs(all.bytes.value - counted.bytes) <= bytes_margin &&
                   std::abs(all.live_bytes.value - counted.live_bytes) <= live_margin;
    check.detail = fmt::format(
        "{:.0f} bytes allocated and {:.0f} live on all stacks; {:.0f} and {:.0f} counted, from "
        "which they may be {:.0f} and {:.0f} off",
        all.bytes.value, all.live_bytes.value, counted.bytes, counted.live_bytes, bytes_margin,
        live_margin);
    return check;
}

std::vector<pid_t> without_stacks(const MemoryTrial& trial) {
    std::vector<pid_t> pids;
    for (const auto& process : trial.processes) {
        if (!process.stacks && is_measured(trial, process)) pids.push_back(process.pid);
    }
    return pids;
}

std::string why_without_stacks(const MemoryTrial& trial) {
    std::string why;
    if (const auto pids = without_stacks(trial); pids.size() == 1) {
        why = fmt::format(
            "process {} has no stacks: it was forked, others started it without them, or there was "
            "no room for them",
            pids.front());
    } else if (!pids.empty()) {
        why = fmt::format(
            "processes {} have no stacks: they were forked, others started them without them, or "
            "there was no room for them",
            fmt::join(pids, ", "));
    }
    for (const auto& process : trial.processes) {
        if (!process.stacks || !is_measured(trial, process) || !was_forked(process)) continue;
        why += fmt::format("{}process {} was forked: what it held before has no stacks",
                           why.empty() ? "" : "; ", process.pid);
    }
    return why;
}

StackSites stack_sites(const MemoryTrial& trial) {
    StackSites found;
    const std::size_t phases = watched_phases(trial);
    std::uint64_t without = 0;
    for (const pid_t pid : without_stacks(trial))
        found.incomplete = fmt::format("process {} has no stacks", pid);
    for (const auto& process : trial.processes) {
        if (process.stacks && is_measured(trial, process)) without += process.stacks->without_stack;
    }
    if (without > 0) found.incomplete = fmt::format("no room for the stacks of {} blocks", without);

    std::map<std::pair<std::string, std::vector<std::uint64_t>>, std::size_t> indices;
    StackWalk walk(trial);
    walk.each(
        [&](const StackCourse& course, std::uint32_t number) {
            for (std::size_t phase = 0; phase < phases; ++phase)
                if (course.at(phase + 1, number).live_blocks.value > 0) return true;
            return false;
        },
        [&](std::string owner, std::vector<std::uint64_t> stack, const StackCourse& course,
            std::uint32_t number) {
            const auto [entry, is_new] =
                indices.try_emplace({std::move(owner), std::move(stack)}, found.sites.size());
            if (is_new) {
                found.sites.push_back({entry->first.first, entry->first.second});
                found.courses.push_back({.site = fmt::format("{}", entry->second),
                                         .live_bytes = std::vector<double>(phases),
                                         .live_objects = std::vector<double>(phases)});
            }
            auto& course_of = found.courses[entry->second];
            for (std::size_t phase = 0; phase < phases; ++phase) {
                const auto sums = course.at(phase + 1, number);
                course_of.live_bytes[phase] += sums.live_bytes.value;
                course_of.live_objects[phase] += sums.live_blocks.value;
            }
        });
    found.modules = walk.modules();
    return found;
}

std::string describe_site(const SymbolizedProfile& profile, const SymbolizedSample& sample) {
    auto frames = frames_of(profile, sample);
    if (frames.empty()) return "an unknown place";
    const Frame& innermost = *frames.front().frame;
    std::erase_if(frames, [](const StackFrame& frame) { return is_plumbing(*frame.frame); });
    if (frames.empty()) return describe_frame(innermost);
    // Of libraries only what the program has called.
    const auto own = std::ranges::find_if(frames, &StackFrame::in_program);
    if (own != frames.end() && own - frames.begin() > 1) frames.erase(frames.begin(), own - 1);
    std::string text = describe_frame(*frames.front().frame);
    for (std::size_t i = 1; i < std::min(frames.size(), kFramesDescribed); ++i)
        text += " < " + describe_frame(*frames[i].frame);
    return text;
}

std::vector<std::string> describe_stack(const SymbolizedProfile& profile,
                                        const SymbolizedSample& sample) {
    std::vector<std::string> lines;
    for (const auto& [frame, in_program] : frames_of(profile, sample))
        lines.push_back(describe_frame(*frame));
    return lines;
}

std::optional<LifetimeFigures> lifetime_figures(const MemoryTrial& trial, std::size_t phase) {
    LifetimeFigures figures;
    figures.total.owner = "total";
    bool any = false;
    std::map<std::string, std::vector<alloc::LifetimeClass>> owners;
    for (const auto& process : trial.processes) {
        if (!process.stacks || !is_measured(trial, process)) continue;
        const auto& course = *process.stacks;
        if (course.lifetimes.size() <= phase + 1) continue;
        any = true;
        for (const auto& owner : course.lifetimes[phase + 1]) {
            if (process.client && is_harness_owner(owner.owner)) continue;
            for (auto each : owner.classes) {
                each.blocks -= blocks_of(course.lifetimes[phase], owner.owner, each.number);
                if (each.blocks <= 0) continue;
                add_lifetimes(owners[owner_label(process, owner.owner)], {&each, 1});
                add_lifetimes(figures.total.classes, {&each, 1});
            }
        }
    }
    if (!any) return std::nullopt;
    for (auto& [owner, classes] : owners) figures.owners.push_back({owner, std::move(classes)});
    // Of all owners: what a harness allocates does not count, and sums are by stack.
    for (const auto& process : trial.processes) {
        if (!process.stacks || !is_measured(trial, process)) continue;
        const auto& course = *process.stacks;
        for (const auto& stack : course.reader.read().stacks) {
            if (process.client && is_harness_owner(stack.owner)) continue;
            const auto before = course.at(phase, stack.number);
            const auto done = between(before, course.at(phase + 1, stack.number));
            figures.freed_byte_seconds += done.freed_byte_seconds;
        }
    }
    return figures;
}

void add_lifetimes(std::vector<alloc::LifetimeClass>& to,
                   std::span<const alloc::LifetimeClass> more) {
    for (const auto& one : more) {
        const auto at = std::ranges::lower_bound(to, one.number, {}, &alloc::LifetimeClass::number);
        if (at != to.end() && at->number == one.number) {
            at->blocks += one.blocks;
        } else {
            to.insert(at, one);
        }
    }
}

std::optional<double> lifetime_quantile(std::span<const alloc::LifetimeClass> classes, double p) {
    const double wanted = p * blocks_in(classes);
    double before = 0;
    for (const auto& each : classes) {
        if (each.blocks > 0 && before + each.blocks >= wanted) {
            // Evenly on the scale of logarithms; the first class begins at nothing.
            const double share = (wanted - before) / each.blocks;
            return (each.from_ns > 0 ? each.from_ns * std::exp2(share) : each.to_ns * share) / 1e9;
        }
        before += each.blocks;
    }
    return std::nullopt;
}

double short_lived_share(std::span<const alloc::LifetimeClass> classes) {
    const double all = blocks_in(classes);
    double shorter = 0;
    for (const auto& each : classes) {
        if (each.from_ns >= kShortLived) continue;
        // Of the class that holds the bound, the part below it on the scale of logarithms.
        const bool whole = each.to_ns <= kShortLived;
        shorter += each.blocks * (whole ? 1 : std::log2(kShortLived / each.from_ns));
    }
    return all > 0 ? shorter / all : 0;
}

std::span<const MetricInfo> lifetime_metrics() noexcept {
    return kLifetimeMetrics;
}

std::vector<MetricValue> lifetime_values(const LifetimeFigures& figures, const Delivery& events) {
    const auto& classes = figures.total.classes;
    const auto blocks = static_cast<std::uint64_t>(blocks_in(classes));
    const std::array<std::optional<double>, kLifetimeMetrics.size()> found{
        figures.freed_byte_seconds / static_cast<double>(events.sent),
        lifetime_quantile(classes, 0.5), short_lived_share(classes)};
    std::vector<MetricValue> values;
    for (std::size_t i = 0; i < found.size(); ++i) {
        MetricValue value{.info = &kLifetimeMetrics[i]};
        value.n = blocks;
        if (blocks > 0) {
            value.value = found[i];
        } else {
            value.absent = "nothing was freed";
        }
        values.push_back(std::move(value));
    }
    if (const auto why = why_no_per_event(events); !why.empty()) {
        values.front().value.reset();
        values.front().absent = why;
    }
    return values;
}

}  // namespace crucible::lab
