#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "app/crucible/command.h"
#include "app/crucible/interrupt.h"
#include "app/crucible/load_options.h"
#include "app/crucible/output.h"
#include "app/crucible/parse_arguments.h"
#include "app/crucible/scale_options.h"
#include "app/crucible/scale_progress.h"
#include "app/crucible/version.h"
#include "base/clock.h"
#include "lab/scale/scaling_json.h"

namespace crucible::app {
namespace {

constexpr const char* kScaleFooter = R"(Examples:
  crucible scale daemon: --axis rate --slo 'latency_p99<10ms,error_rate<0.1%'
  crucible scale coordinator: daemon: --axis clients
  crucible scale coordinator: daemon: router: --axis clients
  crucible scale daemon: --axis clients --slo 'latency_p99<20ms'
  crucible scale daemon: --axis workers --points 1,2,4,8 --payload 8KiB
  crucible scale 'synthetic:?capacity=5000/s' --axis rate --slo 'latency_p99<10ms'
  crucible scale daemon: --axis rate --slo 'latency_p99<20ms' --forecast 20000/s \
      --peak-factor 3 --headroom 30%

An SLO is METRIC<VALUE or METRIC>=VALUE, several joined by commas; any metric of a run. On the axis
of rates the breaking point is searched, then curves are measured up to it and beyond. On the others
it is searched where --slo is given, as fast as events are acknowledged, then each point is measured.

Exit codes: 0 done, 1 the SLO is broken at the lowest load, 2 bad usage, 3 no trial was valid here
and now, or within --time-budget, 5 the target failed (partial result kept), 130 interrupted
(partial result kept).)";

/// No valid trial of a target at all: that and why. Empty where there is one.
std::string nothing_valid(const lab::scale::TargetScaling& target, bool out_of_time,
                          std::string_view time_budget) {
    std::string why;
    for (const auto& point : target.sweep.points) {
        if (point.held + point.broken > 0) return {};
        if (!point.invalid.empty()) why = point.invalid.back();
    }
    if (target.limit) {
        if (target.limit->point.trials > 0) return {};
        if (!target.limit->invalid.empty()) why = target.limit->invalid;
    }
    if (!why.empty()) return "no trial was valid: " + why;
    if (!out_of_time) return {};
    return fmt::format("the time budget of {} ended before a trial was valid", time_budget);
}

int exit_code_of(const lab::scale::ScalingOptions& options, const lab::scale::Scaling& scaling,
                 std::string_view time_budget, std::ostream& err) {
    if (scaling.interrupted) return kInterrupted;
    if (scaling.failure) {
        err << "crucible: " << scaling.failure->message << "; the partial result is kept\n";
        return kTargetFailed;
    }
    for (const auto& target : scaling.targets) {
        if (const auto why = nothing_valid(target, scaling.out_of_time, time_budget);
            !why.empty()) {
            err << "crucible: " << target.target << ": " << why << '\n';
            return kEnvironmentInvalid;
        }
    }
    for (const auto& target : scaling.targets) {
        if (!target.limit || target.limit->point.ending != lab::scale::Ending::below_lowest)
            continue;
        err << fmt::format(
            "crucible: {}: the SLO is broken at the lowest load, {}: {}\n", target.target,
            lab::scale::format_load(options.axis, options.search.lowest), target.limit->detail);
        return kJudgedFailed;
    }
    return kDone;
}

}  // namespace

int scale_command(std::span<const std::string_view> args, std::ostream& out, std::ostream& err) {
    CLI::App command(
        "Finds until when a system, or each of up to six, holds: its breaking point, and how it "
        "scales.",
        "scale");
    ScaleOptions asked;
    add_scale_options(command, asked);
    command.footer(kScaleFooter);
    if (const auto ended = parse_arguments(command, args, out, err)) return *ended;
    auto options = resolve_scaling(asked);
    if (!options) return usage_error(err, options.error().message);
    const auto awake = begin_realtime(asked.load);
    if (!awake) return usage_error(err, awake.error().message);
    const auto directory = prepare_output(asked.load.out, "scale");
    if (!directory) return usage_error(err, directory.error().message);

    auto facts = run_facts("scale", args, options->seed);
    const InterruptGuard interrupt;
    options->stop = interrupt.token();
    const TimePoint started = base::monotonic_now();
    auto scaling = [&] {
        ScaleProgress progress(err, asked.load.quiet, options->axis);
        options->on_progress = [&](const lab::scale::ScalingProgress& at) { progress.show(at); };
        options->on_step = [&](const lab::scale::ScalingStep& step) { progress.add(step); };
        return lab::scale::run_scaling(*options);
    }();
    if (!scaling) return usage_error(err, scaling.error().message);
    facts.duration_seconds = std::chrono::duration<double>(base::monotonic_now() - started).count();
    const auto result = lab::scale::scaling_json(facts, *options, *scaling);
    if (const auto shown = show_result(out, result, *directory, asked.load.json); !shown) {
        err << "crucible: " << shown.error().message << '\n';
        return kBadUsage;
    }
    return exit_code_of(*options, *scaling, asked.time_budget, err);
}

}  // namespace crucible::app
