// The parts that are scalings: what `crucible scale` does, with the bench's lengths.
#include <fmt/format.h>

#include <array>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/crucible/scale_options.h"
#include "app/crucible/scale_progress.h"
#include "crucible_version.h"
#include "lab/report/report.h"
#include "lab/scale/scaling_json.h"
#include "runtime/event/rfc3339.h"
#include "scalability_testing/parts.h"

namespace crucible::bench {
namespace {

/// Capacities of synthetic systems, events/s.
constexpr std::array kCapacities{2'000.0, 3'500.0, 5'000.0, 7'000.0, 9'000.0};
constexpr const char* kSlo = "latency_p99<10ms,error_rate<0.1%";
/// What needs no thousand events: to show that it works.
constexpr const char* kSmokeSlo = "latency_p50<100ms,error_rate<0.1%";
constexpr std::size_t kColumns = 80;

app::ScaleOptions both(const char* axis) {
    app::ScaleOptions asked;
    asked.targets = {"coordinator:", "daemon:"};
    asked.axis = axis;
    return asked;
}

/// Runs what is asked for with the bench's lengths, prints it and keeps it. nullopt: it failed.
std::optional<lab::scale::Scaling> scale_as(const Options& options, Rounds& rounds,
                                            const char* part, app::ScaleOptions asked) {
    asked.load.duration = fmt::format("{:.0f}ms", options.seconds * 1'000);
    asked.load.warmup = fmt::format("{:.0f}ms", options.seconds * 300);
    asked.load.rounds = fmt::format("{}", options.rounds);
    asked.load.seed = fmt::format("{}", options.seed);
    auto resolved = app::resolve_scaling(asked);
    if (!resolved) {
        rounds.fail(part, resolved.error());
        return std::nullopt;
    }
    app::ScaleProgress progress(std::cerr, options.smoke, resolved->axis);
    resolved->on_progress = [&](const lab::scale::ScalingProgress& at) { progress.show(at); };
    resolved->on_step = [&](const lab::scale::ScalingStep& step) { progress.add(step); };
    auto scaling = lab::scale::run_scaling(*resolved);
    if (!scaling || scaling->failure) {
        rounds.fail(part, scaling ? *scaling->failure : scaling.error());
        return std::nullopt;
    }
    const lab::RunFacts facts{.version = kCrucibleVersion,
                              .commit = kCrucibleCommit,
                              .command = {"bench_scalability_testing", "--part", part},
                              .started = runtime::to_rfc3339(base::wall_now()),
                              .seed = options.seed};
    auto result = lab::scale::scaling_json(facts, *resolved, *scaling);
    if (const auto text = lab::report::render_terminal(result, kColumns, false))
        fmt::print("== {}\n{}\n", part, *text);
    rounds.record(kScalings, {{"part", part}, {"scaling", std::move(result)}});
    return *std::move(scaling);
}

/// With --smoke a few loads show that it works.
void curve_part(const Options& options, Rounds& rounds, const char* part, const char* smoke) {
    auto asked = both(part);
    if (options.smoke) asked.points = smoke;
    scale_as(options, rounds, part, std::move(asked));
}

}  // namespace

void known_part(const Options& options, Rounds& rounds) {
    std::size_t held = 0;
    std::size_t measured = 0;
    for (const double capacity : kCapacities) {
        app::ScaleOptions asked;
        asked.targets = {fmt::format("synthetic:?capacity={:.0f}/s", capacity)};
        asked.slo = options.smoke ? kSmokeSlo : kSlo;
        if (options.smoke) {
            asked.range = fmt::format("{:.0f}..{:.0f}", capacity / 4, 4 * capacity);
            asked.soak = "none";
        }
        const auto scaling = scale_as(options, rounds, "known", std::move(asked));
        if (!scaling) return;
        const auto& point = scaling->targets.front().limit->point;
        ++measured;
        const bool inside = point.estimate && point.estimate->interval.low <= capacity &&
                            capacity <= point.estimate->interval.high;
        held += inside ? 1 : 0;
        if (options.smoke) break;
        if (!inside) {
            rounds.fail(
                asked.targets.empty() ? "known" : asked.targets.front(),
                {Errc::failed,
                 fmt::format("the interval leaves the capacity of {:.0f}/s out", capacity)});
        }
    }
    fmt::print("known: the interval holds the capacity in {} of {}\n", held, measured);
}

void rate_part(const Options& options, Rounds& rounds) {
    auto asked = both("rate");
    asked.slo = options.smoke ? kSmokeSlo : kSlo;
    if (options.smoke) {
        asked.range = "500..1000";
        asked.soak = "none";
    }
    scale_as(options, rounds, "rate", std::move(asked));
}

void clients_part(const Options& options, Rounds& rounds) {
    curve_part(options, rounds, "clients", "1,2");
}
void workers_part(const Options& options, Rounds& rounds) {
    curve_part(options, rounds, "workers", "1,2");
}
void services_part(const Options& options, Rounds& rounds) {
    curve_part(options, rounds, "services", "1,10");
}
void payload_part(const Options& options, Rounds& rounds) {
    curve_part(options, rounds, "payload", "1KiB,4KiB");
}

}  // namespace crucible::bench
