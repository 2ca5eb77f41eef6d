// Components and the system: what their events report.
#include <algorithm>
#include <array>

#include "lab/workload/composer.h"

namespace crucible::lab {
namespace {

enum class ComponentAct : std::uint8_t { status, health, configuration };
struct ComponentStep {
    ComponentAct act;
    std::string_view status;
    std::uint64_t change;  ///< for a configuration: which of the cycle's two
};
// One life of a component, from its start to its stop. The next cycle starts another one; after
// eight cycles this one starts again.
constexpr std::array<ComponentStep, 10> kComponentSteps = {{
    {ComponentAct::status, "starting", 0},
    {ComponentAct::health, "starting", 0},
    {ComponentAct::status, "healthy", 0},
    {ComponentAct::health, "healthy", 0},
    {ComponentAct::configuration, "", 0},
    {ComponentAct::health, "degraded", 0},
    {ComponentAct::health, "healthy", 0},
    {ComponentAct::configuration, "", 1},
    {ComponentAct::health, "unhealthy", 0},
    {ComponentAct::status, "stopped", 0},
}};
constexpr std::array<std::string_view, 8> kComponents = {
    "payments", "inventory", "search", "mailer", "gateway", "scheduler", "reports", "sessions"};

constexpr std::array<std::string_view, 24> kMetrics = {
    "cpu.utilization",    "cpu.steal",        "memory.resident",  "memory.available",
    "disk.read_bytes",    "disk.write_bytes", "disk.queue_depth", "network.received_bytes",
    "network.sent_bytes", "network.errors",   "requests.rate",    "requests.errors",
    "requests.p50_ms",    "requests.p99_ms",  "queue.depth",      "queue.age_ms",
    "workers.busy",       "workers.idle",     "cache.hits",       "cache.misses",
    "database.commits",   "database.wait_ms", "threads.count",    "files.open"};

// Log rotation asked for by events, beside the service's own limit.
constexpr std::uint64_t kLogBytes = 1u << 20;

}  // namespace

void Composer::compose_component(const Place& place, Event& event) {
    const std::uint64_t cycle = place.turn / kComponentSteps.size();
    const ComponentStep& step = kComponentSteps[place.turn % kComponentSteps.size()];
    std::string& out = event.payload;
    out += '{';
    text_field(out, "component", kComponents[cycle % kComponents.size()]);
    if (step.act == ComponentAct::configuration) {
        event.type = "configuration.changed";
        event.priority = Priority::high;
        number_field(out, "version", cycle / kComponents.size() * 2 + step.change + 1);
        time_field(out, "changed", place);
        out += ",\"settings\":{";
        number_field(out, "timeout_ms", 100 * (1 + random_.below(100)));
        number_field(out, "retries", random_.below(6));
        number_field(out, "batch", 1 + random_.below(256));
        decimal_field(out, "threshold", random_.below(1000), 3);
        out += '}';
        return padding_field(out, "comment", "}");
    }
    // One priority for both: a state is reached from the one before it.
    event.type = step.act == ComponentAct::status ? "status.changed" : "health.checked";
    event.priority = Priority::critical;
    text_field(out, "status", step.status);
    time_field(out, "at", place);
    decimal_field(out, "latency_ms", 50 + random_.below(20'000), 3);
    out += ",\"checks\":{";
    text_field(out, "database", random_.below(20) == 0 ? "slow" : "ok");
    text_field(out, "disk", random_.below(20) == 0 ? "slow" : "ok");
    number_field(out, "connections", random_.below(500));
    out += '}';
    padding_field(out, "detail", "}");
}

void Composer::compose_metrics(const Place& place, std::string& out) {
    key_.assign("node-").append(std::to_string(place.client));
    text_field(out, "host", key_);
    time_field(out, "reported", place);
    out += ",\"metrics\":[";
    // A report of the size asked is mostly figures, as real ones are; the rest is text.
    const std::uint64_t count = std::clamp<std::uint64_t>(payload_bytes_ / 80, 2, kMetrics.size());
    const std::uint64_t first = random_.below(kMetrics.size());
    for (std::uint64_t i = 0; i < count; ++i) {
        out += i == 0 ? "{" : ",{";
        text_field(out, "name", kMetrics[(first + i) % kMetrics.size()]);
        decimal_field(out, "value", random_.below(100'000'000), 3);
        out += '}';
    }
    out += ']';
}

void Composer::compose_system(const Place& place, Event& event) {
    std::string& out = event.payload;
    out += '{';
    const auto draw = random_.below(10);
    if (draw < 6) {
        event.type = "metrics.reported";
        event.priority = Priority::high;
        compose_metrics(place, out);
        return padding_field(out, "note", "}");
    }
    if (draw < 8) {
        event.type = "log.rotated";
        event.priority = Priority::high;
        number_field(out, "bytes_max", kLogBytes);
        number_field(out, "keep", 4);
    } else {
        event.type = "maintenance.requested";
        event.priority = Priority::critical;
        text_field(out, "task", random_.below(2) == 0 ? "checkpoint" : "prune_logs");
        number_field(out, "window_minutes", 5 + random_.below(55));
    }
    text_field(out, "requested_by", noun());
    time_field(out, "requested", place);
    padding_field(out, "reason", "}");
}

}  // namespace crucible::lab
