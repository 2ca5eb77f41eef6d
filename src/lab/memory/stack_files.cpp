#include "lab/memory/stack_files.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "lab/memory/memory_profile.h"
#include "lab/profile/flame_graph.h"
#include "lab/profile/folded.h"
#include "lab/profile/pprof.h"

namespace crucible::lab {
namespace {

constexpr std::string_view kAllocated = "alloc_space";
constexpr std::string_view kLive = "inuse_space";

std::string_view role_of(const MemoryProfile& profile, std::size_t target) {
    if (profile.targets.size() == 1) return "target";
    return target == 0 ? "baseline" : "candidate";
}

bool both_have_stacks(const MemoryProfile& profile) {
    return profile.targets.size() == 2 && profile.targets[0].stacks && profile.targets[1].stacks;
}

/// Of the bytes allocated on each stack; none where they are exact.
std::vector<double> variances_of(const TargetStacks& stacks) {
    std::vector<double> variances;
    if (stacks.mean_bytes == 0) return variances;
    for (const auto& sums : stacks.sums) variances.push_back(sums.bytes.variance);
    return variances;
}

}  // namespace

std::map<std::string, std::string> stack_file_names(std::string_view name) {
    return {
        {"allocated", fmt::format("{}-allocated.svg", name)},
        {"live", fmt::format("{}-live.svg", name)},
        {"folded", fmt::format("{}-allocated.folded", name)},
        {"pprof", fmt::format("{}.pb.gz", name)},
    };
}

Result<> write_stack_files(const std::filesystem::path& directory, std::string_view name,
                           const SymbolizedProfile& profile, const StackFileTitles& titles) {
    const auto files = stack_file_names(name);
    const auto kind = *profile.find_kind(kAllocated);
    const auto graph = [&](std::string_view of, const std::string& title) {
        return write_flame_graph(profile, *profile.find_kind(of),
                                 {.title = title, .subtitle = titles.subtitle});
    };
    const std::array texts{
        std::pair{"allocated", graph(kAllocated, titles.allocated)},
        std::pair{"live", graph(kLive, titles.live)},
        std::pair{"folded", write_folded(profile, kind)},
        std::pair{"pprof", write_pprof(profile, kind)},
    };
    for (const auto& [what, text] : texts) {
        if (auto done = base::write_file(directory / files.at(what), text); !done) return done;
    }
    return {};
}

std::string sampling_text(std::uint64_t mean_bytes) {
    return mean_bytes == 0 ? "every allocation"
                           : fmt::format("sampled every {} bytes in the mean", mean_bytes);
}

std::map<std::string, std::string> stack_files(const MemoryProfile& profile, std::size_t target) {
    if (!profile.targets[target].stacks) return {};
    auto files = stack_file_names(role_of(profile, target));
    if (both_have_stacks(profile)) files["difference"] = "difference-allocated.svg";
    return files;
}

Result<> write_stacks(const std::filesystem::path& directory, const MemoryProfile& profile) {
    for (std::size_t i = 0; i < profile.targets.size(); ++i) {
        const auto& target = profile.targets[i];
        if (!target.stacks) continue;
        auto done =
            write_stack_files(directory, role_of(profile, i), target.stacks->profile,
                              {.allocated = fmt::format("{}: bytes allocated", target.target),
                               .live = fmt::format("{}: bytes live at the end", target.target),
                               .subtitle = fmt::format("{:.0f} events; {}", target.stacks->events,
                                                       sampling_text(target.stacks->mean_bytes))});
        if (!done) return done;
    }
    if (!both_have_stacks(profile)) return {};
    const auto& baseline = *profile.targets[0].stacks;
    const auto& candidate = *profile.targets[1].stacks;
    const auto baseline_variances = variances_of(baseline);
    const auto candidate_variances = variances_of(candidate);
    const auto graph = write_differential_flame_graph(
        {.baseline = baseline.profile,
         .candidate = candidate.profile,
         .baseline_kind = *baseline.profile.find_kind(kAllocated),
         .candidate_kind = *candidate.profile.find_kind(kAllocated),
         .baseline_scale = 1 / baseline.events,
         .candidate_scale = 1 / candidate.events,
         .per = "event",
         .baseline_variances = baseline_variances,
         .candidate_variances = candidate_variances},
        {.title = "Bytes allocated for an event",
         .subtitle =
             fmt::format("{} against {}", profile.targets[0].target, profile.targets[1].target)});
    return base::write_file(directory / stack_files(profile, 0).at("difference"), graph);
}

}  // namespace crucible::lab
