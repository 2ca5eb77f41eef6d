#include "lab/memory/leak_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "lab/memory/iterations.h"
#include "lab/memory/memory_figures.h"
#include "lab/memory/stack_figures.h"
#include "lab/run/checks.h"

namespace crucible::lab {
namespace {

/// What a judgement says of a trial that cannot be judged.
LeakWatch unjudged(std::string reason) {
    LeakWatch watch;
    watch.judgement.reason = std::move(reason);
    watch.sites_are = "owner";
    return watch;
}

/// Of each site only what it held at the end of each iteration.
void keep_ends(std::vector<SiteCourse>& courses, std::size_t iterations, std::size_t each) {
    for (auto& course : courses) {
        for (auto* values : {&course.live_bytes, &course.live_objects}) {
            for (std::size_t i = 0; i < iterations; ++i)
                (*values)[i] = (*values)[(i + 1) * each - 1];
            values->resize(iterations);
        }
    }
}

/// Gives the sites that are told of, which are known by their indices, their names.
void name_sites(LeakJudgement& judgement, const StackSites& stacks) {
    if (judgement.growing.empty()) return;
    StackProfile profile(stacks.modules, {{"sites", "count"}});
    std::vector<std::size_t> indices;
    for (const auto& growing : judgement.growing) {
        std::size_t index = 0;
        std::from_chars(growing.site.data(), growing.site.data() + growing.site.size(), index);
        indices.push_back(index);
        const auto& site = stacks.sites[index];
        // Each is a sample of its own: the same stack may have two owners.
        profile.add(site.stack, site.owner, {}, std::array<std::int64_t, 1>{1});
    }
    const auto named = symbolize(profile);
    for (std::size_t i = 0; i < indices.size(); ++i) {
        auto& growing = judgement.growing[i];
        const auto& sample = named.samples[i];
        growing.site = fmt::format("{}, {}", sample.owner, describe_site(named, sample));
        growing.stack = describe_stack(named, sample);
    }
}

/// How many iterations of `each` phases can be judged: the last one of a trial that was ended is
/// not like the others, and of a trial that failed what followed the first end of a process.
std::size_t whole_iterations(const MemoryTrial& trial, std::size_t each) {
    const auto& result = trial.trial;
    const bool whole = !result.failure && !result.interrupted;
    const std::size_t driven = result.phases.size() - (whole || result.phases.empty() ? 0 : 1);
    return std::min(driven, watched_phases(trial)) / each;
}

}  // namespace

LeakWatch judge_trial(const MemoryTrial& trial, std::size_t each) {
    if (!trial.missing.empty()) return unjudged(trial.missing.front());
    const std::size_t iterations = whole_iterations(trial, each);
    const auto phases = std::span(trial.trial.phases).first(iterations * each);
    // What waits at the end of an iteration is held, and would be taken for leaked.
    const auto checks = trial_checks({phases.begin(), phases.end()});
    if (const auto* unended = unended_events(checks)) return unjudged(unended->detail);

    LeakOptions options{.events_per_iteration = 0, .warm_up = kLeakWarmUp};
    LeakWatch watch;
    for (std::size_t i = 0; i < iterations; ++i) {
        double events = 0;
        for (std::size_t p = i * each; p < (i + 1) * each; ++p) {
            events += static_cast<double>(phases[p].delivery.sent);
            if (i >= kLeakWarmUp)
                watch.duration += phases[p].phase.warmup + phases[p].phase.duration();
        }
        options.events.push_back(std::max(events, 1.0));
    }
    if (iterations < kLeakWarmUp + kLeakIterationsMin) {
        auto few = unjudged(fmt::format("only {} iterations were driven whole", iterations));
        few.duration = watch.duration;
        return few;
    }
    auto courses = owner_courses(trial);
    if (courses.empty()) return unjudged("no process of the system is known");
    const auto stacks = stack_sites(trial);
    watch.sites_are = stacks.incomplete.empty() ? "call site" : "owner";
    watch.why_not_call_sites = stacks.incomplete;
    if (stacks.incomplete.empty()) courses = stacks.courses;
    keep_ends(courses, iterations, each);
    watch.judgement = judge_leaks(courses, options);
    if (stacks.incomplete.empty()) name_sites(watch.judgement, stacks);
    return watch;
}

std::vector<double> at_iteration_ends(const std::vector<double>& moments, std::size_t each) {
    std::vector<double> ends;
    for (std::size_t i = each; i < moments.size(); i += each) ends.push_back(moments[i]);
    return ends;
}

void take_courses(LeakWatch& to, const MemoryTrial& trial, std::size_t each) {
    to.own_bytes = at_iteration_ends(trial.own_bytes, each);
    to.worker_bytes.clear();
    if (trial.worker_bytes.size() == trial.own_bytes.size())
        to.worker_bytes = at_iteration_ends(trial.worker_bytes, each);
}

Result<LeakWatch> watch_for_leaks(const TargetUrl& target, const LeakWatchOptions& watch,
                                  TrialOptions options) {
    Plan plan = watch.scenario.plan;
    plan.workload.seed = watch.seed;
    const auto& once = watch.scenario.plan.phases;
    auto phases = unequal_iterations(once, kLeakWarmUp + watch.iterations, watch.seed);
    if (!phases) return std::unexpected(phases.error());
    plan.phases = *std::move(phases);
    constexpr std::uint64_t kEveryAllocation = 0;
    options.distributions = false;
    const auto trial =
        run_memory_trial(target, watch.scenario.system, plan, std::move(options), watch.tracker,
                         {.stack_distance = kEveryAllocation, .keeps_details = false});
    if (!trial) return std::unexpected(trial.error());
    auto found = judge_trial(*trial, once.size());
    found.failure = trial->trial.failure;
    found.interrupted = trial->trial.interrupted;
    take_courses(found, *trial, once.size());
    return found;
}

}  // namespace crucible::lab
