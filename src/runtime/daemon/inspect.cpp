#include "runtime/daemon/inspect.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "runtime/event/rfc3339.h"
#include "runtime/event/uuid.h"
#include "runtime/route/explain.h"

namespace crucible::runtime {
namespace {

using nlohmann::json;

/// Of one list, at most: an answer has to fit a frame.
constexpr std::size_t kListed = 1000;

/// Dead letters that are taken in again, or discarded, while everybody else waits.
constexpr std::size_t kChangedAtOnce = 256;

json error(std::string message) {
    return {{"error", std::move(message)}};
}

/// Of a text that a client chose.
std::string beginning(const std::string& text) {
    constexpr std::size_t bytes_max = 256;
    return text.size() <= bytes_max ? text : text.substr(0, bytes_max) + "…";
}

struct Question {
    const json& words;
    Exchange& exchange;
    const CoordinatorOptions& options;
    const DaemonReport& daemon;

    /// Empty when it is not there or no text.
    std::string text(const char* name) const {
        const auto found = words.find(name);
        return found != words.end() && found->is_string() ? found->get<std::string>() : "";
    }
    std::optional<std::uint64_t> number(const char* name) const {
        const auto found = words.find(name);
        if (found == words.end() || !found->is_number_unsigned()) return std::nullopt;
        return found->get<std::uint64_t>();
    }
};

json events_of(const CoordinatorStats& stats) {
    return {{"published", stats.published}, {"handled", stats.handled},
            {"rejected", stats.rejected},   {"failed", stats.failed},
            {"expired", stats.expired},     {"queued", stats.queued}};
}

/// How many use what: {"shared memory": 1, "socket": 2}.
json clients_by_medium(const std::vector<ClientReport>& clients) {
    json counts = json::object();
    for (const auto& client : clients) {
        json& count = counts[std::string(client.medium)];
        count = count.is_null() ? 1 : count.get<int>() + 1;
    }
    return counts;
}

json status(const Question& question) {
    const auto report = question.exchange.report();
    const auto& options = question.options;
    const std::chrono::duration<double> age = base::monotonic_now() - question.daemon.started;
    return {{"pid", ::getpid()},
            {"socket", question.daemon.socket},
            {"tcp", question.daemon.tcp},
            {"uptime_seconds", age.count()},
            {"clients", question.daemon.clients.size()},
            {"clients_by_medium", clients_by_medium(question.daemon.clients)},
            {"events", events_of(report.events)},
            {"queue",
             {{"events", report.events.queued},
              {"events_max", options.queue_events_max},
              {"bytes", report.queued_bytes},
              {"bytes_max", options.queue_bytes_max},
              {"overflow", to_string(options.overflow)},
              {"shed", report.shed}}},
            {"retries", {{"made", report.retries}, {"waiting", report.waiting_for_retry}}},
            {"repeats",
             {{"seen", report.seen.seen},
              {"repeated", report.seen.repeated},
              {"remembered", report.seen.held},
              {"forgotten_early", report.seen.left_early}}},
            {"dead_letters",
             {{"held", report.dead_letters.held},
              {"added", report.dead_letters.added},
              {"taken", report.dead_letters.taken},
              {"dropped", report.dead_letters.dropped},
              {"bytes", report.dead_letters.bytes}}},
            {"rules",
             {{"count", question.exchange.rules().table()->size()},
              {"file", options.rules.string()},
              {"version", question.exchange.rules().version()}}}};
}

/// Null for the daemon's own services.
json external_part(const Question& question, std::size_t instance) {
    const auto& all = question.daemon.external;
    const auto found = std::ranges::find(all, instance, &ExternalReport::index);
    if (found == all.end()) return nullptr;
    return {{"connected", found->connected},
            {"pid", found->pid},
            {"credits", found->credits},
            {"open", found->open},
            {"delivered", found->delivered},
            {"redelivered", found->redelivered},
            {"late", found->late}};
}

json services(const Question& question) {
    json list = json::array();
    for (const auto& instance : question.exchange.instances()) {
        list.push_back({{"name", instance.name},
                        {"category", to_string(instance.category)},
                        {"breaker", to_string(instance.breaker)},
                        {"health", to_string(instance.health)},
                        {"queued", instance.events},
                        {"handed_over", instance.handed_over},
                        {"failed", instance.failed},
                        {"external", external_part(question, instance.index)}});
    }
    return {{"services", std::move(list)}};
}

json queues(const Question& question) {
    const auto report = question.exchange.report();
    json services = json::array();
    for (const auto& instance : question.exchange.instances()) {
        if (instance.events == 0) continue;
        services.push_back({{"name", instance.name}, {"queued", instance.events}});
    }
    json clients = json::array();
    for (const auto& client : question.daemon.clients) {
        if (clients.size() == kListed) break;
        clients.push_back({{"session", client.session},
                           {"pid", client.pid},
                           {"peer", client.peer},
                           {"medium", client.medium},
                           {"in_flight", client.in_flight},
                           {"unsent_bytes", client.unsent_bytes},
                           {"credit_bytes", client.credit_bytes},
                           {"blocked", client.blocked}});
    }
    return {{"events", report.events.queued},
            {"events_max", question.options.queue_events_max},
            {"bytes", report.queued_bytes},
            {"bytes_max", question.options.queue_bytes_max},
            {"service_events_max", question.options.service_events_max},
            {"waiting_for_retry", report.waiting_for_retry},
            {"scheduled", report.scheduled},
            {"services", std::move(services)},
            {"clients", std::move(clients)}};
}

std::string action_of(const Rule& rule) {
    struct Words {
        std::string operator()(const Deliver& deliver) const {
            return fmt::format("deliver to {}", fmt::join(deliver.instances, ", "));
        }
        std::string operator()(const ToPool& to) const {
            return fmt::format("to pool {}, {}", to.pool, to_string(to.strategy));
        }
        std::string operator()(const Broadcast& broadcast) const {
            return fmt::format("broadcast to {}", broadcast.instances.text());
        }
        std::string operator()(const Drop& drop) const { return "drop: " + drop.reason; }
    };
    return std::visit(Words{}, rule.action);
}

json rules(const Question& question) {
    const auto table = question.exchange.rules().table();
    json list = json::array();
    for (std::size_t rank = 0; rank < table->size() && rank < kListed; ++rank) {
        const Rule& rule = table->rule(rank);
        list.push_back({{"id", rule.id},
                        {"priority", rule.priority},
                        {"enabled", rule.enabled},
                        {"stop", rule.stop},
                        {"action", action_of(rule)}});
    }
    return {{"count", table->size()},
            {"file", question.options.rules.string()},
            {"rules", std::move(list)}};
}

/// Where an event would go by the rules, and what each made of it.
json test_routing(const Question& question) {
    EventView view;
    const auto category = question.text("category");
    if (const auto known = parse_category(category)) {
        view.category = *known;
    } else if (!category.empty()) {
        return error("no category " + base::in_quotes(category));
    }
    const auto priority = question.text("priority");
    if (const auto known = parse_priority(priority)) {
        view.priority = *known;
    } else if (!priority.empty()) {
        return error("no priority " + base::in_quotes(priority));
    }
    const auto type = question.text("type");
    const auto source = question.text("source");
    view.type = type;
    view.source = source;
    view.payload_bytes = question.number("payload_bytes").value_or(0);
    std::vector<std::string> targets;
    if (const auto given = question.words.find("targets");
        given != question.words.end() && given->is_array()) {
        for (const auto& target : *given)
            if (target.is_string()) targets.push_back(target.get<std::string>());
    }
    view.targets = std::span<const std::string>(targets);

    const auto table = question.exchange.rules().table();
    json list = json::array();
    std::size_t matching = 0;
    for (const auto& rule : explain(*table, view, question.exchange.route_state(), kListed)) {
        const bool matches = rule.refused_by == RulePart::none;
        matching += matches ? 1 : 0;
        list.push_back({{"id", rule.id}, {"matches", matches}, {"why", rule.why}});
    }
    const auto places = question.exchange.places_of(view);
    return {{"matching", matching},
            {"instances", places ? json(*places) : json::array()},
            {"rejected", places ? json() : json(places.error().message)},
            {"left_out", table->size() - list.size()},
            {"rules", std::move(list)}};
}

json dead_letters(const Question& question) {
    json list = json::array();
    std::size_t held = 0;
    question.exchange.read_dead_letters([&](const std::deque<DeadLetter>& letters) {
        held = letters.size();
        for (const auto& letter : letters) {
            if (list.size() == kListed) break;
            list.push_back({{"number", letter.number},
                            {"id", to_string(letter.id)},
                            {"category", to_string(letter.category)},
                            {"type", beginning(letter.type)},
                            {"source", beginning(letter.source)},
                            {"reason", letter.reason},
                            {"attempts", letter.attempts},
                            {"first_failed", to_rfc3339(letter.first_failed)},
                            {"last_failed", to_rfc3339(letter.last_failed)}});
        }
    });
    return {{"held", held}, {"dead_letters", std::move(list)}};
}

/// One letter, or with "all" those that are held now, in parts: the answer says from which number
/// to go on, and where those of now end.
json change_dead_letters(const Question& question, Result<> (Exchange::*change)(std::uint64_t)) {
    std::vector<std::uint64_t> numbers;
    json next;
    json last;
    if (question.words.value("all", json()) == true) {
        const auto from = question.number("from").value_or(0);
        const auto to = question.number("to").value_or(UINT64_MAX);
        question.exchange.read_dead_letters([&](const std::deque<DeadLetter>& letters) {
            for (const auto& letter : letters) {
                if (letter.number < from || letter.number > to) continue;
                last = letter.number;
                if (numbers.size() < kChangedAtOnce) {
                    numbers.push_back(letter.number);
                } else if (next.is_null()) {
                    next = letter.number;
                }
            }
        });
    } else if (const auto number = question.number("number")) {
        numbers.push_back(*number);
    } else {
        return error("which dead letter: a number, or all");
    }
    std::size_t done = 0;
    for (const auto number : numbers) {
        const auto changed = (question.exchange.*change)(number);
        if (!changed && numbers.size() == 1 && !question.number("from"))
            return error(fmt::format(
                "dead letter {}: {}", number,
                changed.error().message.empty() ? "the queue is full" : changed.error().message));
        done += changed ? 1 : 0;
    }
    return {{"changed", done}, {"of", numbers.size()}, {"next", next}, {"last", last}};
}

json answer(const Question& question) {
    const auto about = question.text("about");
    if (about == "status") return status(question);
    if (about == "services") return services(question);
    if (about == "queues") return queues(question);
    if (about == "rules") return rules(question);
    if (about == "test_routing") return test_routing(question);
    if (about == "dead_letters") return dead_letters(question);
    if (about == "replay") return change_dead_letters(question, &Exchange::replay);
    if (about == "discard") return change_dead_letters(question, &Exchange::discard);
    return error(
        "about: status, services, queues, rules, test_routing, dead_letters, replay or discard");
}

}  // namespace

std::string answer_question(std::string_view question, Exchange& exchange,
                            const CoordinatorOptions& options, const DaemonReport& daemon) {
    const auto words = json::parse(question, nullptr, /*allow_exceptions=*/false);
    const json answered = words.is_object() ? answer({words, exchange, options, daemon})
                                            : error("a question is a JSON object");
    // Events come from strangers: what is no UTF-8 is replaced.
    return answered.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace crucible::runtime
