#include "lab/report/document_parts.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace crucible::lab::report {
namespace {

// A result may come from elsewhere: an escape sequence in it must not reach a terminal.
using base::printable;
using nlohmann::json;

template <typename T>
std::optional<T> optional_value(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return std::nullopt;
    return found->get<T>();
}

Environment read_environment(const json& object) {
    return {.cpu = text_at(object, "cpu"),
            .cores = object.at("cores"),
            .memory_bytes = object.at("memory_bytes"),
            .kernel = text_at(object, "kernel"),
            .os = text_at(object, "os"),
            .governor = optional_text(object, "governor"),
            .load_average = object.at("load_average").get<std::vector<double>>(),
            .idle_latency_limit = optional_number(object, "idle_latency_limit"),
            .wakeup_p50 = object.at("wakeup_p50"),
            .wakeup_p99 = object.at("wakeup_p99")};
}

template <typename Value>
std::optional<Value> value_or_null(const json& value) {
    if (value.is_null()) return std::nullopt;
    return value.get<Value>();
}

Phase read_phase(const json& object) {
    Phase phase{.name = text_at(object, "name"),
                .rate = std::nullopt,
                .pattern = {},
                .arrivals = {},
                .events = 0,
                .duration = object.at("duration"),
                .warmup = object.at("warmup"),
                .window = 0};
    if (object.at("loop") == "open") {
        phase.arrivals = text_at(object, "arrivals");
        phase.rate = value_or_null<double>(object.at("rate"));
        if (phase.rate) {
            phase.pattern = text_at(object, "pattern");
            phase.events = object.at("events");
        }
    } else {
        phase.window = object.at("window");
        phase.think = object.at("think");
    }
    return phase;
}

}  // namespace

std::string text_at(const json& object, const char* key) {
    return printable(object.at(key).get<std::string>());
}

std::string optional_text(const json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? std::string()
                                                     : printable(found->get<std::string>());
}

std::vector<std::string> texts(const json& array) {
    return list_of<std::string>(array, [](const json& item) { return printable(item); });
}

std::optional<double> optional_number(const json& object, const char* key) {
    return optional_value<double>(object, key);
}
std::optional<std::uint64_t> optional_count(const json& object, const char* key) {
    return optional_value<std::uint64_t>(object, key);
}

void for_each_item(const json& array, const std::function<void(const json&)>& visit) {
    if (!array.is_array()) throw json::type_error::create(302, "must be an array", &array);
    for (const auto& item : array) visit(item);
}

Header read_header(const json& object) {
    const auto& failure = object.at("failure");
    const auto& environment = object.at("environment");
    return {.version = text_at(object.at("crucible"), "version"),
            .commit = text_at(object.at("crucible"), "commit"),
            .environment = environment.is_null() ? std::optional<Environment>()
                                                 : read_environment(environment),
            .command = texts(object.at("command")),
            .seed = object.at("seed"),
            .started = text_at(object, "started"),
            .duration_seconds = optional_number(object, "duration_seconds"),
            .interrupted = object.at("interrupted"),
            .failure = failure.is_null() ? std::string() : text_at(failure, "message")};
}

Load read_load(const json& object) {
    return {.clients = value_or_null<std::uint64_t>(object.at("clients")),
            .services = value_or_null<std::uint64_t>(object.at("services")),
            .payload_bytes = value_or_null<double>(object.at("payload_bytes")),
            .payload = object.at("payload").is_null() ? "" : text_at(object, "payload"),
            .mix = text_at(object, "mix"),
            .accounts = text_at(object, "accounts"),
            .faults = text_at(object, "faults"),
            .client_cpus = text_at(object, "client_cpus"),
            .system_cpus = text_at(object, "system_cpus"),
            .events_per_pass = object.at("events_per_pass"),
            .realtime = object.at("realtime"),
            .pacing = text_at(object, "pacing"),
            .phases = list_of<Phase>(object.at("phases"), read_phase)};
}

Check read_check(const json& object) {
    return {.name = text_at(object, "name"),
            .passed = object.at("passed"),
            .detail = text_at(object, "detail")};
}

Delivery read_delivery(const json& object) {
    return {.planned = object.at("planned"),
            .sent = object.at("sent"),
            .handled = object.at("handled"),
            .rejected = object.at("rejected"),
            .lost = object.at("lost"),
            .duplicated = object.at("duplicated"),
            .reordered = object.at("reordered")};
}

Estimate read_estimate(const json& object) {
    return {.value = optional_number(object, "value"),
            .low = optional_number(object, "ci_low"),
            .high = optional_number(object, "ci_high")};
}

std::optional<Estimate> optional_estimate(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return std::nullopt;
    auto estimate = read_estimate(*found);
    if (!estimate.value) return std::nullopt;
    return estimate;
}

ComparedMetric read_compared_metric(const json& object) {
    return {.name = text_at(object, "name"),
            .unit = text_at(object, "unit"),
            .higher_is_better = object.at("better") == "higher",
            .gated = object.at("gated"),
            .phase = optional_text(object, "phase"),
            .baseline = optional_estimate(object, "baseline"),
            .candidate = optional_estimate(object, "candidate"),
            .ratio = optional_estimate(object, "ratio"),
            .difference = optional_estimate(object, "difference"),
            .control = optional_estimate(object, "control"),
            .verdict = text_at(object, "verdict"),
            .rounds_needed = optional_count(object, "rounds_needed"),
            .reason = text_at(object, "reason")};
}

Method read_method(const json& object) {
    return {.margin = object.at("margin"),
            .confidence = object.at("confidence"),
            .interval = text_at(object, "interval"),
            .decision = text_at(object, "decision")};
}

}  // namespace crucible::lab::report
