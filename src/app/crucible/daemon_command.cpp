#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "app/crucible/command.h"
#include "app/crucible/parse_arguments.h"
#include "base/nearest.h"
#include "base/units.h"
#include "runtime/daemon/config.h"
#include "runtime/daemon/connect.h"

namespace crucible::app {
namespace {

using nlohmann::json;

constexpr const char* kFooter = R"(Examples:
  crucible daemon status
  crucible daemon services --socket /run/app/events.sock
  crucible daemon rules --type record.created --source client-2 --category database
  crucible daemon dead-letters --replay all
  crucible daemon status --address events.example:7420 --ca ca.pem --certificate me.pem --key me.key

Exit codes: 0 done, 2 bad usage, 5 no daemon there or it cannot do that.)";

constexpr Duration kLimit = std::chrono::seconds(10);

struct Options {
    std::string socket;
    DaemonClientOptions daemon;
    bool json = false;
    // rules: the event whose way is asked for
    std::string type;
    std::string source;
    std::string category;
    std::string priority;
    std::vector<std::string> targets;
    std::uint64_t payload_bytes = 0;
    // dead-letters: a number or "all"
    std::string replay;
    std::string discard;
};

std::string bytes_of(const json& value) {
    return base::format_bytes(value.get<double>());
}

std::string share_of(const json& part, const json& whole) {
    return fmt::format("{:.0f} %", 100.0 * part.get<double>() / whole.get<double>());
}

/// Texts come from clients: nothing in them may move the cursor.
std::string shown(const json& text) {
    std::string line = text.is_string() ? text.get<std::string>() : text.dump();
    for (char& c : line)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
    return line;
}

void print_status(std::ostream& out, const json& answer) {
    const auto& events = answer.at("events");
    const auto& queue = answer.at("queue");
    const auto& repeats = answer.at("repeats");
    const auto& dead = answer.at("dead_letters");
    const auto& rules = answer.at("rules");
    const auto line = [&out](std::string_view name, const std::string& text) {
        out << fmt::format("{:<13} {}\n", name, text);
    };
    line("Daemon", fmt::format("pid {}, up {}, on {}", answer.at("pid").get<std::int64_t>(),
                               base::format_duration(answer.at("uptime_seconds").get<double>()),
                               shown(answer.at("socket"))));
    if (const auto tcp = shown(answer.at("tcp")); !tcp.empty()) line("TCP", tcp);
    std::string clients = answer.at("clients").dump();
    for (const auto& [medium, count] : answer.at("clients_by_medium").items())
        clients += fmt::format(", {} through {}", count.dump(), medium);
    line("Clients", clients);
    line("Events", fmt::format("{} published: {} handled, {} rejected, {} failed, {} expired",
                               events.at("published").dump(), events.at("handled").dump(),
                               events.at("rejected").dump(), events.at("failed").dump(),
                               events.at("expired").dump()));
    line("Queue", fmt::format("{} of {} events ({}), {} of {}; when full: {}, {} shed",
                              queue.at("events").dump(), queue.at("events_max").dump(),
                              share_of(queue.at("events"), queue.at("events_max")),
                              bytes_of(queue.at("bytes")), bytes_of(queue.at("bytes_max")),
                              shown(queue.at("overflow")), queue.at("shed").dump()));
    line("Retries",
         fmt::format("{} made, {} events waiting", answer.at("retries").at("made").dump(),
                     answer.at("retries").at("waiting").dump()));
    line("Repeats", fmt::format("{} of {} events; {} remembered", repeats.at("repeated").dump(),
                                repeats.at("seen").dump(), repeats.at("remembered").dump()));
    line("Dead letters",
         fmt::format("{} held ({}), {} dropped to make room", dead.at("held").dump(),
                     bytes_of(dead.at("bytes")), dead.at("dropped").dump()));
    const auto file = shown(rules.at("file"));
    line("Rules", fmt::format("{}{}", rules.at("count").dump(),
                              file.empty() ? std::string() : " of " + file));
}

void print_external(std::ostream& out, const json& services) {
    bool begun = false;
    for (const auto& service : services) {
        const auto& external = service.at("external");
        if (external.is_null()) continue;
        if (!std::exchange(begun, true)) {
            out << fmt::format("\n{:<24} {:>9} {:>14} {:>12} {:>12} {:>6}\n", "external", "pid",
                               "open", "delivered", "redelivered", "late");
        }
        const bool connected = external.at("connected") == true;
        out << fmt::format(
            "{:<24} {:>9} {:>14} {:>12} {:>12} {:>6}\n", shown(service.at("name")),
            connected ? external.at("pid").dump() : "away",
            fmt::format("{} of {}", external.at("open").dump(), external.at("credits").dump()),
            external.at("delivered").dump(), external.at("redelivered").dump(),
            external.at("late").dump());
    }
}

void print_services(std::ostream& out, const json& answer) {
    out << fmt::format("{:<17} {:<10} {:<9} {:<9} {:>8} {:>11} {:>9}\n", "service", "category",
                       "health", "breaker", "queued", "handed over", "failed");
    for (const auto& service : answer.at("services")) {
        out << fmt::format("{:<17} {:<10} {:<9} {:<9} {:>8} {:>11} {:>9}\n",
                           shown(service.at("name")), shown(service.at("category")),
                           shown(service.at("health")), shown(service.at("breaker")),
                           service.at("queued").dump(), service.at("handed_over").dump(),
                           service.at("failed").dump());
    }
    print_external(out, answer.at("services"));
}

void print_queues(std::ostream& out, const json& answer) {
    out << fmt::format("{} of {} events, {} of {}; {} wait for a retry, {} for their time\n",
                       answer.at("events").dump(), answer.at("events_max").dump(),
                       bytes_of(answer.at("bytes")), bytes_of(answer.at("bytes_max")),
                       answer.at("waiting_for_retry").dump(), answer.at("scheduled").dump());
    if (!answer.at("services").empty()) {
        out << fmt::format("\n{:<24} {:>8} of {}\n", "service", "queued",
                           answer.at("service_events_max").dump());
        for (const auto& service : answer.at("services")) {
            out << fmt::format("{:<24} {:>8}\n", shown(service.at("name")),
                               service.at("queued").dump());
        }
    }
    if (answer.at("clients").empty()) return;
    out << fmt::format("\n{:<24} {:>9} {:>10} {:>10}  {}\n", "client", "in flight", "unread",
                       "credit", "through");
    for (const auto& client : answer.at("clients")) {
        out << fmt::format(
            "{:<24} {:>9} {:>10} {:>10}  {}{}\n",
            fmt::format("session {} ({})", client.at("session").dump(), shown(client.at("peer"))),
            client.at("in_flight").dump(), bytes_of(client.at("unsent_bytes")),
            bytes_of(client.at("credit_bytes")), shown(client.at("medium")),
            client.at("blocked") == true ? ", waits" : "");
    }
}

void print_rules(std::ostream& out, const json& answer) {
    out << fmt::format("{:<24} {:>8}  {:<8} {}\n", "rule", "priority", "", "does");
    for (const auto& rule : answer.at("rules")) {
        const bool enabled = rule.at("enabled") == true;
        const bool stops = rule.at("stop") == true;
        out << fmt::format(
            "{:<24} {:>8}  {:<8} {}\n", shown(rule.at("id")), rule.at("priority").dump(),
            !enabled ? "disabled" : (stops ? "stops" : "goes on"), shown(rule.at("action")));
    }
    const auto listed = answer.at("rules").size();
    const auto count = answer.at("count").get<std::size_t>();
    if (count > listed) out << fmt::format("… and {} more\n", count - listed);
    if (count == 0) out << "no rules: events go to the service they name, or to their category's\n";
}

void print_routing(std::ostream& out, const json& answer) {
    if (answer.at("rejected").is_string()) {
        out << fmt::format("The event would be rejected: {}\n", shown(answer.at("rejected")));
    } else {
        std::vector<std::string> names;
        for (const auto& name : answer.at("instances")) names.push_back(shown(name));
        out << fmt::format("The event would go to {}{}.\n", fmt::join(names, ", "),
                           answer.at("matching") == 0 ? ", as no rule matches" : "");
    }
    for (const auto& rule : answer.at("rules")) {
        out << fmt::format("  {:<8} {:<24} {}\n", rule.at("matches") == true ? "matches" : "",
                           shown(rule.at("id")), shown(rule.at("why")));
    }
    if (const auto left_out = answer.at("left_out").get<std::size_t>(); left_out > 0)
        out << fmt::format("  … and {} more, which do not match\n", left_out);
}

void print_dead_letters(std::ostream& out, const json& answer) {
    const auto& letters = answer.at("dead_letters");
    for (const auto& letter : letters) {
        out << fmt::format("{:>6}  {}  {} from {}\n        {} attempts until {}: {}\n",
                           letter.at("number").dump(), shown(letter.at("id")),
                           shown(letter.at("type")), shown(letter.at("source")),
                           letter.at("attempts").dump(), shown(letter.at("last_failed")),
                           shown(letter.at("reason")));
    }
    const auto held = answer.at("held").get<std::size_t>();
    if (held > letters.size()) out << fmt::format("… and {} more\n", held - letters.size());
    if (held == 0) out << "no dead letters\n";
}

/// "all" or the number of a letter. False for anything else.
bool choose_letters(const std::string& which, json& question) {
    if (which == "all") {
        question["all"] = true;
        return true;
    }
    const auto number = json::parse(which, nullptr, /*allow_exceptions=*/false);
    question["number"] = number;
    return number.is_number_unsigned();
}

using Print = void (*)(std::ostream&, const json&);

/// - the errors of ask_daemon(); with the place, what the daemon has to say against it.
Result<json> answer_of(const DaemonClientOptions& daemon, const json& question) {
    const auto text = runtime::ask_daemon(daemon, question.dump());
    if (!text) return std::unexpected(text.error());
    auto answer = json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (answer.is_object() && !answer.contains("error")) return answer;
    return std::unexpected(Error{
        Errc::failed,
        fmt::format("{}: {}", runtime::place_of(daemon),
                    answer.is_object() ? shown(answer.at("error")) : "the answer is not JSON")});
}

/// The daemon changes many letters in parts, so that it serves others in between: asks until it is
/// through with those that it held at first, and adds up.
Result<json> answer_in_parts(const DaemonClientOptions& daemon, json question) {
    auto whole = answer_of(daemon, question);
    if (!whole) return whole;
    question["to"] = whole->at("last");
    for (json next = whole->at("next"); !next.is_null();) {
        question["from"] = next;
        const auto part = answer_of(daemon, question);
        if (!part) return part;
        for (const char* sum : {"changed", "of"})
            (*whole)[sum] =
                whole->at(sum).get<std::uint64_t>() + part->at(sum).get<std::uint64_t>();
        next = part->at("next");
    }
    whole->erase("next");
    whole->erase("last");
    return whole;
}

int ask(const Options& options, const json& question, Print print, std::ostream& out,
        std::ostream& err) {
    DaemonClientOptions daemon = options.daemon;
    daemon.connect_limit = kLimit;
    daemon.socket = options.socket;
    if (options.socket.empty() && daemon.address.empty()) daemon.socket = runtime::default_socket();
    try {
        const auto answer = question.contains("all") ? answer_in_parts(daemon, question)
                                                     : answer_of(daemon, question);
        if (!answer) {
            err << "crucible: " << answer.error().message << '\n';
            return kTargetFailed;
        }
        if (options.json) {
            out << answer->dump(2) << '\n';
        } else {
            print(out, *answer);
        }
    } catch (const json::exception& error) {
        err << "crucible: " << runtime::place_of(daemon)
            << ": another version's answer: " << error.what() << '\n';
        return kTargetFailed;
    }
    return kDone;
}

/// What all subjects take, and how each looks in --help.
void add_common(CLI::App& command, Options& options) {
    auto* socket =
        command
            .add_option("--socket", options.socket, "the daemon's socket (default: its default)")
            ->type_name("PATH");
    auto& daemon = options.daemon;
    command.add_option("--address", daemon.address, "instead, where it listens over TCP")
        ->type_name("HOST:PORT")
        ->excludes(socket);
    command.add_option("--ca", daemon.tls.ca, "for --address: what vouches for the daemon, PEM")
        ->type_name("FILE");
    command.add_option("--certificate", daemon.tls.certificate, "to show the daemon, PEM")
        ->type_name("FILE");
    command.add_option("--key", daemon.tls.key, "of the certificate, PEM")->type_name("FILE");
    command
        .add_option("--server-name", daemon.tls.server_name,
                    "in the daemon's certificate (default: the host)")
        ->type_name("NAME");
    command.add_flag("--plain-tcp", daemon.plain_tcp, "no TLS, on a loopback address");
    command.add_flag("--json", options.json, "the answer as JSON");
    command.footer(kFooter);
}

using Words = std::span<const std::string_view>;

/// A subject without options of its own.
int ask_plainly(const char* summary, const char* name, const char* about, Print print, Words args,
                std::ostream& out, std::ostream& err) {
    CLI::App command(summary, name);
    Options options;
    add_common(command, options);
    if (const auto ended = parse_arguments(command, args, out, err)) return *ended;
    return ask(options, {{"about", about}}, print, out, err);
}

int ask_for_rules(const char* summary, Words args, std::ostream& out, std::ostream& err) {
    CLI::App command(summary, "rules");
    Options options;
    add_common(command, options);
    command.add_option("--type", options.type, "of the event, e.g. record.created");
    command.add_option("--source", options.source, "of the event, e.g. client-2");
    command.add_option("--category", options.category, "of the event, e.g. database");
    command.add_option("--priority", options.priority, "of the event: critical, high, normal, low");
    command.add_option("--target", options.targets, "a service it names; may be repeated");
    auto* payload = command.add_option("--payload-bytes", options.payload_bytes, "of its payload");
    if (const auto ended = parse_arguments(command, args, out, err)) return *ended;
    const bool tests = !options.type.empty() || !options.source.empty() ||
                       !options.category.empty() || !options.priority.empty() ||
                       !options.targets.empty() || payload->count() > 0;
    if (!tests) return ask(options, {{"about", "rules"}}, print_rules, out, err);
    return ask(options,
               {{"about", "test_routing"},
                {"type", options.type},
                {"source", options.source},
                {"category", options.category},
                {"priority", options.priority},
                {"targets", options.targets},
                {"payload_bytes", options.payload_bytes}},
               print_routing, out, err);
}

int ask_for_dead_letters(const char* summary, Words args, std::ostream& out, std::ostream& err) {
    CLI::App command(summary, "dead-letters");
    Options options;
    add_common(command, options);
    auto* replay = command.add_option("--replay", options.replay, "take one in again, or all")
                       ->type_name("NUMBER|all");
    auto* discard = command.add_option("--discard", options.discard, "throw one away, or all")
                        ->type_name("NUMBER|all")
                        ->excludes(replay);
    if (const auto ended = parse_arguments(command, args, out, err)) return *ended;
    const bool replays = replay->count() > 0;
    if (!replays && discard->count() == 0)
        return ask(options, {{"about", "dead_letters"}}, print_dead_letters, out, err);
    json question{{"about", replays ? "replay" : "discard"}};
    const std::string& which = replays ? options.replay : options.discard;
    if (!choose_letters(which, question)) {
        return usage_error(err, fmt::format("{}: '{}' is no number of a dead letter, nor all",
                                            replays ? "--replay" : "--discard", which));
    }
    const Print print_replayed = [](std::ostream& to, const json& answer) {
        to << fmt::format("{} of {} taken in again\n", answer.at("changed").dump(),
                          answer.at("of").dump());
    };
    const Print print_discarded = [](std::ostream& to, const json& answer) {
        to << fmt::format("{} of {} discarded\n", answer.at("changed").dump(),
                          answer.at("of").dump());
    };
    return ask(options, question, replays ? print_replayed : print_discarded, out, err);
}

struct Subject {
    std::string_view name;
    const char* summary;
    int (*ask)(const char* summary, Words args, std::ostream& out, std::ostream& err);
};

constexpr std::array<Subject, 5> kSubjects{{
    {"status", "Events, queue, retries, repeats, dead letters and rules.",
     [](const char* summary, Words args, std::ostream& out, std::ostream& err) {
         return ask_plainly(summary, "status", "status", print_status, args, out, err);
     }},
    {"services", "Each service instance: its circuit breaker and its counts.",
     [](const char* summary, Words args, std::ostream& out, std::ostream& err) {
         return ask_plainly(summary, "services", "services", print_services, args, out, err);
     }},
    {"queues", "What waits, for which service and of which client.",
     [](const char* summary, Words args, std::ostream& out, std::ostream& err) {
         return ask_plainly(summary, "queues", "queues", print_queues, args, out, err);
     }},
    {"rules", "The rules in force; with an event's parts, where it would go and why.",
     ask_for_rules},
    {"dead-letters", "Events that failed for good; to look at, replay or discard.",
     ask_for_dead_letters},
}};

}  // namespace

int daemon_command(Words args, std::ostream& out, std::ostream& err) {
    std::vector<std::string_view> names;
    for (const auto& subject : kSubjects) names.push_back(subject.name);
    if (args.empty())
        return usage_error(err, fmt::format("daemon: about what? {}", fmt::join(names, ", ")));
    const auto name = args.front();
    if (name == "--help" || name == "-h") {
        out << "Looks inside a running crucibled.\n\nUsage: crucible daemon <subject> [options]\n\n"
               "Subjects:\n";
        for (const auto& subject : kSubjects)
            out << fmt::format("  {:<13} {}\n", subject.name, subject.summary);
        out << '\n' << kFooter << '\n';
        return kDone;
    }
    for (const auto& subject : kSubjects)
        if (subject.name == name) return subject.ask(subject.summary, args.subspan(1), out, err);
    const auto near = base::nearest(name, names);
    return usage_error(
        err, near.empty()
                 ? fmt::format("daemon: unknown '{}'; known: {}", name, fmt::join(names, ", "))
                 : fmt::format("daemon: unknown '{}'; did you mean '{}'?", name, near));
}

}  // namespace crucible::app
