#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

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

std::string sampling_text(const TargetStacks& stacks) {
    return stacks.mean_bytes == 0
               ? "every allocation"
               : fmt::format("sampled every {} bytes in the mean", stacks.mean_bytes);
}

}  // namespace

std::map<std::string, std::string> stack_files(const MemoryProfile& profile, std::size_t target) {
    if (!profile.targets[target].stacks) return {};
    const auto role = role_of(profile, target);
    std::map<std::string, std::string> files{
        {"allocated", fmt::format("{}-allocated.svg", role)},
        {"live", fmt::format("{}-live.svg", role)},
        {"folded", fmt::format("{}-allocated.folded", role)},
        {"pprof", fmt::format("{}.pb.gz", role)},
    };
    if (both_have_stacks(profile)) files["difference"] = "difference-allocated.svg";
    return files;
}

Result<> write_stacks(const std::filesystem::path& directory, const MemoryProfile& profile) {
    for (std::size_t i = 0; i < profile.targets.size(); ++i) {
        const auto& target = profile.targets[i];
        if (!target.stacks) continue;
        const auto& named = target.stacks->profile;
        const auto files = stack_files(profile, i);
        const auto kind = *named.find_kind(kAllocated);
        const auto subtitle =
            fmt::format("{:.0f} events; {}", target.stacks->events, sampling_text(*target.stacks));
        const auto graph = [&](std::string_view of, std::string_view what) {
            return write_flame_graph(
                named, *named.find_kind(of),
                {.title = fmt::format("{}: {}", target.target, what), .subtitle = subtitle});
        };
        const std::array texts{
            std::pair{"allocated", graph(kAllocated, "bytes allocated")},
            std::pair{"live", graph(kLive, "bytes live at the end")},
            std::pair{"folded", write_folded(named, kind)},
            std::pair{"pprof", write_pprof(named, kind)},
        };
        for (const auto& [name, text] : texts) {
            if (auto done = base::write_file(directory / files.at(name), text); !done) return done;
        }
    }
    if (!both_have_stacks(profile)) return {};
    const auto& baseline = *profile.targets[0].stacks;
    const auto& candidate = *profile.targets[1].stacks;
    const auto graph = write_differential_flame_graph(
        {.baseline = baseline.profile,
         .candidate = candidate.profile,
         .baseline_kind = *baseline.profile.find_kind(kAllocated),
         .candidate_kind = *candidate.profile.find_kind(kAllocated),
         .baseline_scale = 1 / baseline.events,
         .candidate_scale = 1 / candidate.events,
         .per = "event"},
        {.title = "Bytes allocated for an event",
         .subtitle =
             fmt::format("{} against {}", profile.targets[0].target, profile.targets[1].target)});
    return base::write_file(directory / stack_files(profile, 0).at("difference"), graph);
}

}  // namespace crucible::lab
