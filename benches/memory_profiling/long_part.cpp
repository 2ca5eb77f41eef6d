// What both hold over a long time: the same load again and again, a look at every owner whenever
// nothing is in flight, and the rules that tell leaks from caches (docs/design/leaks.md).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>

#include "lab/memory/iterations.h"
#include "lab/memory/leak_json.h"
#include "lab/memory/leak_watch.h"
#include "lab/memory/memory_profile.h"
#include "memory_profiling/memory_reading.h"
#include "memory_profiling/parts.h"
#include "support/lab_trial.h"

namespace crucible::bench {
namespace {

using nlohmann::json;

constexpr double kLongSeconds = 60;
constexpr double kIterationSeconds = 2;
constexpr const char* kLongRate = "500";
constexpr std::array<double, 5> kShownAt{0, 0.25, 0.5, 0.75, 1};

/// What was live at each quiet moment that is judged, all owners together.
struct Course {
    std::vector<double> seconds;  ///< from the start of the load
    std::vector<double> live_bytes;
    lab::LeakJudgement leak;
};

/// One trial of so many iterations after those that warm up.
Result<Course> course_of(const std::string& target, lab::Scenario scenario,
                         std::size_t iterations) {
    const auto url = lab::parse_target(target);
    if (!url) return std::unexpected(url.error());
    const auto tracker = lab::find_tracker();
    if (!tracker) return std::unexpected(tracker.error());
    auto& plan = scenario.plan;
    auto phases = lab::unequal_iterations(std::span(plan.phases).first(1),
                                          lab::kLeakWarmUp + iterations, plan.workload.seed);
    if (!phases) return std::unexpected(phases.error());
    plan.phases = *std::move(phases);
    lab::TrialOptions driven;
    driven.distributions = false;  // of some hundred iterations they would take a GiB
    const auto trial = lab::run_memory_trial(*url, scenario.system, plan, driven, *tracker);
    if (!trial) return std::unexpected(trial.error());
    if (auto ended = check_handled(trial->trial); !ended) return std::unexpected(ended.error());
    if (!trial->missing.empty())
        return std::unexpected(Error{Errc::failed, trial->missing.front()});
    const auto sites = lab::owner_courses(*trial);
    Course course;
    double seconds = 0;
    for (std::size_t i = 0; i < trial->trial.phases.size(); ++i) {
        const auto& phase = trial->trial.phases[i];
        seconds += std::chrono::duration<double>(phase.usage.wall).count();
        if (i < lab::kLeakWarmUp) continue;
        double live = 0;
        for (const auto& site : sites) live += site.live_bytes[i];
        course.seconds.push_back(seconds);
        course.live_bytes.push_back(live);
    }
    course.leak = lab::judge_trial(*trial, 1).judgement;
    return course;
}

std::string per_event(const std::optional<lab::LeakSlope>& slope) {
    if (!slope) return "-";
    return fmt::format("{:+.3f} [{:+.3f}, {:+.3f}]", slope->value, slope->ci_low, slope->ci_high);
}

void show(std::string_view target, const Course& course) {
    fmt::print("  {:13}", target);
    for (const double share : kShownAt) {
        const auto last = static_cast<double>(course.live_bytes.size() - 1);
        const auto at = static_cast<std::size_t>(std::lround(share * last));
        fmt::print(" {:7.3f}", course.live_bytes[at] * kPerMiB);
    }
    fmt::print("  {:27} {}\n", per_event(course.leak.total), to_string(course.leak.verdict));
    for (const auto& site : course.leak.growing) {
        fmt::print("    {:51}  {:27} {}\n", site.site, per_event(site.slope),
                   to_string(site.verdict));
        if (site.verdict != lab::LeakVerdict::bounded_growth) fmt::print("      {}\n", site.reason);
    }
}

}  // namespace

void long_part(const Options& options, Rounds& rounds) {
    const double length = options.seconds_given || options.smoke ? options.seconds : kLongSeconds;
    const auto iterations = std::max<std::size_t>(
        lab::kLeakIterationsMin, static_cast<std::size_t>(length / kIterationSeconds));
    Options each = options;
    each.seconds = options.smoke ? options.seconds
                                 : length / static_cast<double>(lab::kLeakWarmUp + iterations);
    app::LoadOptions load;
    load.rate = kLongRate;
    auto scenario = scenario_named("medium", each, load);
    if (!scenario) return rounds.fail("long", scenario.error());
    // Whatever an iteration would need to warm up, the first ones do.
    scenario->plan.phases.front().warmup = {};
    scenario->plan.workload.seed = lab::round_seed(options.seed, 2, 0);
    fmt::print(
        "\nlong: live MiB when nothing is in flight; {} events/s, {} iterations of {:.2f} s or so "
        "after {}\n  {:13}",
        kLongRate, iterations, each.seconds, lab::kLeakWarmUp, "");
    for (const double share : kShownAt) fmt::print(" {:>7}", fmt::format("{:.0f} %", share * 100));
    fmt::print("  {:27} verdict\n", "bytes per event [95 %]");
    for (const std::string target : {"coordinator:", "daemon:"}) {
        const auto course = course_of(target, *scenario, iterations);
        if (!course) {
            fmt::print("  {:13} {}\n", target, course.error().message);
            rounds.fail("long, " + target, course.error());
            continue;
        }
        show(target, *course);
        std::fflush(stdout);
        rounds.record(kCourses, {{"target", target},
                                 {"seconds", course->seconds},
                                 {"live_bytes", course->live_bytes},
                                 {"leak", lab::leak_json(course->leak)}});
        // With --smoke an iteration is a few events.
        if (course->leak.verdict == lab::LeakVerdict::leak && !options.smoke)
            rounds.fail("long, " + target, {Errc::failed, course->leak.reason});
    }
}

}  // namespace crucible::bench
