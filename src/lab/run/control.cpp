#include "lab/run/control.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <type_traits>

#include "lab/run/phase_json.h"

namespace crucible::lab {
namespace {

using nlohmann::json;
using wire::client_phase_from;
using wire::client_phase_json;
using wire::code_from;
using wire::duration_at;
using wire::must;
using wire::phase_from;
using wire::phase_json;

template <typename... Visitors>
struct Overloaded : Visitors... {
    using Visitors::operator()...;
};

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
