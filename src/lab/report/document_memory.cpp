#include <nlohmann/json.hpp>

#include "base/text.h"
#include "lab/report/document_parts.h"

namespace crucible::lab::report {
namespace {

using nlohmann::json;

/// `name`: the member that says what it is.
OwnerRow read_part(const json& object, const char* name) {
    return {.place = optional_text(object, "place"),
            .owner = text_at(object, name),
            .live_bytes = read_estimate(object.at("live_bytes")),
            .peak_bytes = read_estimate(object.at("peak_bytes")),
            .allocations_per_event = read_estimate(object.at("allocations_per_event")),
            .bytes_per_event = read_estimate(object.at("bytes_per_event")),
            .peak_per_event = read_estimate(object.at("peak_bytes_per_event"))};
}
OwnerRow read_owner(const json& object) {
    return read_part(object, "owner");
}
OwnerRow read_stage(const json& object) {
    return read_part(object, "stage");
}
OwnerRow read_category(const json& object) {
    return read_part(object, "category");
}

SizeRow read_size(const json& object) {
    return {.usable_to = optional_number(object, "usable_bytes_to"),
            .allocations_per_event = read_estimate(object.at("allocations_per_event")),
            .usable_per_event = read_estimate(object.at("usable_bytes_per_event")),
            .live_blocks = read_estimate(object.at("live_blocks"))};
}

ThreadRow read_thread(const json& object) {
    return {.place = text_at(object, "place"),
            .thread = text_at(object, "thread"),
            .threads = read_estimate(object.at("threads")),
            .allocations_per_event = read_estimate(object.at("allocations_per_event")),
            .bytes_per_event = read_estimate(object.at("bytes_per_event")),
            .freed_per_event = read_estimate(object.at("freed_bytes_per_event"))};
}

ComparedPart read_compared_part(const json& object) {
    return {.division = text_at(object, "division"),
            .part = text_at(object, "part"),
            .metrics = list_of<ComparedMetric>(object.at("metrics"), read_compared_metric)};
}

MemoryAtClients read_at_clients(const json& object) {
    return {.clients = object.at("clients"),
            .rounds = object.at("rounds"),
            .metrics = list_of<MemoryMetric>(object.at("metrics"), read_memory_metric)};
}

LeakingSite read_leaking_site(const json& object) {
    return {.site = text_at(object, "site"),
            .verdict = text_at(object, "verdict"),
            .reason = text_at(object, "reason"),
            .bytes_per_event = read_estimate(object.at("bytes_per_event"))};
}

std::optional<double> held_by(const json& leak, const char* whose, const char* member) {
    const auto& held = leak.at(whose);
    return held.is_null() ? std::nullopt : optional_number(held, member);
}

std::optional<LeakRow> read_leak(const json& object) {
    if (object.is_null()) return std::nullopt;
    return LeakRow{.verdict = text_at(object, "verdict"),
                   .reason = text_at(object, "reason"),
                   .iterations = object.at("iterations"),
                   .bytes_per_event = optional_estimate(object, "bytes_per_event"),
                   .smallest_visible = optional_number(object, "smallest_visible"),
                   .sites = list_of<LeakingSite>(object.at("sites"), read_leaking_site),
                   .why_not_call_sites = text_at(object, "why_not_call_sites"),
                   .duration = object.at("duration"),
                   .own_first = held_by(object, "own_memory", "first"),
                   .own_last = held_by(object, "own_memory", "last"),
                   .workers_first = held_by(object, "worker_memory", "first"),
                   .workers_last = held_by(object, "worker_memory", "last")};
}

AllocationSite read_site(const json& object) {
    return {.owner = text_at(object, "owner"),
            .site = text_at(object, "site"),
            .samples = object.at("samples"),
            .live_samples = object.at("live_samples"),
            .ranked_by = texts(object.at("ranked_by")),
            .allocations_per_event = object.at("allocations_per_event"),
            .bytes_per_event = read_estimate(object.at("bytes_per_event")),
            .live_bytes = read_estimate(object.at("live_bytes"))};
}

std::optional<FewSamples> read_few(const json& object) {
    if (object.is_null()) return std::nullopt;
    return FewSamples{.sites = object.at("sites"),
                      .samples = object.at("samples"),
                      .live_samples = object.at("live_samples"),
                      .allocations_per_event = object.at("allocations_per_event"),
                      .bytes_per_event = object.at("bytes_per_event"),
                      .live_bytes = object.at("live_bytes")};
}

std::optional<AllocationSites> read_sites(const json& object) {
    if (object.is_null()) return std::nullopt;
    AllocationSites sites{.in_all = object.at("sites_in_all"),
                          .mean_bytes = object.at("mean_bytes_between_samples"),
                          .exact = object.at("exact"),
                          .ranked_from = object.at("ranked_from_samples"),
                          .sites = list_of<AllocationSite>(object.at("sites"), read_site),
                          .few = read_few(object.at("few_samples")),
                          .files = {},
                          .remarks = texts(object.at("remarks"))};
    for (const auto& [what, file] : object.at("files").items())
        sites.files[what] = base::printable(file.get<std::string>());
    return sites;
}

LifetimeRow read_lifetime(const json& object) {
    return {.owner = text_at(object, "owner"),
            .blocks = object.at("blocks"),
            .p50 = optional_number(object, "p50"),
            .p90 = optional_number(object, "p90"),
            .p99 = optional_number(object, "p99"),
            .short_lived_share = object.at("short_lived_share")};
}

/// Figures that are not there have been left out, or say why.
std::optional<double> figure_at(const json& figures, const char* name, const char* member) {
    const auto figure = figures.find(name);
    return figure == figures.end() ? std::nullopt : optional_number(*figure, member);
}

ProcessRow read_process(const json& object) {
    const auto& figures = object.at("figures");
    ProcessRow row{.role = text_at(object, "role"), .command = text_at(object, "command")};
    row.cpu = figure_at(figures, "cpu", "rate_mean");
    row.memory_peak = figure_at(figures, "memory_pss", "peak");
    row.memory_mean = figure_at(figures, "memory_pss", "mean");
    row.threads = figure_at(figures, "threads", "peak");
    row.descriptors = figure_at(figures, "descriptors", "peak");
    row.faults_minor = figure_at(figures, "faults_minor", "total");
    row.faults_major = figure_at(figures, "faults_major", "total");
    const auto voluntary = figure_at(figures, "switches_voluntary", "total");
    const auto involuntary = figure_at(figures, "switches_involuntary", "total");
    if (voluntary && involuntary) row.switches = *voluntary + *involuntary;
    row.run_queue_delay = figure_at(figures, "run_queue_delay", "rate_mean");
    return row;
}

std::optional<Resources> read_resources(const json& object) {
    if (object.is_null()) return std::nullopt;
    const auto& sampler = object.at("sampler");
    return Resources{.wall = object.at("wall"),
                     .processes = list_of<ProcessRow>(object.at("processes"), read_process),
                     .sampler_cpu = sampler.at("cpu"),
                     .samples = sampler.at("samples")};
}

std::vector<std::string> read_failures(const json& target) {
    auto failures = texts(target.at("failed_trials"));
    if (const auto& failure = target.at("failure"); !failure.is_null())
        failures.insert(failures.begin(), text_at(failure, "message"));
    return failures;
}

MemoryTarget read_memory_target(const json& object) {
    return {.target = text_at(object, "target"),
            .leak = read_leak(object.at("leak")),
            .delivery = read_delivery(object.at("delivery")),
            .metrics = list_of<MemoryMetric>(object.at("metrics"), read_memory_metric),
            .owners = list_of<OwnerRow>(object.at("owners"), read_owner),
            .stages = list_of<OwnerRow>(object.at("stages"), read_stage),
            .sizes = list_of<SizeRow>(object.at("sizes"), read_size),
            .threads = list_of<ThreadRow>(object.at("threads"), read_thread),
            .categories = list_of<OwnerRow>(object.at("categories"), read_category),
            .by_clients = list_of<MemoryAtClients>(object.at("by_clients"), read_at_clients),
            .per_client = list_of<MemoryMetric>(object.at("per_client"), read_memory_metric),
            .missing = texts(object.at("missing")),
            .failures = read_failures(object),
            .stacks = read_sites(object.at("stacks")),
            .lifetimes = list_of<LifetimeRow>(object.at("lifetimes"), read_lifetime),
            .resources = read_resources(object.at("resources"))};
}

}  // namespace

MemoryMetric read_memory_metric(const json& object) {
    return {.name = text_at(object, "name"),
            .unit = text_at(object, "unit"),
            .estimate = read_estimate(object),
            .n = object.at("n"),
            .absent = optional_text(object, "absent")};
}

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
        .parts = {},
        .method = {}};
    if (const auto& comparison = object.at("comparison"); !comparison.is_null()) {
        document.compared = list_of<ComparedMetric>(comparison.at("metrics"), read_compared_metric);
        document.parts = list_of<ComparedPart>(comparison.at("parts"), read_compared_part);
        document.method = read_method(comparison.at("method"));
    }
    return document;
}

}  // namespace crucible::lab::report
