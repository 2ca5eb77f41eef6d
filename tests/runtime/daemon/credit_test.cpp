#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "raw_client.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/event_frame.h"
#include "server_fixture.h"

namespace crucible::runtime {
namespace {

using nlohmann::json;
using protocol::Kind;
using testing::kGenerousLimit;
using testing::make_event;
using testing::RawClient;

/// Of events whose payload is kPayload, the frames are a little larger.
constexpr std::size_t kPayload = 1'000;

class CreditTest : public testing::ServerTest {
protected:
    /// What the daemon says of its clients, each in its turn.
    json clients() const {
        const auto answer = ask_daemon({.socket = socket_, .connect_limit = kGenerousLimit},
                                       R"({"about":"queues"})");
        EXPECT_TRUE(answer) << answer.error().message;
        return json::parse(*answer)["clients"];
    }
    /// Publishes so many, for which the client has to have room.
    static void publish(DaemonClient& client, std::uint64_t events) {
        const Event event = make_event(std::string(kPayload, 'x'));
        for (std::uint64_t i = 0; i < events; ++i) ASSERT_TRUE(client.publish(event, i));
    }
    /// What has been published once each of the clients has used up its credit, and the daemon,
    /// which looks at that at the end of each turn, has given no more.
    std::uint64_t published_with_all_credit(std::size_t count) const {
        const TimePoint until = base::monotonic_now() + kGenerousLimit;
        json report;
        for (int in_a_row = 0; in_a_row < 2;) {
            report = clients();
            const auto without = std::ranges::count_if(
                report, [](const json& client) { return client["credit_bytes"] == 0; });
            const bool all = report.size() == count && without == std::ssize(report);
            in_a_row = all ? in_a_row + 1 : 0;
            if (base::monotonic_now() >= until) {
                ADD_FAILURE() << report.dump();
                break;
            }
        }
        return server_->stats().published;
    }
    /// The credit in the welcome of a client that connects now.
    std::uint64_t welcomed_with() const {
        RawClient client(socket_);
        protocol::Buffer hello;
        protocol::append_greeting(hello, Kind::hello);
        EXPECT_TRUE(client.send(hello));
        const auto welcome = client.receive();
        if (!welcome || welcome->header.kind != Kind::welcome) {
            ADD_FAILURE() << "not welcome";
            return 0;
        }
        protocol::Greeting greeting;
        if (welcome->body.size() == sizeof greeting)
            std::memcpy(&greeting, welcome->body.data(), sizeof greeting);
        return greeting.credit;
    }
};

// A publisher may have so much under way as one client may; what it publishes beyond that stays
// with it, and the daemon goes on reading from it.
TEST_F(CreditTest, BoundsWhatOneClientHasUnderWay) {
    constexpr std::size_t kBytesMax = 64u << 10;
    start({.workers = 1}, {.bytes_max = kBytesMax});
    EXPECT_EQ(welcomed_with(), kBytesMax);
    service_->close_gate();
    const auto client = connect();
    publish(*client, 500);
    const std::uint64_t published = published_with_all_credit(1);
    EXPECT_GE(published, kBytesMax / 2 / kPayload);
    EXPECT_LE(published, kBytesMax / kPayload + 1);
    const auto report = clients();
    ASSERT_EQ(report.size(), 1u);
    EXPECT_EQ(report[0]["blocked"], false);
    EXPECT_EQ(client->stats().queued, 500u);
    service_->open_gate();
    ASSERT_TRUE(client->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 500u);
}

// With Overflow::block publishers stop before the queue is full, so that who comes later finds
// room: one that publishes without end leaves a fifth of it, two a ninth.
TEST_F(CreditTest, LeavesRoomInTheQueueForOthers) {
    constexpr std::size_t kQueue = 300;
    start({.workers = 1, .queue_events_max = kQueue, .overflow = Overflow::block});
    service_->close_gate();
    const auto first = connect();
    publish(*first, 1'000);
    const std::uint64_t alone = published_with_all_credit(1);
    EXPECT_GE(alone, kQueue * 7 / 10);
    EXPECT_LE(alone, kQueue * 8 / 10 + 1);
    const auto second = connect();
    publish(*second, 1'000);
    const std::uint64_t together = published_with_all_credit(2);
    EXPECT_GE(together, alone + kQueue / 10);
    EXPECT_LT(together, kQueue * 98 / 100);
    for (const auto& client : clients()) EXPECT_EQ(client["blocked"], false);
    const auto third = connect();
    publish(*third, 1);
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    while (server_->stats().published == together && base::monotonic_now() < until)
        std::this_thread::yield();
    EXPECT_EQ(server_->stats().published, together + 1);
    service_->open_gate();
    for (const auto* client : {&first, &second, &third})
        ASSERT_TRUE((*client)->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 2'001u);
}

// A client that has no credit left, and whose own events are due in an hour, gets some when those
// of others end.
TEST_F(CreditTest, ComesBackWhenOthersHaveEnded) {
    constexpr std::size_t kQueue = 100;
    constexpr std::size_t kOwn = 25;
    constexpr std::uint64_t kEvents = 300;
    start({.workers = 1, .queue_events_max = kQueue, .overflow = Overflow::block});
    service_->close_gate();
    const auto client = connect();
    Event later = make_event(std::string(kPayload, 'x'));
    later.not_before = base::wall_now() + std::chrono::hours(1);
    for (std::size_t i = 0; i < kOwn; ++i) ASSERT_TRUE(client->publish(later, kEvents + i));
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    while (server_->stats().published < kOwn && base::monotonic_now() < until)
        std::this_thread::yield();
    // Three who do not keep to their credit take nearly all that is left.
    protocol::Buffer events;
    for (std::uint64_t i = 0; i < kQueue; ++i)
        ASSERT_TRUE(protocol::append_event(events, Kind::publish, i, make_event("y")));
    std::vector<std::unique_ptr<RawClient>> others;
    for (std::size_t i = 1; i <= 3; ++i) {
        others.push_back(std::make_unique<RawClient>(socket_));
        ASSERT_TRUE(others.back()->greet());
        ASSERT_TRUE(others.back()->send(events));
        while (clients()[i]["blocked"] != true && base::monotonic_now() < until)
            std::this_thread::yield();
    }
    EXPECT_GE(server_->stats().queued, kQueue - kOwn / 4);
    // These take no place in the queue: there is nothing to do for them.
    Event unseen = make_event(std::string(kPayload, 'z'));
    unseen.category = Category::system;
    for (std::uint64_t i = 0; i < kEvents; ++i) ASSERT_TRUE(client->publish(unseen, i));
    while (clients()[0]["credit_bytes"] != 0 && base::monotonic_now() < until)
        std::this_thread::yield();
    EXPECT_LT(acknowledgements_.count(Outcome::handled), kEvents);
    service_->open_gate();
    while (acknowledgements_.count(Outcome::handled) < kEvents && base::monotonic_now() < until)
        std::this_thread::yield();
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), kEvents);
}

// The other policies have said what becomes of what does not fit: nobody waits for it.
TEST_F(CreditTest, LeavesAFullQueueToItsPolicy) {
    start({.workers = 1, .queue_events_max = 10, .overflow = Overflow::reject});
    service_->close_gate();
    const auto client = connect();
    publish(*client, 100);
    while (acknowledgements_.count(Outcome::rejected) < 90) std::this_thread::yield();
    service_->open_gate();
    ASSERT_TRUE(client->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 10u);
    EXPECT_EQ(acknowledgements_.count(Outcome::rejected), 90u);
}

// The daemon relies on nobody: who sends on without credit is not read from, as ever.
TEST_F(CreditTest, DoesNotReadFromWhoIgnoresIt) {
    constexpr std::size_t kBytesMax = 16u << 10;
    start({.workers = 1}, {.bytes_max = kBytesMax});
    service_->close_gate();
    RawClient client(socket_);
    ASSERT_TRUE(client.greet());
    protocol::Buffer events;
    for (std::uint64_t i = 0; i < 60; ++i) {
        ASSERT_TRUE(protocol::append_event(events, Kind::publish, i,
                                           make_event(std::string(kPayload, 'x'))));
    }
    ASSERT_TRUE(client.send(events));
    (void)published_with_all_credit(1);
    // A turn of the daemon's loop later.
    (void)clients();
    EXPECT_LE(server_->stats().published, kBytesMax / kPayload + 1);
    service_->open_gate();
    std::uint64_t acknowledged = 0;
    while (acknowledged < 60) {
        const auto answer = client.receive();
        ASSERT_TRUE(answer);
        if (answer->header.kind != Kind::acknowledge) {
            EXPECT_EQ(answer->header.kind, Kind::credit);
            continue;
        }
        std::vector<Acknowledgement> ends;
        ASSERT_TRUE(protocol::read_acknowledgements({answer->header, answer->body, 0}, 60, ends));
        acknowledged += ends.size();
    }
}

// Nor, where others would find no room, does it take more than it gave credit for.
TEST_F(CreditTest, TakesNoMoreThanItGaveCreditFor) {
    constexpr std::size_t kQueue = 100;
    constexpr std::uint64_t kEvents = 200;
    start({.workers = 1, .queue_events_max = kQueue, .overflow = Overflow::block});
    service_->close_gate();
    RawClient client(socket_);
    ASSERT_TRUE(client.greet());
    protocol::Buffer events;
    for (std::uint64_t i = 0; i < kEvents; ++i) {
        ASSERT_TRUE(protocol::append_event(events, Kind::publish, i,
                                           make_event(std::string(kPayload, 'x'))));
    }
    std::jthread sender([&] { EXPECT_TRUE(client.send(events)); });
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    json report;
    do {
        report = clients();
    } while (report[0]["blocked"] != true && base::monotonic_now() < until);
    EXPECT_EQ(report[0]["blocked"], true);
    EXPECT_LE(server_->stats().published, kQueue * 8 / 10 + 1);
    service_->open_gate();
    while (server_->stats().handled < kEvents && base::monotonic_now() < until)
        std::this_thread::yield();
    EXPECT_EQ(server_->stats().handled, kEvents) << "all of them in the end";
}

// Credit is told when the client has less than half of what it could have: not with each event.
TEST_F(CreditTest, IsToldNowAndThen) {
    constexpr std::uint64_t kEvents = 2'000;
    constexpr std::size_t kBytesMax = 256u << 10;
    start({.workers = 1}, {.bytes_max = kBytesMax});
    RawClient client(socket_);
    ASSERT_TRUE(client.greet());
    std::uint64_t told = 0;
    std::uint64_t credit = 0;
    std::uint64_t sent = 0;
    for (std::uint64_t i = 0; i < kEvents; ++i) {
        protocol::Buffer event;
        ASSERT_TRUE(protocol::append_event(event, Kind::publish, i,
                                           make_event(std::string(kPayload, 'x'))));
        ASSERT_TRUE(client.send(event));
        sent += event.size();
        for (;;) {
            const auto answer = client.receive();
            ASSERT_TRUE(answer);
            if (answer->header.kind == Kind::acknowledge) break;
            ASSERT_EQ(answer->header.kind, Kind::credit);
            EXPECT_GT(answer->header.token, credit);
            credit = answer->header.token;
            ++told;
        }
        EXPECT_LT(sent, std::max<std::uint64_t>(credit, kBytesMax)) << "never without any";
    }
    EXPECT_GE(told, kEvents * kPayload / kBytesMax);
    EXPECT_LE(told, 4 * kEvents * kPayload / kBytesMax);
}

}  // namespace
}  // namespace crucible::runtime
