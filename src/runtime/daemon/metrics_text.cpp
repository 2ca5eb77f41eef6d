#include "runtime/daemon/metrics_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace crucible::runtime {
namespace {

/// A label's value may hold anything but these.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\' || c == '"') out += '\\';
        if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
    return out;
}

/// Writes families one after the other: the samples of a family stand together.
class OpenMetrics {
public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = fmt::format("crucible_{}", name);
        suffix_ = type == "counter" ? "_total" : "";
        text_ += fmt::format("# TYPE {} {}\n# HELP {} {}\n", name_, type, name_, help);
    }
    void sample(std::uint64_t value, std::string_view labels = {}) {
        text_ += labels.empty() ? fmt::format("{}{} {}\n", name_, suffix_, value)
                                : fmt::format("{}{}{{{}}} {}\n", name_, suffix_, labels, value);
    }
    std::string finish() && {
        text_ += "# EOF\n";
        return std::move(text_);
    }

private:
    std::string text_;
    std::string name_;
    std::string_view suffix_;
};

std::string service_label(const InstanceReport& instance) {
    return fmt::format("service=\"{}\"", escaped(instance.name));
}

void write_services(OpenMetrics& metrics, const std::vector<InstanceReport>& instances) {
    metrics.family("service_attempts", "counter", "Attempts of a service that have ended.");
    for (const auto& instance : instances)
        metrics.sample(instance.handed_over, service_label(instance));
    metrics.family("service_failures", "counter", "Attempts of a service that have failed.");
    for (const auto& instance : instances) metrics.sample(instance.failed, service_label(instance));
    metrics.family("service_queued", "gauge", "Events given to a service and not ended.");
    for (const auto& instance : instances) metrics.sample(instance.events, service_label(instance));
    metrics.family("service_breaker", "stateset", "State of a service's circuit breaker.");
    using State = CircuitBreaker::State;
    for (const auto& instance : instances) {
        for (const State state : {State::closed, State::open, State::half_open}) {
            metrics.sample(instance.breaker == state ? 1 : 0,
                           fmt::format("{},crucible_service_breaker=\"{}\"",
                                       service_label(instance), to_string(state)));
        }
    }
}

void write_external(OpenMetrics& metrics, const std::vector<InstanceReport>& instances,
                    const std::vector<ExternalReport>& external) {
    if (external.empty()) return;
    struct Named {
        std::string label;
        const ExternalReport& report;
    };
    std::vector<Named> services;
    for (const auto& report : external) {
        // One that came or went between the two reports is in the next ones.
        const auto instance = std::ranges::find(instances, report.index, &InstanceReport::index);
        if (instance != instances.end()) services.push_back({service_label(*instance), report});
    }
    const auto family = [&](std::string_view name, std::string_view type, std::string_view help,
                            auto value) {
        metrics.family(name, type, help);
        for (const auto& [label, report] : services) metrics.sample(value(report), label);
    };
    using Report = ExternalReport;
    family("external_connected", "gauge", "Whether an external service is connected.",
           [](const Report& report) { return std::uint64_t{report.connected}; });
    family("external_credits", "gauge", "Deliveries that it takes at once.",
           [](const Report& report) { return std::uint64_t{report.credits}; });
    family("external_open", "gauge", "Deliveries that it has not settled.",
           [](const Report& report) { return report.open; });
    family("external_deliveries", "counter", "Events delivered to it.",
           [](const Report& report) { return report.delivered; });
    family("external_redeliveries", "counter", "Of those, events that were given out before.",
           [](const Report& report) { return report.redelivered; });
    family("external_late", "counter", "Deliveries not settled in time.",
           [](const Report& report) { return report.late; });
}

}  // namespace

std::string open_metrics_text(const ExchangeReport& report,
                              const std::vector<InstanceReport>& instances,
                              const CoordinatorOptions& options, const ClientCounts& clients,
                              const std::vector<ExternalReport>& external) {
    OpenMetrics metrics;
    const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t value) {
        metrics.family(name, "counter", help);
        metrics.sample(value);
    };
    const auto gauge = [&](std::string_view name, std::string_view help, std::uint64_t value) {
        metrics.family(name, "gauge", help);
        metrics.sample(value);
    };
    const auto& events = report.events;
    counter("events_published", "Events accepted.", events.published);
    metrics.family("events_ended", "counter", "Events that have ended, by their outcome.");
    for (const auto& [outcome, count] :
         {std::pair{"handled", events.handled}, std::pair{"rejected", events.rejected},
          std::pair{"failed", events.failed}, std::pair{"expired", events.expired}}) {
        metrics.sample(count, fmt::format("outcome=\"{}\"", outcome));
    }
    gauge("queue_events", "Events accepted and not ended.", events.queued);
    gauge("queue_events_max", "Limit of queue_events.", options.queue_events_max);
    gauge("queue_bytes", "The same events, in bytes.", report.queued_bytes);
    gauge("queue_bytes_max", "Limit of queue_bytes.", options.queue_bytes_max);
    counter("events_shed", "Waiting events rejected to make room for others.", report.shed);
    counter("retries", "Attempts after an event's first.", report.retries);
    gauge("retries_waiting", "Events that wait for their next attempt.", report.waiting_for_retry);
    gauge("scheduled_events", "Events whose time has not come.", report.scheduled);
    counter("events_repeated", "Events whose id was published before.", report.seen.repeated);
    counter("repeats_forgotten_early", "Ids that left the window before their time.",
            report.seen.left_early);
    gauge("dead_letters", "Events kept that failed for good.", report.dead_letters.held);
    counter("dead_letters_dropped", "Dead letters dropped to make room.",
            report.dead_letters.dropped);
    gauge("clients", "Clients connected.", clients.connected.load());
    counter("clients_rate_limited", "Times that a client was not read from because of its rate.",
            clients.rate_limited.load());
    metrics.family("clients_closed", "counter", "Clients that the daemon sent away, by why.");
    for (std::size_t i = 0; i < kClosedForNames.size(); ++i)
        metrics.sample(clients.closed[i].load(), fmt::format("reason=\"{}\"", kClosedForNames[i]));
    write_services(metrics, instances);
    write_external(metrics, instances, external);
    return std::move(metrics).finish();
}

}  // namespace crucible::runtime
