// What the server lets clients have: how many, for how long, with how much in flight.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "acknowledgements.h"
#include "base/clock.h"
#include "raw_client.h"
#include "runtime/daemon/server.h"
#include "server_fixture.h"

namespace crucible::runtime {
namespace {

using testing::kGenerousLimit;
using testing::make_event;
using testing::RawClient;
using ClientLimitsTest = testing::ServerTest;

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
