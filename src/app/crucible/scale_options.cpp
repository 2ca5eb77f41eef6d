#include "app/crucible/scale_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/units.h"

namespace crucible::app {
namespace {

using lab::scale::Axis;

/// A load is decided by several trials; in a second a backlog that grows by 1 % hardly shows.
constexpr const char* kTrialDuration = "2s";
constexpr const char* kTrialWarmup = "300ms";
constexpr std::string_view kDefaultSlo = "latency_p99<10ms,error_rate<0.1%";
/// On a machine with neighbours a trial is now and then invalid; so often in a row it is the load.
constexpr std::uint32_t kInvalidMax = 5;
constexpr Duration kShortestUsualSoak = std::chrono::seconds(10);
constexpr int kUsualSoakTrials = 3;
constexpr std::size_t kPointsMax = 64;
constexpr double kPeakFactorMax = 1'000;

std::unexpected<Error> wrong_option(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

/// The points of a curve where nobody says: enough for a law of three parameters and its check.
std::string_view usual_points(Axis axis) noexcept {
    switch (axis) {
        case Axis::rate:
            return "";
        case Axis::clients:
            return "1,2,3,4,6,8,12,16";
        case Axis::workers:
            return "1,2,3,4,6,8";
        case Axis::services:
            return "1,2,5,10,20,50,100";
        case Axis::payload:
            return "256B,1KiB,4KiB,16KiB,64KiB";
    }
    return "";
}

Result<std::vector<double>> read_points(Axis axis, std::string_view text) {
    std::vector<double> points;
    for (std::string_view rest = text; !rest.empty() || points.empty();) {
        const auto comma = rest.find(',');
        const auto load = lab::scale::parse_load(axis, rest.substr(0, comma));
        if (!load) return wrong_option(fmt::format("--points: {}", load.error().message));
        if (!points.empty() && *load <= points.back()) {
            return wrong_option(fmt::format("--points '{}': {} does not rise after {}", text,
                                            lab::scale::format_load(axis, *load),
                                            lab::scale::format_load(axis, points.back())));
        }
        points.push_back(*load);
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
    }
    if (points.size() < 2) {
        return wrong_option(
            fmt::format("--points '{}': one point is no curve; at least 2, and 4 for the law of "
                        "scalability, e.g. {}",
                        text, axis == Axis::rate ? "500,1000,2000,4000" : usual_points(axis)));
    }
    if (points.size() > kPointsMax)
        return wrong_option(
            fmt::format("--points: {} points; at most {}", points.size(), kPointsMax));
    return points;
}

/// As an example.
std::string_view usual_range(Axis axis) noexcept {
    switch (axis) {
        case Axis::rate:
            return "500..20k";
        case Axis::clients:
            return "1..16";
        case Axis::workers:
            return "1..8";
        case Axis::services:
            return "1..100";
        case Axis::payload:
            return "256B..64KiB";
    }
    return "";
}

/// "500..20000": where a search begins and ends.
Result<> read_range(Axis axis, std::string_view text, lab::scale::SearchOptions& search) {
    const auto dots = text.find("..");
    if (dots == std::string_view::npos) {
        return wrong_option(fmt::format("--range '{}': must be LOWEST..HIGHEST in {}, e.g. {}",
                                        text, lab::scale::unit_of(axis), usual_range(axis)));
    }
    for (const auto& [part, value] : {std::pair{text.substr(0, dots), &search.lowest},
                                      std::pair{text.substr(dots + 2), &search.highest}}) {
        const auto load = lab::scale::parse_load(axis, part);
        if (!load) return wrong_option(fmt::format("--range: {}", load.error().message));
        *value = *load;
    }
    if (search.lowest == search.highest) {
        return wrong_option(
            fmt::format("--range '{}': one point; a breaking point lies between two "
                        "loads, e.g. {}",
                        text, usual_range(axis)));
    }
    if (search.lowest > search.highest)
        return wrong_option(fmt::format("--range '{}': the lowest load comes first", text));
    return {};
}

Result<std::optional<lab::scale::Demand>> read_demand(const ScaleOptions& asked) {
    if (asked.forecast.empty()) {
        for (const auto& [name, value] :
             {std::pair{"--peak-factor", asked.peak_factor},
              std::pair{"--headroom", asked.headroom}, std::pair{"--drain", asked.drain}}) {
            if (!value.empty()) return wrong_option(fmt::format("{}: needs --forecast RATE", name));
        }
        return std::optional<lab::scale::Demand>();
    }
    lab::scale::Demand demand;
    const auto rate = base::parse_rate(asked.forecast);
    if (!rate) return wrong_option(fmt::format("--forecast: {}", rate.error().message));
    demand.rate = rate->events_per_second();
    if (!asked.peak_factor.empty()) {
        const auto factor = base::parse_fraction(asked.peak_factor);
        if (!factor || *factor < 1 || *factor > kPeakFactorMax) {
            return wrong_option(fmt::format("--peak-factor '{}': from 1 to {}, e.g. 3",
                                            asked.peak_factor, kPeakFactorMax));
        }
        demand.peak_factor = *factor;
    }
    if (!asked.headroom.empty()) {
        const auto headroom = base::parse_fraction(asked.headroom);
        if (!headroom || *headroom < 0 || *headroom >= 1) {
            return wrong_option(
                fmt::format("--headroom '{}': from 0% to below 100%, e.g. 30%", asked.headroom));
        }
        demand.headroom = *headroom;
    }
    if (!asked.drain.empty()) {
        const auto at = asked.drain.find('@');
        const auto stall = base::parse_duration(std::string_view(asked.drain).substr(0, at));
        const auto within =
            at == std::string::npos
                ? stall
                : base::parse_duration(std::string_view(asked.drain).substr(at + 1));
        if (at == std::string::npos || !stall || !within || *stall <= Duration::zero() ||
            *within <= Duration::zero()) {
            return wrong_option(fmt::format(
                "--drain '{}': must be STALL@TIME, e.g. 2s@30s: the backlog of a stall of 2 s is "
                "gone 30 s after",
                asked.drain));
        }
        demand.stall = std::chrono::duration<double>(*stall).count();
        demand.drain_within = std::chrono::duration<double>(*within).count();
    }
    if (const auto possible = lab::scale::check(demand); !possible)
        return wrong_option(fmt::format("--forecast: {}", possible.error().message));
    return std::optional(demand);
}

/// The options of the load that the axis itself decides.
Result<> check_load(const LoadOptions& load, Axis axis) {
    if (load.scenarios.size() > 1) return wrong_option("--scenario: a scaling has one scenario");
    const auto named = fmt::format("--{}", to_string(axis));
    const std::pair<std::string_view, const std::string*> changed[] = {
        {"--rate", &load.rate},       {"--clients", &load.clients}, {"--services", &load.services},
        {"--payload", &load.payload}, {"--pattern", &load.pattern}, {"--events", &load.events}};
    for (const auto& [name, value] : changed) {
        if (value->empty()) continue;
        if (name == named)
            return wrong_option(
                fmt::format("{}: the axis changes it; see --points and --range", name));
        if (name == "--pattern" || name == "--events")
            return wrong_option(
                fmt::format("{}: a trial of a scaling has one rate; see --duration", name));
    }
    return {};
}

/// Of rates: where each trial is long enough; of the others as fast as events are acknowledged.
Result<lab::Scenario> resolve_scenario(LoadOptions load, Axis axis, std::uint64_t seed) {
    if (axis == Axis::rate) {
        load.rate = "1000";  // in place of which each trial has its own
    } else if (load.rate.empty()) {
        load.rate = "max";
    }
    if (load.duration.empty()) load.duration = kTrialDuration;
    if (load.warmup.empty()) load.warmup = kTrialWarmup;
    auto scenarios = resolve_scenarios(load, {}, seed);
    if (!scenarios) return std::unexpected(scenarios.error());
    return std::move(scenarios->front());
}

Result<> resolve_targets(const ScaleOptions& asked, lab::scale::ScalingOptions& options) {
    if (asked.targets.size() > lab::scale::kScalingTargetsMax) {
        return wrong_option(fmt::format(
            "{} targets; at most {}: a system, or a baseline and what is compared with it",
            asked.targets.size(), lab::scale::kScalingTargetsMax));
    }
    for (const auto& text : asked.targets) {
        auto target = resolve_target(text, asked.load);
        if (!target) return std::unexpected(target.error());
        if (const auto has = lab::scale::check_axis(*target, options.axis); !has) return has;
        options.targets.push_back(*std::move(target));
    }
    return {};
}

/// A load is decided by as much time as three trials take; the last event is due a little before a
/// trial's end.
void decide_by_trials(lab::scale::ScalingOptions& options) {
    const auto length = options.scenario.plan.phases.front().duration();
    const double seconds = 0.99 * std::chrono::duration<double>(length).count();
    options.search.goal.final_trial_duration = seconds;
    options.search.goal.duration_sum = 3 * seconds;
    options.search.invalid_in_row_max = kInvalidMax;
}

/// The targets' own number of clients, where that is not the axis, and what else does not fit.
Result<> fit_targets(lab::scale::ScalingOptions& options) {
    std::vector<lab::Scenario> scenarios{options.scenario};
    for (const auto& target : options.targets) {
        if (const auto fitting = check_targets({&target}, scenarios); !fitting) return fitting;
    }
    if (options.axis == Axis::clients) return {};
    std::vector<const lab::TargetUrl*> targets;
    for (const auto& target : options.targets) targets.push_back(&target);
    if (const auto applied = apply_client_option(targets, scenarios); !applied) return applied;
    options.scenario = std::move(scenarios.front());
    return {};
}

std::unexpected<Error> nothing_searched(std::string_view option, Axis axis) {
    return wrong_option(fmt::format("{}: on the axis {} a breaking point is searched with --slo",
                                    option, to_string(axis)));
}

Result<> resolve_what(const ScaleOptions& asked, lab::scale::ScalingOptions& options) {
    const bool of_rates = options.axis == Axis::rate;
    if (of_rates || !asked.slo.empty()) {
        auto slo = lab::scale::Slo::parse(asked.slo.empty() ? kDefaultSlo : asked.slo);
        if (!slo) return wrong_option(fmt::format("--{}", slo.error().message));
        options.slo = *std::move(slo);
    }
    const std::string points =
        asked.points.empty() ? std::string(usual_points(options.axis)) : asked.points;
    if (!points.empty()) {
        auto read = read_points(options.axis, points);
        if (!read) return std::unexpected(read.error());
        options.points = *std::move(read);
    }
    options.search.lowest = of_rates ? 500 : options.points.front();
    options.search.highest = of_rates ? 1e6 : options.points.back();
    if (asked.range.empty()) return {};
    if (options.slo.limits.empty()) return nothing_searched("--range", options.axis);
    return read_range(options.axis, asked.range, options.search);
}

/// Long enough to show what a trial is too short for.
Result<> resolve_soak(const ScaleOptions& asked, lab::scale::ScalingOptions& options) {
    const Duration trial = options.scenario.plan.phases.front().duration();
    options.soak = std::max<Duration>(kShortestUsualSoak, kUsualSoakTrials * trial);
    if (asked.soak.empty()) return {};
    if (options.slo.limits.empty()) return nothing_searched("--soak", options.axis);
    if (asked.soak == "none") {
        options.search.soaks = false;
        return {};
    }
    const auto soak = base::parse_duration(asked.soak);
    if (!soak || *soak < std::chrono::seconds(1) || *soak > std::chrono::hours(24)) {
        return wrong_option(
            fmt::format("--soak '{}': 'none', or a duration from 1s to 24h, e.g. 10s", asked.soak));
    }
    if (*soak < trial) {
        return wrong_option(fmt::format(
            "--soak '{}': shorter than a trial ({:g}s); 'none', or at least as long as --duration",
            asked.soak, std::chrono::duration<double>(trial).count()));
    }
    options.soak = *soak;
    return {};
}

}  // namespace

void add_scale_options(CLI::App& command, ScaleOptions& options) {
    // Too many are told of in resolve_targets().
    add_targets(command, options.targets,
                fmt::format("the system, or a baseline and what is compared with it, at most {}",
                            lab::scale::kScalingTargetsMax),
                -1);
    command
        .add_option("--axis", options.axis,
                    "what grows: rate (default), clients, services, payload or workers")
        ->type_name("NAME");
    command
        .add_option("--slo", options.slo,
                    "what has to hold (default for rates: latency_p99<10ms,error_rate<0.1%; on "
                    "other axes nothing is searched without it)")
        ->type_name("LIMITS");
    command
        .add_option("--range", options.range,
                    "loads between which the breaking point is searched (default of rates "
                    "500..1M, else the ends of --points)")
        ->type_name("LOW..HIGH");
    command
        .add_option("--points", options.points,
                    "loads of the curves, rising, e.g. 1,2,4,8,16 or 1KiB,4KiB")
        ->type_name("N,N,...");
    command
        .add_option("--soak", options.soak,
                    "how long 95 % of what is held is held at the end (default 10s, or three "
                    "trials if that is longer), or none")
        ->type_name("TIME|none");
    command
        .add_option("--time-budget", options.time_budget,
                    "no trial is begun that would end later, e.g. 10m")
        ->type_name("TIME");
    command
        .add_option("--forecast", options.forecast,
                    "say how many clients, workers or instances carry so much on average")
        ->type_name("N/s");
    command
        .add_option("--peak-factor", options.peak_factor,
                    "the peak over the average of --forecast (default 1)")
        ->type_name("X");
    command
        .add_option("--headroom", options.headroom,
                    "share of the capacity that stays free at the peak (default 0%)")
        ->type_name("SHARE");
    command
        .add_option("--drain", options.drain,
                    "the backlog of a stall has to be gone in time: STALL@TIME, e.g. 2s@30s")
        ->type_name("T@T");
    add_load_options(command, options.load);
}

Result<lab::scale::ScalingOptions> resolve_scaling(const ScaleOptions& asked) {
    lab::scale::ScalingOptions options;
    const auto axis = lab::scale::parse_axis(asked.axis);
    if (!axis) return wrong_option(fmt::format("--{}", axis.error().message));
    options.axis = *axis;
    if (const auto targets = resolve_targets(asked, options); !targets)
        return std::unexpected(targets.error());
    if (const auto what = resolve_what(asked, options); !what) return std::unexpected(what.error());
    auto demand = read_demand(asked);
    if (!demand) return std::unexpected(demand.error());
    const bool counted = options.axis != Axis::services && options.axis != Axis::payload;
    if (demand->has_value() && !counted) {
        return wrong_option(
            fmt::format("--forecast: says how many clients, workers or instances it takes; the "
                        "axis {} has none of them: rate, clients, workers",
                        to_string(options.axis)));
    }
    options.demand = *demand;
    if (const auto load = check_load(asked.load, options.axis); !load)
        return std::unexpected(load.error());
    const auto seed = resolve_seed(asked.load);
    if (!seed) return std::unexpected(seed.error());
    options.seed = *seed;
    const auto rounds = resolve_rounds(asked.load, options.rounds);
    if (!rounds) return std::unexpected(rounds.error());
    options.rounds = *rounds;
    if (!asked.time_budget.empty()) {
        const auto budget = base::parse_duration(asked.time_budget);
        if (!budget || *budget <= Duration::zero()) {
            return wrong_option(
                fmt::format("--time-budget '{}': a duration above 0, e.g. 10m", asked.time_budget));
        }
        options.time_budget = *budget;
    }
    auto scenario = resolve_scenario(asked.load, options.axis, *seed);
    if (!scenario) return std::unexpected(scenario.error());
    options.scenario = *std::move(scenario);
    decide_by_trials(options);
    if (const auto soak = resolve_soak(asked, options); !soak) return std::unexpected(soak.error());
    if (const auto fitting = fit_targets(options); !fitting)
        return std::unexpected(fitting.error());
    return options;
}

}  // namespace crucible::app
