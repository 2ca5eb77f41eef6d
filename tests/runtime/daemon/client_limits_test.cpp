// What the server lets clients have: how many, for how long, with how much in flight.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "acknowledgements.h"
#include "ask_http.h"
#include "base/clock.h"
#include "raw_client.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/server.h"
#include "runtime/daemon/tcp_socket.h"
#include "server_fixture.h"

namespace crucible::runtime {
namespace {

using testing::kGenerousLimit;
using testing::make_event;
using testing::RawClient;

class ClientLimitsTest : public testing::ServerTest {
protected:
    /// One more connection of a client that has as many as it may have is told so.
    static void expect_one_too_many(RawClient client, std::string_view who, std::size_t limit) {
        ASSERT_TRUE(client.send(hello()));
        const auto refusal = client.receive();
        ASSERT_TRUE(refusal);
        EXPECT_EQ(refusal->header.kind, protocol::Kind::refuse);
        EXPECT_EQ(refusal->header.token, static_cast<std::uint64_t>(Errc::overloaded));
        EXPECT_EQ(refusal->text(), fmt::format("{} has {} connections, the limit for one client "
                                               "([clients] max_per_client)",
                                               who, limit));
        EXPECT_TRUE(client.ended());
    }
    static std::string own_pid() { return fmt::format("pid {}", ::getpid()); }
    static protocol::Buffer hello(std::uint32_t flags = 0) {
        protocol::Buffer hello;
        protocol::append_greeting(hello, protocol::Kind::hello, {.flags = flags});
        return hello;
    }
    /// Over plain TCP, from an address of this host.
    RawClient connect_from(const char* address) {
        base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in from{};
        from.sin_family = AF_INET;
        EXPECT_EQ(::inet_pton(AF_INET, address, &from.sin_addr), 1);
        EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from), 0);
        const auto& to = *server_->tcp_address();
        EXPECT_EQ(::connect(socket.get(), to.get(), to.size()), 0);
        return RawClient(std::move(socket));
    }
    /// Whether a process of its own is welcome.
    bool another_process_greets() {
        const auto address = unix_address(socket_);
        const auto greeting = hello();
        const pid_t child = ::fork();
        if (child == 0) {  // only what may be called beside the server's threads
            const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            protocol::FrameHeader answer{};
            const bool answered =
                ::connect(socket, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) ==
                    0 &&
                ::send(socket, greeting.data(), greeting.size(), MSG_NOSIGNAL) > 0 &&
                ::recv(socket, &answer, sizeof answer, MSG_WAITALL) == sizeof answer;
            ::_exit(answered && answer.kind == protocol::Kind::welcome ? 0 : 1);
        }
        int status = -1;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    bool wait_for_clients(std::size_t count) const {
        const TimePoint until = base::monotonic_now() + kGenerousLimit;
        while (base::monotonic_now() < until) {
            if (server_->clients().connected == count) return true;
            std::this_thread::yield();
        }
        return false;
    }
};

// Beyond its limit the daemon turns clients away with the reason, and has room again when one goes.
TEST_F(ClientLimitsTest, LimitsItsClients) {
    start({}, {.clients_max = 2});
    auto first = std::make_unique<RawClient>(socket_);
    ASSERT_TRUE(first->greet());
    RawClient second(socket_);
    ASSERT_TRUE(second.greet());
    RawClient third(socket_);
    const auto refusal = third.receive();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->header.kind, protocol::Kind::refuse);
    EXPECT_EQ(refusal->text(), "the daemon has 2 clients, its limit");
    EXPECT_TRUE(third.ended());

    first.reset();
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    bool greeted = false;
    while (!greeted && base::monotonic_now() < until) greeted = RawClient(socket_).greet();
    EXPECT_TRUE(greeted);
}

// A process that connects without end leaves places to others. Its connections go on, and when one
// ends it may have another.
TEST_F(ClientLimitsTest, LimitsTheConnectionsOfOneProcess) {
    start({}, {.per_client_max = 2}, {}, "127.0.0.1:0");
    auto first = std::make_unique<RawClient>(socket_);
    ASSERT_TRUE(first->greet());
    const auto second = connect();
    expect_one_too_many(RawClient(socket_), own_pid(), 2);
    expect_one_too_many(RawClient(socket_), own_pid(), 2);
    EXPECT_TRUE(another_process_greets());
    EXPECT_TRUE(second->request(make_event("a"), kGenerousLimit));
    const auto metrics =
        testing::ask_http(server_->metrics_port(), "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_NE(metrics.find("\ncrucible_clients_closed_total{reason=\"refused\"} 2\n"),
              std::string::npos)
        << metrics;

    first.reset();
    ASSERT_TRUE(wait_for_clients(1));
    RawClient third(socket_);
    EXPECT_TRUE(third.greet());
    expect_one_too_many(RawClient(socket_), own_pid(), 2);
}

// TCP without TLS knows nothing better than the address; each connection has a port of its own.
TEST_F(ClientLimitsTest, LimitsTheConnectionsOfOneAddress) {
    start({}, {.per_client_max = 2}, {.tcp = "127.0.0.1:0", .plain_tcp_on_loopback = true});
    RawClient first = connect_from("127.0.0.1");
    ASSERT_TRUE(first.greet());
    RawClient second = connect_from("127.0.0.1");
    ASSERT_TRUE(second.greet());
    expect_one_too_many(connect_from("127.0.0.1"), "127.0.0.1", 2);
    EXPECT_TRUE(connect_from("127.0.0.2").greet());
    EXPECT_TRUE(RawClient(socket_).greet()) << "over the socket it is its process";
}

// A place that is taken counts until its connection ends, in whichever way, and no longer.
TEST_F(ClientLimitsTest, CountsAClientsConnectionsExactly) {
    start({}, {.per_client_max = 3, .shared_memory_bytes = 0});
    service_->close_gate();
    RawClient stays(socket_);
    ASSERT_TRUE(stays.greet());
    protocol::Buffer goodbye;
    protocol::append_goodbye(goodbye);
    protocol::Buffer event;
    ASSERT_TRUE(protocol::append_event(event, protocol::Kind::publish, 1, make_event("a")));
    for (int i = 0; i < 50; ++i) {
        {
            RawClient dies(socket_);
            ASSERT_TRUE(dies.greet());
            RawClient leaves(socket_);
            ASSERT_TRUE(leaves.greet());
            expect_one_too_many(RawClient(socket_), own_pid(), 3);
            ASSERT_TRUE(dies.send(event)) << "it has something in flight";
            ASSERT_TRUE(leaves.send(goodbye));
            EXPECT_EQ(leaves.receive()->header.kind, protocol::Kind::goodbye);
        }
        ASSERT_TRUE(wait_for_clients(1));
        RawClient breaks(socket_);
        ASSERT_TRUE(breaks.greet());
        ASSERT_TRUE(breaks.send_text("this is no frame of the protocol"));
        ASSERT_TRUE(breaks.receive());
        // It would have had a place, and does not get what it asks for.
        RawClient wants_memory(socket_);
        ASSERT_TRUE(wants_memory.send(hello(protocol::kSharesMemory)));
        ASSERT_TRUE(wants_memory.receive());
        RawClient silent(socket_);
        ASSERT_TRUE(silent.connected());
        ASSERT_TRUE(wants_memory.ended() && breaks.ended());
    }
    ASSERT_TRUE(wait_for_clients(1));
    RawClient second(socket_);
    ASSERT_TRUE(second.greet());
    RawClient third(socket_);
    ASSERT_TRUE(third.greet());
    expect_one_too_many(RawClient(socket_), own_pid(), 3);
}

// Whoever connects and says nothing does not stay; who has greeted does.
TEST_F(ClientLimitsTest, SendsAwayWhoDoesNotGreet) {
    start({}, {.handshake_limit = std::chrono::milliseconds(500)});
    RawClient greets(socket_);
    ASSERT_TRUE(greets.greet());
    RawClient silent(socket_);
    RawClient half(socket_);
    ASSERT_TRUE(half.send_text("CRUC"));
    for (RawClient* client : {&silent, &half}) {
        const auto refusal = client->receive();
        ASSERT_TRUE(refusal);
        EXPECT_EQ(refusal->text(), "no greeting in time");
        EXPECT_TRUE(client->ended());
    }
    protocol::Buffer ask;
    protocol::append_text_frame(ask, protocol::Kind::ask, 1, R"({"about":"status"})");
    ASSERT_TRUE(greets.send(ask));
    EXPECT_TRUE(greets.receive());
}

// A process that may connect, and does so without end and without a word, leaves places to others.
TEST_F(ClientLimitsTest, LimitsThoseThatHaveNotGreeted) {
    start({}, {.clients_max = 400});
    RawClient greeted(socket_);
    ASSERT_TRUE(greeted.greet());
    std::vector<std::unique_ptr<RawClient>> silent;
    for (int i = 0; i < 100; ++i) silent.push_back(std::make_unique<RawClient>(socket_));
    RawClient refused(socket_);
    const auto refusal = refused.receive();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->text(), "too many connections have not greeted");
    EXPECT_TRUE(refused.ended());
    ASSERT_TRUE(silent.front()->greet());
    RawClient next(socket_);
    EXPECT_TRUE(next.greet());
}

// Clients that come together and greet at once are all let in.
TEST_F(ClientLimitsTest, LetsACrowdIn) {
    start({}, {.clients_max = 300});
    protocol::Buffer hello;
    protocol::append_greeting(hello, protocol::Kind::hello);
    std::vector<std::unique_ptr<RawClient>> crowd;
    for (int i = 0; i < 300; ++i) {
        crowd.push_back(std::make_unique<RawClient>(socket_));
        ASSERT_TRUE(crowd.back()->send(hello));
    }
    for (const auto& client : crowd) {
        const auto answer = client->receive();
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->header.kind, protocol::Kind::welcome) << answer->text();
    }
}

// An idle client is told goodbye; one that waits for the end of an event is not idle.
TEST_F(ClientLimitsTest, SendsAwayWhoIsIdle) {
    start({}, {.idle_limit = std::chrono::milliseconds(500)});
    service_->close_gate();
    const auto waits = connect();
    ASSERT_TRUE(waits->publish(make_event("a"), 1));
    ASSERT_TRUE(service_->wait_for_batches(1));
    RawClient idle(socket_);
    ASSERT_TRUE(idle.greet());

    const auto goodbye = idle.receive();
    ASSERT_TRUE(goodbye);
    EXPECT_EQ(goodbye->header.kind, protocol::Kind::goodbye);
    EXPECT_TRUE(idle.ended());
    service_->open_gate();
    ASSERT_TRUE(waits->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 1u);
}

// One client with much in flight is not read from for the while; others are.
TEST_F(ClientLimitsTest, LimitsWhatOneClientHasInFlight) {
    start({}, {.bytes_max = 10'000});
    service_->close_gate();
    const auto greedy = connect();
    const auto other = connect();
    for (std::uint64_t token = 0; token < 10; ++token)
        ASSERT_TRUE(greedy->publish(make_event(std::string(4'000, 'x')), token));
    ASSERT_TRUE(service_->wait_for_batches(1));
    ASSERT_TRUE(other->publish(make_event("b"), 100));
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    while (server_->stats().published < 4 && base::monotonic_now() < until)
        std::this_thread::yield();
    EXPECT_EQ(server_->stats().published, 4u) << "three of the one, and the other's";

    service_->open_gate();
    ASSERT_TRUE(greedy->drain(kGenerousLimit));
    ASSERT_TRUE(other->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 11u);
}

// Beyond its rate a client is left waiting: nothing is refused, nothing lost, and it takes at least
// the time that the rate says. Another client has a rate of its own.
TEST_F(ClientLimitsTest, KeepsAClientToItsRate) {
    start({}, {.rate_max = *base::Rate::per_second(100), .rate_burst = 5});
    const auto fast = connect();
    const auto other = connect();
    const TimePoint begun = base::monotonic_now();
    for (std::uint64_t token = 0; token < 25; ++token)
        ASSERT_TRUE(fast->publish(make_event("a"), token));
    ASSERT_TRUE(other->publish(make_event("b"), 100));
    ASSERT_TRUE(other->drain(kGenerousLimit));
    ASSERT_TRUE(fast->drain(kGenerousLimit));
    EXPECT_GE(base::monotonic_now() - begun, std::chrono::milliseconds(200)) << "20 at 100/s";
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 26u);
    EXPECT_GE(server_->clients().rate_limited.load(), 1u);
}

// The daemon does not keep answers for ever that nobody reads.
TEST_F(ClientLimitsTest, SendsAwayWhoDoesNotReadItsAnswers) {
    start({}, {.slow_limit = std::chrono::milliseconds(300)});
    RawClient reads(socket_);
    ASSERT_TRUE(reads.greet());
    RawClient slow(socket_);
    ASSERT_TRUE(slow.greet());
    protocol::Buffer ask;
    protocol::append_text_frame(ask, protocol::Kind::ask, 1, R"({"about":"status"})");
    // Until neither the socket nor the daemon takes more, or the daemon is through with it.
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    const auto& closed = server_->clients().closed[static_cast<std::size_t>(ClosedFor::slow)];
    while (closed == 0 && base::monotonic_now() < until) {
        if (::send(slow.fd(), ask.data(), ask.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            std::this_thread::yield();
    }
    ASSERT_EQ(closed.load(), 1u);
    std::size_t answers = 0;
    while (slow.receive()) ++answers;
    EXPECT_GT(answers, 0u) << "what the socket held";
    ASSERT_TRUE(reads.send(ask));
    EXPECT_TRUE(reads.receive());
}

// A client over its rate that closes without draining takes back what the daemon has not read; what
// it has read is handled. Whoever drains hears of it.
TEST_F(ClientLimitsTest, WhoClosesBeforeItsTurnTakesItsEventsBack) {
    start({}, {.rate_max = *base::Rate::per_second(0.001), .rate_burst = 2});
    auto client = connect();
    for (std::uint64_t token = 0; token < 5; ++token)
        ASSERT_TRUE(client->publish(make_event(std::to_string(token)), token));
    ASSERT_TRUE(acknowledgements_.wait_for(2));
    const auto drained = client->drain(std::chrono::milliseconds(1));
    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().code, Errc::timeout);
    client.reset();
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    while (server_->clients().connected.load() > 0 && base::monotonic_now() < until)
        std::this_thread::yield();
    EXPECT_TRUE(stop());
    EXPECT_EQ(service_->payloads(), (std::vector<std::string>{"0", "1"}));
}

}  // namespace
}  // namespace crucible::runtime
