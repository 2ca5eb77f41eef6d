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
            {"pattern", phase.pattern ? json(phase.pattern->text()) : json(nullptr)},
            {"arrivals", to_string(phase.arrivals)},
            {"duration_ns", phase.closed_duration.count()},
            {"warmup_ns", phase.warmup.count()},
            {"think_ns", phase.think.count()},
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
    if (const auto& pattern = object.at("pattern"); !pattern.is_null())
        phase.pattern = must(Pattern::parse(pattern.get<std::string>()));
    phase.arrivals = must(parse_arrivals(object.at("arrivals").get<std::string>()));
    phase.closed_duration = duration_at(object, "duration_ns");
    phase.warmup = duration_at(object, "warmup_ns");
    phase.think = duration_at(object, "think_ns");
    phase.window = object.at("window");
    return phase;
}

json plan_json(const Plan& plan) {
    json phases = json::array();
    for (const auto& phase : plan.phases) phases.push_back(phase_json(phase));
    return {{"clients", plan.clients},
            {"seed", plan.workload.seed},
            {"payload", plan.workload.payload.text()},
            {"mix", plan.workload.mix.text()},
            {"accounts", plan.workload.accounts.text()},
            {"faults", plan.workload.faults.text()},
            {"webhook_secret", plan.workload.webhook_secret},
            {"pacing", to_string(plan.pacing)},
            {"cpus", plan.cpus.text()},
            {"realtime", plan.realtime},
            {"drain_limit_ns", plan.drain_limit.count()},
            {"phases", std::move(phases)}};
}

Plan plan_from(const json& object) {
    Plan plan;
    plan.clients = object.at("clients");
    plan.workload.seed = object.at("seed");
    plan.workload.payload = must(PayloadSizes::parse(object.at("payload").get<std::string>()));
    plan.workload.mix = must(Mix::parse(object.at("mix").get<std::string>()));
    plan.workload.accounts = must(Popularity::parse(object.at("accounts").get<std::string>()));
    if (const std::string faults = object.at("faults"); !faults.empty())
        plan.workload.faults = must(Faults::parse(faults));
    plan.workload.webhook_secret = object.at("webhook_secret");
    plan.pacing = must(parse_pacing(object.at("pacing").get<std::string>()));
    plan.realtime = object.at("realtime");
    if (const std::string cpus = object.at("cpus"); !cpus.empty())
        plan.cpus = must(base::CpuSet::parse(cpus));
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

json segments_json(const std::vector<SegmentPart>& segments) {
    json result = json::array();
    for (const auto& segment : segments)
        result.push_back({segment.sent, segment.latency.encode_exact()});
    return result;
}

std::vector<SegmentPart> segments_from(const json& array) {
    std::vector<SegmentPart> segments;
    for (const auto& part : array) {
        segments.push_back({part.at(0).get<std::uint64_t>(),
                            must(Histogram::decode(part.at(1).get<std::string>()))});
    }
    return segments;
}

json series_json(const std::vector<SeriesPoint>& series) {
    json result = json::array();
    for (const auto& point : series) {
        result.push_back({point.sent, point.handled, point.refused, point.latency_sum.count(),
                          point.latency_max.count(), point.lateness_max.count()});
    }
    return result;
}

std::vector<SeriesPoint> series_from(const json& array) {
    std::vector<SeriesPoint> series;
    for (const auto& point : array) {
        series.push_back({.sent = point.at(0),
                          .handled = point.at(1),
                          .refused = point.at(2),
                          .latency_sum = Duration(point.at(3).get<std::int64_t>()),
                          .latency_max = Duration(point.at(4).get<std::int64_t>()),
                          .lateness_max = Duration(point.at(5).get<std::int64_t>())});
    }
    return series;
}

/// Of each second the pairs index, count that are not zero.
json latency_series_json(const std::vector<CoarseHistogram>& series) {
    json result = json::array();
    for (const auto& second : series) {
        json pairs = json::array();
        for (std::size_t i = 0; i < second.counts().size(); ++i) {
            if (second.counts()[i] == 0) continue;
            pairs.push_back(i);
            pairs.push_back(second.counts()[i]);
        }
        result.push_back(std::move(pairs));
    }
    return result;
}

std::vector<CoarseHistogram> latency_series_from(const json& array) {
    std::vector<CoarseHistogram> series;
    for (const auto& pairs : array) {
        auto& second = series.emplace_back();
        for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
            const std::size_t index = pairs.at(i);
            if (index >= CoarseHistogram::kSize) throw std::invalid_argument("latency step");
            second.add(index, pairs.at(i + 1));
        }
    }
    return series;
}

json faults_json(const FaultCounts& counts) {
    json all = json::array();
    for (const auto& count : counts)
        all.push_back({count.sent, count.as_expected, count.otherwise});
    return all;
}

json client_phase_json(const ClientPhase& phase) {
    return {{"client", phase.client},
            {"delivery", delivery_json(phase.delivery)},
            {"latency", phase.latency.encode_exact()},
            {"service_time", phase.service_time.encode_exact()},
            {"lateness", phase.lateness.encode_exact()},
            {"own_lateness", phase.own_lateness.encode_exact()},
            {"segments", segments_json(phase.segments)},
            {"series_interval_ns", phase.series_interval.count()},
            {"latency_interval_ns", phase.latency_interval.count()},
            {"series", series_json(phase.series)},
            {"latency_series", latency_series_json(phase.latency_series)},
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
            {"faults", faults_json(phase.faults)},
            {"remarks", phase.remarks},
            {"target_gone", phase.target_gone ? json(*phase.target_gone) : json(nullptr)}};
}

FaultCounts faults_from(const json& array) {
    FaultCounts counts;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const auto& one = array.at(i);
        counts[i] = {.sent = one.at(0), .as_expected = one.at(1), .otherwise = one.at(2)};
    }
    return counts;
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
    phase.segments = segments_from(object.at("segments"));
    phase.series_interval = duration_at(object, "series_interval_ns");
    phase.latency_interval = duration_at(object, "latency_interval_ns");
    phase.series = series_from(object.at("series"));
    phase.latency_series = latency_series_from(object.at("latency_series"));
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
    phase.faults = faults_from(object.at("faults"));
    phase.remarks = object.at("remarks");
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
    if (type == "ready") return news::Ready{object.at("processes").get<std::vector<pid_t>>()};
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
                                       [](const news::Ready& ready) -> json {
                                           return {{"type", "ready"},
                                                   {"version", kControlVersion},
                                                   {"processes", ready.processes}};
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
