#include "lab/scale/axis.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/assert.h"
#include "base/units.h"
#include "lab/target/endpoint.h"

namespace crucible::lab::scale {
namespace {

struct AxisFacts {
    Axis axis;
    std::string_view name;
    std::string_view unit;
};
constexpr std::array<AxisFacts, 5> kAxes{{{Axis::rate, "rate", "events/s"},
                                          {Axis::clients, "clients", "clients"},
                                          {Axis::services, "services", "services"},
                                          {Axis::payload, "payload", "bytes"},
                                          {Axis::workers, "workers", "workers"}}};

/// As --services has it.
constexpr double kServicesMost = 1'000;

const AxisFacts& facts_of(Axis axis) noexcept {
    return kAxes[static_cast<std::size_t>(axis)];
}

/// The URL with one more option.
std::string with_option(const TargetUrl& target, std::string_view key, std::uint64_t value) {
    const bool has_options = !target.options.empty();
    return fmt::format("{}{}{}={}", target.text, has_options ? '&' : '?', key, value);
}

bool takes_option(const TargetUrl& target, std::string_view key) {
    if (target.option(key) != nullptr) return true;
    return parse_target(with_option(target, key, 1)).has_value();
}

double most_on(Axis axis) noexcept {
    switch (axis) {
        case Axis::clients:
            return kClientsMax;
        case Axis::services:
            return kServicesMost;
        case Axis::workers:
            return static_cast<double>(kWorkersMax);
        default:
            return 0;
    }
}

}  // namespace

std::string_view to_string(Axis axis) noexcept {
    return facts_of(axis).name;
}

std::string_view unit_of(Axis axis) noexcept {
    return facts_of(axis).unit;
}

std::string format_load(Axis axis, double load) {
    if (axis == Axis::rate) return base::format_count(load) + "/s";
    if (axis == Axis::payload) return base::format_bytes(load);
    const auto unit = unit_of(axis);
    return fmt::format("{} {}", base::format_count(load),
                       load == 1 ? unit.substr(0, unit.size() - 1) : unit);
}

Result<Axis> parse_axis(std::string_view text) {
    const auto* found = std::ranges::find(kAxes, text, &AxisFacts::name);
    if (found != kAxes.end()) return found->axis;
    std::vector<std::string_view> names;
    for (const auto& each : kAxes) names.push_back(each.name);
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("axis '{}': {}", text, fmt::join(names, ", "))});
}

Result<double> parse_load(Axis axis, std::string_view text) {
    if (axis == Axis::rate) {
        const auto rate = base::parse_rate(text);
        if (!rate) return std::unexpected(rate.error());
        return rate->events_per_second();
    }
    if (axis == Axis::payload) {
        // What a payload may be is known to who makes them.
        const auto sizes = PayloadSizes::parse(text);
        if (!sizes) return std::unexpected(sizes.error());
        const auto bytes = base::parse_bytes(text);
        if (!bytes) return std::unexpected(bytes.error());
        return static_cast<double>(*bytes);
    }
    std::uint64_t count = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data(), end, count);
    if (status == std::errc{} && rest == end && count >= 1 &&
        static_cast<double>(count) <= most_on(axis))
        return static_cast<double>(count);
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("'{}': a whole number of {} from 1 to {}", text,
                                                  unit_of(axis), most_on(axis))});
}

std::vector<Axis> axes_of(const TargetUrl& target) {
    std::vector<Axis> axes{Axis::rate, Axis::clients};
    if (takes_option(target, "services")) axes.push_back(Axis::services);
    axes.push_back(Axis::payload);
    if (takes_option(target, "workers")) axes.push_back(Axis::workers);
    return axes;
}

Result<> check_axis(const TargetUrl& target, Axis axis) {
    const auto axes = axes_of(target);
    if (std::ranges::find(axes, axis) == axes.end()) {
        std::vector<std::string_view> names;
        for (const auto each : axes) names.push_back(to_string(each));
        return std::unexpected(
            Error{Errc::invalid_argument, fmt::format("{}: has no axis {}; it has {}", target.text,
                                                      to_string(axis), fmt::join(names, ", "))});
    }
    if (target.option(to_string(axis)) != nullptr) {
        return std::unexpected(Error{Errc::invalid_argument,
                                     fmt::format("{}: option {}: the axis changes it; leave it out",
                                                 target.text, to_string(axis))});
    }
    return {};
}

AxisTrial at_load(const TargetUrl& target, const Scenario& scenario, Axis axis, double load) {
    AxisTrial trial{.target = target, .system = scenario.system, .plan = scenario.plan};
    const auto count = static_cast<std::uint32_t>(std::llround(load));
    switch (axis) {
        case Axis::rate: {
            const auto rate = base::Rate::per_second(load);
            CRUCIBLE_ASSERT(rate && !scenario.plan.phases.empty());
            const Phase& phase = scenario.plan.phases.front();
            const double asked = std::chrono::duration<double>(phase.duration()).count() * load;
            const double events = std::max(1.0, std::ceil(asked));
            Phase at = steady_phase(*rate, static_cast<std::uint64_t>(events), phase.warmup);
            at.arrivals = phase.arrivals;
            trial.plan.phases = {std::move(at)};
            break;
        }
        case Axis::clients:
            trial.plan.clients = trial.system.clients = count;
            break;
        case Axis::services:
            trial.system.services = count;
            break;
        case Axis::payload:
            trial.plan.workload.payload = *PayloadSizes::parse(fmt::format("{}B", count));
            break;
        case Axis::workers: {
            auto url = parse_target(with_option(target, "workers", count));
            CRUCIBLE_ASSERT(url);  // check_axis() has tried it
            trial.target = *std::move(url);
            break;
        }
    }
    return trial;
}

}  // namespace crucible::lab::scale
