#include "lab/experiment/round_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "lab/run/phase_json.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

json optional_json(const std::optional<double>& value) {
    return value ? json(*value) : json(nullptr);
}

std::optional<double> optional_from(const json& value) {
    return value.is_null() ? std::nullopt : std::optional(value.get<double>());
}

json metric_json(const MetricValue& metric) {
    return {{"name", metric.info->name},
            {"value", optional_json(metric.value)},
            {"absent", metric.absent},
            {"ci_low", optional_json(metric.ci_low)},
            {"ci_high", optional_json(metric.ci_high)},
            {"n", metric.n},
            {"phase", metric.phase}};
}

MetricValue metric_from(const json& object) {
    const std::string name = object.at("name");
    const auto* info = find_metric(name);
    if (info == nullptr) throw std::invalid_argument(fmt::format("metric '{}'", name));
    return {.info = info,
            .value = optional_from(object.at("value")),
            .absent = object.at("absent"),
            .ci_low = optional_from(object.at("ci_low")),
            .ci_high = optional_from(object.at("ci_high")),
            .n = object.at("n"),
            .phase = object.at("phase")};
}

json surroundings_json(const Surroundings& surroundings) {
    return {{"wall_ns", surroundings.wall.count()},
            {"other_cores", optional_json(surroundings.other_cores)},
            {"stolen_cores", optional_json(surroundings.stolen_cores)},
            {"pressure", optional_json(surroundings.pressure)},
            {"frequency_hz", optional_json(surroundings.frequency_hz)},
            {"clock_step_ns", surroundings.clock_step.count()}};
}

Surroundings surroundings_from(const json& object) {
    return {.wall = wire::duration_at(object, "wall_ns"),
            .other_cores = optional_from(object.at("other_cores")),
            .stolen_cores = optional_from(object.at("stolen_cores")),
            .pressure = optional_from(object.at("pressure")),
            .frequency_hz = optional_from(object.at("frequency_hz")),
            .clock_step = wire::duration_at(object, "clock_step_ns")};
}

json arm_json(const ArmResult& arm) {
    json metrics = json::array();
    for (const auto& metric : arm.metrics) metrics.push_back(metric_json(metric));
    json checks = json::array();
    for (const auto& check : arm.checks) {
        checks.push_back(
            {{"name", check.name}, {"passed", check.passed}, {"detail", check.detail}});
    }
    json phases = json::array();
    for (const auto& phase : arm.phases) phases.push_back(wire::phase_result_json(phase));
    json failure = nullptr;
    if (arm.failure) {
        failure = {{"code", to_string(arm.failure->code)}, {"message", arm.failure->message}};
    }
    return {{"target", arm.target},
            {"valid", arm.valid},
            {"metrics", std::move(metrics)},
            {"checks", std::move(checks)},
            {"phases", std::move(phases)},
            {"failure", std::move(failure)},
            {"surroundings", surroundings_json(arm.surroundings)},
            {"elapsed_ns", arm.elapsed.count()}};
}

ArmResult arm_from(const json& object) {
    ArmResult arm;
    arm.target = object.at("target");
    arm.valid = object.at("valid");
    for (const auto& metric : object.at("metrics")) arm.metrics.push_back(metric_from(metric));
    for (const auto& check : object.at("checks")) {
        arm.checks.push_back(
            {.name = check.at("name"), .passed = check.at("passed"), .detail = check.at("detail")});
    }
    for (const auto& phase : object.at("phases")) {
        arm.phases.push_back(wire::phase_result_from(phase));
    }
    arm.surroundings = surroundings_from(object.at("surroundings"));
    arm.elapsed = wire::duration_at(object, "elapsed_ns");
    if (const auto& failure = object.at("failure"); !failure.is_null()) {
        arm.failure = Error{wire::code_from(failure.at("code")), failure.at("message")};
    }
    return arm;
}

}  // namespace

std::string encode(const Round& round) {
    json order = json::array();
    for (const Arm arm : round.order) order.push_back(static_cast<std::size_t>(arm));
    json arms = json::array();
    for (const auto& arm : round.arms) arms.push_back(arm_json(arm));
    const json object = {{"index", round.index},
                         {"order", std::move(order)},
                         {"machine", round.machine},
                         {"arms", std::move(arms)}};
    // A target's remarks may hold bytes that are no UTF-8.
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Round> decode_round(std::string_view line) {
    try {
        const auto object = json::parse(line);
        Round round;
        round.index = object.at("index");
        round.machine = object.at("machine");
        for (const std::size_t arm : object.at("order")) {
            if (arm >= kArmCount) throw std::invalid_argument("an arm that does not exist");
            round.order.push_back(static_cast<Arm>(arm));
        }
        const auto& arms = object.at("arms");
        if (arms.size() != kArmCount) throw std::invalid_argument("not all arms");
        for (std::size_t i = 0; i < kArmCount; ++i) round.arms[i] = arm_from(arms[i]);
        return round;
    } catch (const std::exception& error) {
        return std::unexpected(Error{Errc::corrupt, error.what()});
    }
}

}  // namespace crucible::lab
