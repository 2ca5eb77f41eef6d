#include "lab/run/control.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <type_traits>

namespace crucible::lab {
namespace {

using nlohmann::json;

template <typename... Visitors>
struct Overloaded : Visitors... {
    using Visitors::operator()...;
};

json phase_json(const Phase& phase) {
    return {{"name", phase.name},
            {"rate", phase.rate ? json(phase.rate->events_per_second()) : json(nullptr)},
            {"arrivals", to_string(phase.arrivals)},
            {"events", phase.events},
            {"duration_ns", phase.duration.count()},
            {"warmup_ns", phase.warmup.count()},
            {"window", phase.window}};
}

/// A value that a checked parser refuses is as corrupt as a missing one.
template <typename T>
T must(Result<T> value) {
    if (!value) throw std::invalid_argument(value.error().message);
    return *std::move(value);
}

Duration duration_at(const json& object, const char* name) {
    return Duration(object.at(name).get<std::int64_t>());
}

Phase phase_from(const json& object) {
    Phase phase;
    phase.name = object.at("name");
    if (const auto& rate = object.at("rate"); !rate.is_null())
        phase.rate = must(base::Rate::per_second(rate.get<double>()));
    phase.arrivals = must(parse_arrivals(object.at("arrivals").get<std::string>()));
    phase.events = object.at("events");
    phase.duration = duration_at(object, "duration_ns");
    phase.warmup = duration_at(object, "warmup_ns");
    phase.window = object.at("window");
    return phase;
}

json plan_json(const Plan& plan) {
    json phases = json::array();
    for (const auto& phase : plan.phases) phases.push_back(phase_json(phase));
    return {{"clients", plan.clients},
            {"seed", plan.workload.seed},
            {"payload_bytes", plan.workload.payload_bytes},
            {"webhook_secret", plan.workload.webhook_secret},
            {"pacing", to_string(plan.pacing)},
            {"drain_limit_ns", plan.drain_limit.count()},
            {"phases", std::move(phases)}};
}

Plan plan_from(const json& object) {
    Plan plan;
    plan.clients = object.at("clients");
    plan.workload.seed = object.at("seed");
    plan.workload.payload_bytes = object.at("payload_bytes");
    plan.workload.webhook_secret = object.at("webhook_secret");
    plan.pacing = must(parse_pacing(object.at("pacing").get<std::string>()));
    plan.drain_limit = duration_at(object, "drain_limit_ns");
    for (const auto& phase : object.at("phases")) plan.phases.push_back(phase_from(phase));
    return plan;
}

json delivery_json(const Delivery& delivery) {
    return {{"planned", delivery.planned},    {"sent", delivery.sent},
            {"handled", delivery.handled},    {"rejected", delivery.rejected},
            {"lost", delivery.lost},          {"duplicated", delivery.duplicated},
            {"reordered", delivery.reordered}};
}

Delivery delivery_from(const json& object) {
    Delivery delivery;
    delivery.planned = object.at("planned");
    delivery.sent = object.at("sent");
    delivery.handled = object.at("handled");
    delivery.rejected = object.at("rejected");
    delivery.lost = object.at("lost");
    delivery.duplicated = object.at("duplicated");
    delivery.reordered = object.at("reordered");
    return delivery;
}

json client_phase_json(const ClientPhase& phase) {
    return {{"client", phase.client},
            {"delivery", delivery_json(phase.delivery)},
            {"latency", phase.latency.encode_exact()},
            {"service_time", phase.service_time.encode_exact()},
            {"lateness", phase.lateness.encode_exact()},
            {"own_lateness", phase.own_lateness.encode_exact()},
            {"completed", phase.completed},
            {"completed_in_window", phase.completed_in_window},
            {"window_start_ns", phase.window_start.count()},
            {"window_ns", phase.window.count()},
            {"payload_bytes", phase.payload_bytes},
            {"longest_stall_ns", phase.longest_stall.count()},
            {"backlog", phase.backlog},
            {"unknown", phase.unknown},
            {"in_flight_time_ns", phase.in_flight_time.count()},
            {"service_time_total_ns", phase.service_time_total.count()},
            {"due_in_window", phase.due_in_window},
            {"target_gone", phase.target_gone ? json(*phase.target_gone) : json(nullptr)}};
}

Histogram histogram_at(const json& object, const char* name) {
    return must(Histogram::decode(object.at(name).get<std::string>()));
}

ClientPhase client_phase_from(const json& object) {
    ClientPhase phase;
    phase.client = object.at("client");
    phase.delivery = delivery_from(object.at("delivery"));
    phase.latency = histogram_at(object, "latency");
    phase.service_time = histogram_at(object, "service_time");
    phase.lateness = histogram_at(object, "lateness");
    phase.own_lateness = histogram_at(object, "own_lateness");
    phase.completed = object.at("completed");
    phase.completed_in_window = object.at("completed_in_window");
    phase.window_start = duration_at(object, "window_start_ns");
    phase.window = duration_at(object, "window_ns");
    phase.payload_bytes = object.at("payload_bytes");
    phase.longest_stall = duration_at(object, "longest_stall_ns");
    phase.backlog = object.at("backlog").get<std::vector<std::uint64_t>>();
    phase.unknown = object.at("unknown");
    phase.in_flight_time = duration_at(object, "in_flight_time_ns");
    phase.service_time_total = duration_at(object, "service_time_total_ns");
    phase.due_in_window = object.at("due_in_window");
    if (const auto& gone = object.at("target_gone"); !gone.is_null())
        phase.target_gone = gone.get<std::string>();
    return phase;
}

Errc code_from(const std::string& name) {
    for (auto code = static_cast<int>(Errc::invalid_argument);
         code <= static_cast<int>(Errc::failed); ++code) {
        if (to_string(static_cast<Errc>(code)) == name) return static_cast<Errc>(code);
    }
    return Errc::failed;
}

Order order_from(const std::string& type, const json& object) {
    if (type == "prepare") {
        return order::Prepare{object.at("client"), object.at("endpoint"),
                              plan_from(object.at("plan"))};
    }
    if (type == "start") {
        return order::Start{object.at("phase"), TimePoint(duration_at(object, "at_ns"))};
    }
    if (type == "stop") return order::Stop{};
    if (type == "report") return order::Report{object.at("phase")};
    if (type == "end") return order::End{};
    throw std::invalid_argument(fmt::format("unknown type '{}'", type));
}

News news_from(const std::string& type, const json& object) {
    if (type == "ready") return news::Ready{};
    if (type == "failed") {
        return news::Failed{Error{code_from(object.at("code")), object.at("message")}};
    }
    if (type == "progress")
        return news::Progress{object.at("phase"), object.at("sent"), object.at("handled")};
    if (type == "drained") return news::Drained{object.at("phase")};
    if (type == "result")
        return news::PhaseReport{object.at("phase"), client_phase_from(object.at("result"))};
    throw std::invalid_argument(fmt::format("unknown type '{}'", type));
}

/// Parses `line`, checks the version where the message has one, and leaves the rest to `from`.
template <typename Message, typename From>
Result<Message> decode(std::string_view line, From from) {
    try {
        const auto object = json::parse(line);
        const std::string type = object.at("type");
        if (const auto version = object.find("version"); version != object.end()) {
            if (version->get<std::uint32_t>() != kControlVersion) {
                return std::unexpected(
                    Error{Errc::unsupported,
                          fmt::format("the peer speaks control protocol {}, this program {}",
                                      version->get<std::uint32_t>(), kControlVersion)});
            }
        }
        return from(type, object);
    } catch (const std::exception& error) {
        return std::unexpected(
            Error{Errc::corrupt, fmt::format("control message: {}", error.what())});
    }
}

}  // namespace

std::string encode(const Order& order) {
    const json object = std::visit(Overloaded{
                                       [](const order::Prepare& prepare) -> json {
                                           return {{"type", "prepare"},
                                                   {"version", kControlVersion},
                                                   {"client", prepare.client},
                                                   {"endpoint", prepare.endpoint},
                                                   {"plan", plan_json(prepare.plan)}};
                                       },
                                       [](const order::Start& start) -> json {
                                           return {{"type", "start"},
                                                   {"phase", start.phase},
                                                   {"at_ns", start.at.time_since_epoch().count()}};
                                       },
                                       [](const order::Stop&) -> json {
                                           return {{"type", "stop"}};
                                       },
                                       [](const order::Report& report) -> json {
                                           return {{"type", "report"}, {"phase", report.phase}};
                                       },
                                       [](const order::End&) -> json {
                                           return {{"type", "end"}};
                                       },
                                   },
                                   order);
    return object.dump();
}

std::string encode(const News& news) {
    const json object = std::visit(Overloaded{
                                       [](const news::Ready&) -> json {
                                           return {{"type", "ready"}, {"version", kControlVersion}};
                                       },
                                       [](const news::Failed& failed) -> json {
                                           return {{"type", "failed"},
                                                   {"code", to_string(failed.error.code)},
                                                   {"message", failed.error.message}};
                                       },
                                       [](const news::Progress& progress) -> json {
                                           return {{"type", "progress"},
                                                   {"phase", progress.phase},
                                                   {"sent", progress.sent},
                                                   {"handled", progress.handled}};
                                       },
                                       [](const news::Drained& drained) -> json {
                                           return {{"type", "drained"}, {"phase", drained.phase}};
                                       },
                                       [](const news::PhaseReport& report) -> json {
                                           return {{"type", "result"},
                                                   {"phase", report.phase},
                                                   {"result", client_phase_json(report.result)}};
                                       },
                                   },
                                   news);
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Order> decode_order(std::string_view line) {
    return decode<Order>(line, order_from);
}

Result<News> decode_news(std::string_view line) {
    return decode<News>(line, news_from);
}

}  // namespace crucible::lab
