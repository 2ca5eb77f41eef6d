// What the daemon keeps in memory: idle, for an idle connection (beside the brokers), for an event
// in the queue of a service that has stalled, and at most when a consumer stands still.
#include <fmt/format.h>
#include <poll.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/units.h"
#include "daemon_performance/daemon_publisher.h"
#include "daemon_performance/mqtt_wire.h"
#include "daemon_performance/nats_wire.h"
#include "daemon_performance/parts.h"
#include "daemon_performance/redis_wire.h"
#include "runtime/daemon/connect.h"
#include "runtime/service/sqlite.h"
#include "support/crucibled_process.h"
#include "support/idle_connections.h"
#include "support/publisher_events.h"
#include "support/resident_growth.h"
#include "support/stopped_consumer.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kConnections = 2'000;
constexpr std::size_t kConnectionsSmoke = 100;
constexpr std::size_t kQueued = 1'000'000;
constexpr std::size_t kQueuedSmoke = 10'000;
constexpr std::size_t kQueuedPayload = 512;
constexpr Duration kQueueLimit = 60s;
constexpr int kQueuePollMs = 10;

/// Without the thread that a BatchedSocket has.
Result<std::shared_ptr<void>> socket_of(const Result<std::shared_ptr<BatchedSocket>>& connected) {
    if (!connected) return std::unexpected(connected.error());
    return std::make_shared<base::UniqueFd>((*connected)->release());
}

Result<std::vector<double>> nats_idle(std::size_t connections) {
    const auto server = nats::start_server(false);
    if (!server) return std::unexpected(server.error());
    return idle_memory(server->process.pid(), connections,
                       [&](std::size_t) { return socket_of(nats::connect(server->port, "")); });
}

Result<std::vector<double>> redis_idle(std::size_t connections) {
    const auto server = redis::start_server();
    if (!server) return std::unexpected(server.error());
    return idle_memory(server->process.pid(), connections, [&](std::size_t) {
        return socket_of(redis::connect(server->port, redis::command({"PING"}), '+'));
    });
}

Result<std::vector<double>> mosquitto_idle(std::size_t connections) {
    const auto server = mqtt::start_server();
    if (!server) return std::unexpected(server.error());
    return idle_memory(server->process.pid(), connections, [&](std::size_t number) {
        return socket_of(mqtt::connect(server->port, fmt::format("idle-{}", number), ""));
    });
}

/// Waits until that many events wait in the daemon.
Result<> await_queued(const std::filesystem::path& socket, std::size_t events) {
    const TimePoint limit = base::monotonic_now() + kQueueLimit;
    std::uint64_t queued = 0;
    while (base::monotonic_now() < limit) {
        const auto answer =
            runtime::ask_daemon({.socket = socket, .connect_limit = 10s}, R"({"about":"queues"})");
        if (!answer) return std::unexpected(answer.error());
        const auto queues = nlohmann::json::parse(*answer, nullptr, false);
        queued = queues.is_object() ? queues.value("events", std::uint64_t{0}) : 0;
        if (queued == events) return {};
        ::poll(nullptr, 0, kQueuePollMs);
    }
    return std::unexpected(
        Error{Errc::timeout, fmt::format("{} of {} events are queued", queued, events)});
}

/// The database's service stalls as it does in the field: another process holds the lock of its
/// file. The daemon goes on to take events for it, up to its limits.
Result<std::vector<double>> queued_memory(std::size_t events) {
    const auto daemon = start_crucibled({.work = "real",
                                         .config = "[clients]\n"
                                                   "bytes = \"8GiB\"\n"
                                                   "[dispatch]\n"
                                                   "queue_events = 2000000\n"
                                                   "service_events = 2000000\n"
                                                   "queue_bytes = \"8GiB\"\n"
                                                   "[breaker]\n"
                                                   "failures_in_a_row = 1000000\n"
                                                   "calls_min = 1000000\n"});
    if (!daemon) return std::unexpected(daemon.error());
    const auto lock =
        runtime::open_sqlite(crucibled_data(*daemon) / "crucible.db", SQLITE_OPEN_READWRITE);
    if (!lock) return std::unexpected(lock.error());
    if (auto held = runtime::execute(lock->get(), "BEGIN IMMEDIATE"); !held)
        return std::unexpected(held.error());
    const auto socket = crucibled_socket(*daemon);
    auto publisher = DaemonPublisher::connect(socket, records(1, kQueuedPayload));
    if (!publisher) return std::unexpected(publisher.error());
    std::size_t published = 0;
    const auto found = resident_growth(daemon->pid(), events, [&](std::size_t count) -> Result<> {
        for (; published < count; ++published) {
            if (!(*publisher)->publish())
                return std::unexpected(Error{Errc::closed, "the daemon is gone"});
        }
        return await_queued(socket, published);
    });
    if (!found) return std::unexpected(found.error());
    return std::vector{found->each, found->each / kQueuedPayload};
}

}  // namespace

void memory_part(const Options& options, Rounds& rounds) {
    const std::size_t connections = options.smoke ? kConnectionsSmoke : kConnections;
    const auto idle = [=](std::string name, Result<std::vector<double>> (*measure)(std::size_t)) {
        return Arm{std::move(name), "resident; idle connections that have shaken hands",
                   [=] { return measure(connections); }};
    };
    rounds.ask({.part = "memory",
                .text = fmt::format("resident, idle, and for each of {} connections", connections),
                .measures = {bytes_measure("memory_idle", "MiB", kPerMiB),
                             bytes_measure("memory_per_connection")},
                .arms = {idle("crucibled", crucibled_idle), idle("nats-server", nats_idle),
                         idle("redis-server", redis_idle), idle("mosquitto", mosquitto_idle)},
                .first_to_other = false});
    const std::size_t queued = options.smoke ? kQueuedSmoke : kQueued;
    rounds.ask({.part = "memory",
                .text = fmt::format("resident, for each of {} queued events of {}", queued,
                                    base::format_bytes(static_cast<double>(kQueuedPayload))),
                .measures = {bytes_measure("memory_per_queued_event"),
                             bytes_measure("memory_per_queued_payload_byte")},
                .arms = {{"crucibled", "a service that stalls: another process holds its database",
                          [=] { return queued_memory(queued); }}}});
    rounds.ask(
        {.part = "memory",
         .text = fmt::format("a consumer stopped for {} s, a publisher without limits",
                             options.seconds),
         .measures = stopped_consumer_measures(),
         .arms = {{"crucibled",
                   "a service in a process of its own, stopped by SIGSTOP; fails where memory "
                   "passes the bound that queue_bytes and dead_letter_bytes set, or the end of an "
                   "event is not accounted for",
                   [&] { return stopped_consumer_trial(options); }}}});
}

}  // namespace crucible::bench
