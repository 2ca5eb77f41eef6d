// Clients that outlive their daemon: a real crucibled, killed and started again.
#include "runtime/daemon/reconnecting_client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "acknowledgements.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "certificates.h"
#include "daemon_process.h"
#include "runtime/daemon/connect.h"
#include "runtime/event/uuid.h"
#include "runtime/service/digest.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;
using testing::Acknowledgements;
using testing::kGenerousLimit;

class ReconnectingClientTest : public testing::DaemonProcessTest {
protected:
    std::unique_ptr<DaemonClient> connect(Duration reconnect_for = kGenerousLimit,
                                          std::size_t buffer = 64u << 20,
                                          bool shared_memory = false) {
        auto client = DaemonClient::connect({.socket = socket_,
                                             .send_buffer_bytes_max = buffer,
                                             .shared_memory = shared_memory,
                                             .reconnect_for = reconnect_for},
                                            acknowledgements_.handler());
        EXPECT_TRUE(client) << client.error().message;
        return std::move(*client);
    }
    Event record(int number) {
        Event event;
        event.id = make_uuid_v7(base::wall_now(), random_);
        event.category = Category::database;
        event.type = "record.created";
        event.source = "client-0";
        event.payload = R"({"key":"record-)" + std::to_string(number) + R"(","fields":{"number":)" +
                        std::to_string(number) + "}}";
        event.created = base::wall_now();
        return event;
    }
    int rows() const {
        sqlite3* database = nullptr;
        const auto file = data_ / "crucible.db";
        EXPECT_EQ(sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READONLY, nullptr),
                  SQLITE_OK);
        int count = -1;
        const auto take = [](void* out, int, char** values, char**) {
            *static_cast<int*>(out) = std::stoi(values[0]);
            return 0;
        };
        EXPECT_EQ(sqlite3_exec(database, "SELECT count(*) FROM records", take, &count, nullptr),
                  SQLITE_OK)
            << sqlite3_errmsg(database);
        sqlite3_close(database);
        return count;
    }
    void expect_all_through_crashes(DaemonClient& client) {
        constexpr int kEvents = 2000;
        std::jthread publisher([&] {
            for (int i = 0; i < kEvents; ++i) {
                EXPECT_TRUE(client.publish(record(i), static_cast<std::uint64_t>(i)));
                if (i % 50 == 0) std::this_thread::sleep_for(2ms);  // so that kills come in between
            }
        });
        for (int kills = 0; kills < 4; ++kills) {
            const auto before = acknowledgements_.all().size();
            const TimePoint until = base::monotonic_now() + kGenerousLimit;
            while (acknowledgements_.all().size() < std::min<std::size_t>(before + 200, kEvents) &&
                   base::monotonic_now() < until)
                std::this_thread::yield();
            kill_daemon();
            start_daemon();
        }
        publisher.join();
        ASSERT_TRUE(client.drain(kGenerousLimit));

        auto ends = acknowledgements_.all();
        ASSERT_EQ(ends.size(), static_cast<std::size_t>(kEvents));
        std::ranges::sort(ends, {}, &Acknowledgement::token);
        for (std::size_t i = 0; i < ends.size(); ++i) {
            EXPECT_EQ(ends[i].token, i);
            EXPECT_EQ(ends[i].outcome, Outcome::handled);
        }
        EXPECT_EQ(rows(), kEvents);
        EXPECT_EQ(client.stats().handled, static_cast<std::uint64_t>(kEvents));
        EXPECT_EQ(client.stats().queued, 0u);
    }

    Acknowledgements acknowledgements_;
    base::Rng random_{1};
};

// The promise: whatever the daemon goes through, each event is acknowledged once, and is there.
TEST_F(ReconnectingClientTest, EveryEventIsAcknowledgedOnceThroughCrashes) {
    start_daemon();
    expect_all_through_crashes(*connect());
}

// The same, with events in a ring when the daemon is killed.
TEST_F(ReconnectingClientTest, EveryEventIsAcknowledgedOnceThroughCrashesInSharedMemory) {
    start_daemon();
    expect_all_through_crashes(
        *connect(kGenerousLimit, /*buffer=*/64u << 20, /*shared_memory=*/true));
}

// A daemon that dies between its work and the acknowledgement: what was done is found done by the
// next one, as the client says that it comes again.
TEST_F(ReconnectingClientTest, WorkThatWasDoneIsHandledWhenItComesAgain) {
    const auto vault = data_ / "vault/client-0";
    const auto file_event = [&](std::string type, std::string fields) {
        Event event = record(0);
        event.category = Category::filesystem;
        event.type = std::move(type);
        event.payload = std::move(fields);
        return event;
    };
    const auto hash = content_hash("new");
    const Event created =
        file_event("file.created", R"({"path":"new","content":"new","content_hash":")" +
                                       std::string(hash.data(), hash.size()) + R"("})");
    start_daemon();
    const auto client = connect();
    std::filesystem::create_directory(vault);
    ASSERT_TRUE(base::write_file(vault / "old", "old"));
    ASSERT_TRUE(base::write_file(vault / "deleted", "deleted"));

    daemon_->signal(SIGSTOP);  // it acknowledges nothing more
    ASSERT_TRUE(client->publish(created, 0));
    ASSERT_TRUE(client->publish(file_event("file.moved", R"({"path":"old","to":"moved"})"), 1));
    ASSERT_TRUE(client->publish(file_event("file.deleted", R"({"path":"deleted"})"), 2));
    kill_daemon();
    // As it would have left them.
    ASSERT_TRUE(base::write_file(vault / "new", "new"));
    ASSERT_TRUE(base::write_file(vault / "moved", "old"));
    std::filesystem::remove(vault / "old");
    std::filesystem::remove(vault / "deleted");
    start_daemon();
    ASSERT_TRUE(client->drain(kGenerousLimit));

    auto ends = acknowledgements_.all();
    std::ranges::sort(ends, {}, &Acknowledgement::token);
    ASSERT_EQ(ends.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(ends[i].outcome, Outcome::handled) << i;
    EXPECT_EQ(base::read_file(vault / "new"), "new");
    EXPECT_EQ(base::read_file(vault / "moved"), "old");
}

// Events published while there is no daemon wait for one.
TEST_F(ReconnectingClientTest, KeepsEventsWhileThereIsNoDaemon) {
    start_daemon({"--work", "none"});
    const auto client = connect();
    kill_daemon();
    for (std::uint64_t token = 0; token < 10; ++token)
        EXPECT_TRUE(client->publish(record(1), token));
    // What no daemon would take is refused now, not kept for ever.
    Event odd = record(2);
    odd.type.assign(70'000, 't');
    const auto refused = client->publish(odd, 99);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::invalid_argument);
    const auto early = client->drain(1ms);
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, Errc::timeout);
    EXPECT_EQ(client->stats().queued, 10u);

    start_daemon({"--work", "none"});
    ASSERT_TRUE(client->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 10u);
    EXPECT_TRUE(client->request(record(2), kGenerousLimit));
}

// One that waits for long is still the client's when the daemon goes, whatever came and ended
// behind it.
TEST_F(ReconnectingClientTest, KeepsOneThatWaitsBehindManyThatEnded) {
    start_daemon({"--work", "none"});
    const auto client = connect();
    Event tomorrow = record(0);
    tomorrow.not_before = base::wall_now() + 24h;
    ASSERT_TRUE(client->publish(tomorrow, 0));
    constexpr std::size_t kEvents = 3'000;
    for (std::size_t i = 1; i <= kEvents; ++i)
        ASSERT_TRUE(client->publish(record(static_cast<int>(i)), i));
    ASSERT_TRUE(acknowledgements_.wait_for(kEvents));
    kill_daemon();
    start_daemon({"--work", "none"});
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    std::string answer;
    while (answer.find(R"("scheduled":1,)") == std::string::npos) {
        ASSERT_LT(base::monotonic_now(), until) << answer;
        answer = ask_daemon({.socket = socket_}, R"({"about":"queues"})").value_or("");
    }
    EXPECT_EQ(client->stats().queued, 1u);
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), kEvents);
}

// What is kept is bounded, and says so.
TEST_F(ReconnectingClientTest, RefusesWhatItCannotKeep) {
    start_daemon({"--work", "none"});
    const auto client = connect(kGenerousLimit, 10'000);
    kill_daemon();
    Event event = record(1);
    event.payload.assign(6'000, 'x');
    EXPECT_TRUE(client->publish(event, 1));
    const auto refused = client->publish(event, 2);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::overloaded);
}

// Without a daemon for long enough it gives up, and says which way it went.
TEST_F(ReconnectingClientTest, GivesUpAfterItsTime) {
    start_daemon({"--work", "none"});
    const auto client = connect(50ms);
    kill_daemon();
    (void)client->publish(record(1), 1);

    const auto drained = client->drain(kGenerousLimit);

    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().code, Errc::closed);
    const auto published = client->publish(record(2), 2);
    ASSERT_FALSE(published);
    EXPECT_EQ(published.error().code, Errc::closed);
    const auto asked = client->request(record(3), kGenerousLimit);
    ASSERT_FALSE(asked);
    EXPECT_EQ(asked.error().code, Errc::closed);
}

TEST_F(ReconnectingClientTest, TheFirstConnectionHasToSucceed) {
    const auto client = DaemonClient::connect({.socket = socket_, .reconnect_for = 1s}, {});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, Errc::not_found);
}

// Over TCP as over a Unix socket; the next daemon listens where the last one did.
TEST_F(ReconnectingClientTest, FindsItsDaemonAgainOverTls) {
    const testing::Authority authority(directory_.path(), "authority");
    const auto daemon = authority.issue("daemon", {"daemon", "IP:127.0.0.1"});
    const auto mine = authority.issue("mine", {"publisher"});
    std::vector<std::string> flags{"--work",
                                   "none",
                                   "--tls-certificate",
                                   daemon.certificate.string(),
                                   "--tls-key",
                                   daemon.key.string(),
                                   "--client-ca",
                                   authority.certificate().string(),
                                   "--tcp",
                                   "127.0.0.1:0"};
    start_daemon(flags);
    // "tcp":"127.0.0.1:40123 (TLS)"
    const auto status = ask_daemon({.socket = socket_}, R"({"about":"status"})");
    ASSERT_TRUE(status) << status.error().message;
    const auto begin = status->find("127.0.0.1:");
    ASSERT_NE(begin, std::string::npos) << *status;
    flags.back() = status->substr(begin, status->find(" (TLS)") - begin);
    auto client = DaemonClient::connect(
        {.address = flags.back(),
         .tls = {.ca = authority.certificate(), .certificate = mine.certificate, .key = mine.key},
         .reconnect_for = kGenerousLimit},
        acknowledgements_.handler());
    ASSERT_TRUE(client) << client.error().message;
    constexpr std::size_t kEvents = 300;
    std::vector<Event> events;
    for (std::size_t i = 0; i < kEvents + 10; ++i) events.push_back(record(static_cast<int>(i)));
    std::jthread publisher([&] {
        for (std::size_t i = 0; i < kEvents; ++i) EXPECT_TRUE((*client)->publish(events[i], i));
    });
    ASSERT_TRUE(acknowledgements_.wait_for(1));
    kill_daemon();
    for (std::size_t i = kEvents; i < events.size(); ++i)
        EXPECT_TRUE((*client)->publish(events[i], i));
    start_daemon(flags);
    publisher.join();
    ASSERT_TRUE((*client)->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.all().size(), events.size());
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), static_cast<std::size_t>(kEvents + 10));
}

// A daemon that is told to stop has answered all that it accepted; the rest is for the next one.
TEST_F(ReconnectingClientTest, GoesOnAfterAnOrderlyStop) {
    start_daemon({"--work", "none"});
    const auto client = connect();
    ASSERT_TRUE(client->publish(record(1), 1));
    daemon_->signal(SIGTERM);
    ASSERT_TRUE(daemon_->wait(kGenerousLimit));
    ASSERT_TRUE(client->publish(record(2), 2));
    start_daemon({"--work", "none"});
    ASSERT_TRUE(client->drain(kGenerousLimit));

    EXPECT_EQ(acknowledgements_.all().size(), 2u);
}

}  // namespace
}  // namespace crucible::runtime
