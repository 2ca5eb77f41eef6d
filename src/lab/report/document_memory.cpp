#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "lab/report/document_parts.h"

namespace crucible::lab::report {
namespace {

using nlohmann::json;

MemoryMetric read_memory_metric(const json& object) {
    return {.name = text_at(object, "name"),
            .unit = text_at(object, "unit"),
            .estimate = read_estimate(object),
            .n = object.at("n"),
            .absent = optional_text(object, "absent")};
}

OwnerRow read_owner(const json& object) {
    return {.place = text_at(object, "place"),
            .owner = text_at(object, "owner"),
            .live_bytes = read_estimate(object.at("live_bytes")),
            .peak_bytes = read_estimate(object.at("peak_bytes")),
            .allocations_per_event = read_estimate(object.at("allocations_per_event")),
            .bytes_per_event = read_estimate(object.at("bytes_per_event"))};
}

MemoryAtClients read_at_clients(const json& object) {
    return {.clients = object.at("clients"),
            .rounds = object.at("rounds"),
            .metrics = list_of<MemoryMetric>(object.at("metrics"), read_memory_metric)};
}

std::string read_leaking_site(const json& object) {
    const auto slope = read_estimate(object.at("bytes_per_event"));
    return fmt::format("{}: {} ({:.3g} bytes an event): {}", text_at(object, "site"),
                       text_at(object, "verdict"), slope.value.value_or(0),
                       text_at(object, "reason"));
}

std::optional<LeakRow> read_leak(const json& object) {
    if (object.is_null()) return std::nullopt;
    return LeakRow{.verdict = text_at(object, "verdict"),
                   .reason = text_at(object, "reason"),
                   .iterations = object.at("iterations"),
                   .bytes_per_event = optional_estimate(object, "bytes_per_event"),
                   .smallest_visible = optional_number(object, "smallest_visible"),
                   .sites = list_of<std::string>(object.at("sites"), read_leaking_site)};
}

MemoryTarget read_memory_target(const json& object) {
    return {.target = text_at(object, "target"),
            .leak = read_leak(object.at("leak")),
            .metrics = list_of<MemoryMetric>(object.at("metrics"), read_memory_metric),
            .owners = list_of<OwnerRow>(object.at("owners"), read_owner),
            .by_clients = list_of<MemoryAtClients>(object.at("by_clients"), read_at_clients),
            .per_client = list_of<MemoryMetric>(object.at("per_client"), read_memory_metric),
            .missing = texts(object.at("missing"))};
}

}  // namespace

MemoryDocument read_memory(const json& object) {
    const auto& scenario = object.at("scenario");
    MemoryDocument document{
        .header = read_header(object),
        .scenario = text_at(scenario, "name"),
        .description = text_at(scenario, "description"),
        .load = read_load(scenario.at("load")),
        .clients = object.at("clients"),
        .checks = list_of<Check>(object.at("checks"), read_check),
        .targets = list_of<MemoryTarget>(object.at("targets"), read_memory_target),
        .compared = {},
        .method = {}};
    if (const auto& comparison = object.at("comparison"); !comparison.is_null()) {
        document.compared = list_of<ComparedMetric>(comparison.at("metrics"), read_compared_metric);
        document.method = read_method(comparison.at("method"));
    }
    return document;
}

}  // namespace crucible::lab::report
