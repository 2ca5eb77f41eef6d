#include "crucible/daemon_client.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "acknowledgements.h"
#include "base/file.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/unix_socket.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;
using testing::Acknowledgements;

Event small_event(std::string payload) {
    Event event;
    event.category = Category::system;
    event.type = "test";
    event.source = "client";
    event.payload = std::move(payload);
    return event;
}

/// The other end of a client's connection, doing as a test says.
class FakeDaemon {
public:
    FakeDaemon(const std::filesystem::path& path, std::uint64_t credit)
        : credit_(credit), listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const auto address = unix_address(path);
        EXPECT_EQ(
            ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address),
            0);
        EXPECT_EQ(::listen(listener_.get(), 1), 0);
        accepting_ = std::jthread([this] {
            socket_ = base::UniqueFd(::accept(listener_.get(), nullptr, nullptr));
            EXPECT_TRUE(next());
            protocol::Buffer welcome;
            protocol::append_greeting(welcome, protocol::Kind::welcome, {.credit = credit_});
            send(welcome);
        });
    }

    /// Once the client is connected.
    void ready() { accepting_.join(); }

    void send(const protocol::Buffer& bytes) {
        EXPECT_EQ(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }
    void acknowledge(std::uint64_t token, std::uint32_t count) {
        protocol::Buffer bytes;
        const protocol::AcknowledgementEntry entry{token, Outcome::handled, {}, count};
        protocol::append_acknowledgements(bytes, {&entry, 1});
        send(bytes);
    }
    bool sends_within(std::chrono::milliseconds limit) {
        if (!received_.empty()) return true;
        pollfd waiter{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        return ::poll(&waiter, 1, static_cast<int>(limit.count())) > 0;
    }
    /// The header of the next frame; nothing at the end, or after a generous wait.
    std::optional<protocol::FrameHeader> next() {
        for (;;) {
            const auto frame = protocol::next_frame(received_);
            if (!frame) return std::nullopt;
            if (*frame) {
                const auto header = (*frame)->header;
                received_.erase(received_.begin(),
                                received_.begin() + static_cast<std::ptrdiff_t>((*frame)->bytes));
                return header;
            }
            pollfd waiter{.fd = socket_.get(), .events = POLLIN, .revents = 0};
            if (::poll(&waiter, 1, 30'000) <= 0) return std::nullopt;
            std::byte buffer[65536];
            const auto count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
            if (count <= 0) return std::nullopt;
            received_.insert(received_.end(), buffer, buffer + count);
        }
    }

private:
    const std::uint64_t credit_;
    base::UniqueFd listener_;
    base::UniqueFd socket_;
    protocol::Buffer received_;
    std::jthread accepting_;
};

class ClientTest : public ::testing::Test {
protected:
    void SetUp() override { connect(UINT64_MAX); }
    void connect(std::uint64_t credit) {
        client_.reset();
        auto directory = base::TempDir::make("client");
        ASSERT_TRUE(directory);
        directory_.emplace(*std::move(directory));
        daemon_.emplace(directory_->path() / "socket", credit);
        auto client = DaemonClient::connect({.socket = directory_->path() / "socket"},
                                            acknowledged_.handler());
        ASSERT_TRUE(client) << client.error().message;
        client_ = *std::move(client);
        daemon_->ready();
    }

    std::optional<base::TempDir> directory_;
    std::optional<FakeDaemon> daemon_;
    Acknowledgements acknowledged_;
    std::unique_ptr<DaemonClient> client_;
};

// Events that follow each other fast are held to be sent together. Held, not kept: with nothing
// acknowledged and nothing more published, all of them leave.
TEST_F(ClientTest, SendsWhatItHolds) {
    constexpr std::uint64_t kEvents = 1'000;
    for (std::uint64_t i = 0; i < kEvents; ++i) ASSERT_TRUE(client_->publish(small_event("x"), i));
    for (std::uint64_t i = 0; i < kEvents; ++i) {
        const auto header = daemon_->next();
        ASSERT_TRUE(header) << i;
        EXPECT_EQ(header->kind, protocol::Kind::publish);
        EXPECT_EQ(header->token, i);
    }
}

// Until the daemon has let it, it sends no more; then it goes on by itself.
TEST_F(ClientTest, SendsWhatItHasCreditFor) {
    constexpr std::uint64_t kEvents = 20;
    connect(1);
    for (std::uint64_t i = 0; i < kEvents; ++i) ASSERT_TRUE(client_->publish(small_event("x"), i));
    auto header = daemon_->next();
    ASSERT_TRUE(header);
    EXPECT_EQ(header->token, 0u);
    EXPECT_FALSE(daemon_->sends_within(50ms));
    const std::uint64_t frame = sizeof(*header) + protocol::padded(header->body_bytes);
    for (std::uint64_t i = 1; i < kEvents; ++i) {
        protocol::Buffer credit;
        protocol::append_empty(credit, protocol::Kind::credit, i * frame + 1);
        daemon_->send(credit);
        header = daemon_->next();
        ASSERT_TRUE(header);
        EXPECT_EQ(header->token, i);
    }
    EXPECT_FALSE(daemon_->sends_within(0ms));
    EXPECT_EQ(client_->stats().queued, kEvents);
}

// Long after the client has gone to sleep: two events in a row, of which the second is held, wake
// it.
TEST_F(ClientTest, WakesUpForWhatIsHeld) {
    for (std::uint64_t i = 0; i < 20; ++i) {
        // A sleeping client wakes for nothing but this.
        ASSERT_EQ(::poll(nullptr, 0, 3), 0);
        ASSERT_TRUE(client_->publish(small_event("first"), 2 * i));
        ASSERT_TRUE(client_->publish(small_event("second"), 2 * i + 1));
        EXPECT_EQ(daemon_->next()->token, 2 * i);
        EXPECT_EQ(daemon_->next()->token, 2 * i + 1);
    }
}

// Several threads at once: nothing is lost, and what each published arrives in its order.
TEST_F(ClientTest, KeepsTheOrderOfEachPublisher) {
    constexpr std::uint64_t kEvents = 5'000;
    constexpr std::uint64_t kThreads = 3;
    std::vector<std::jthread> publishers;
    for (std::uint64_t t = 0; t < kThreads; ++t) {
        publishers.emplace_back([this, t] {
            for (std::uint64_t i = 0; i < kEvents; ++i)
                EXPECT_TRUE(client_->publish(small_event("x"), t * kEvents + i));
        });
    }
    std::array<std::uint64_t, kThreads> next{};
    for (std::uint64_t i = 0; i < kThreads * kEvents; ++i) {
        const auto header = daemon_->next();
        ASSERT_TRUE(header);
        const auto thread = header->token / kEvents;
        ASSERT_LT(thread, kThreads);
        EXPECT_EQ(header->token % kEvents, next[thread]++);
    }
}

// One entry stands for all that ended since the last.
TEST_F(ClientTest, TakesAnAcknowledgementForMany) {
    for (std::uint64_t i = 10; i < 15; ++i) ASSERT_TRUE(client_->publish(small_event("x"), i));
    daemon_->acknowledge(10, 5);
    ASSERT_TRUE(acknowledged_.wait_for(5));
    const auto all = acknowledged_.all();
    for (std::uint64_t i = 0; i < 5; ++i) EXPECT_EQ(all[i].token, 10 + i);
    EXPECT_TRUE(client_->drain(30s));
    EXPECT_EQ(client_->stats().handled, 5u);
}

// A daemon that acknowledges more than was published is none: the client believes no count, which
// could ask it for gigabytes.
TEST_F(ClientTest, RefusesAnAcknowledgementOfMoreThanThereIs) {
    ASSERT_TRUE(client_->publish(small_event("x"), 1));
    daemon_->acknowledge(1, 4'000'000'000u);
    const auto drained = client_->drain(30s);
    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().code, Errc::closed);
    EXPECT_TRUE(acknowledged_.all().empty());
}

// Neither does it believe the size of a frame: it makes no room for one that cannot be, and says
// why it went.
TEST_F(ClientTest, RefusesAFrameThatIsTooLarge) {
    ASSERT_TRUE(client_->publish(small_event("x"), 1));
    rusage before{};
    ASSERT_EQ(::getrusage(RUSAGE_SELF, &before), 0);
    protocol::Buffer bytes(sizeof(protocol::FrameHeader));
    const protocol::FrameHeader header{512u << 20, protocol::Kind::acknowledge, {}, 0};
    std::memcpy(bytes.data(), &header, sizeof header);
    daemon_->send(bytes);

    const auto drained = client_->drain(30s);

    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().code, Errc::closed);
    EXPECT_EQ(drained.error().message,
              "not a crucible daemon: a frame of 536870912 bytes, over the limit of 20971520");
    rusage after{};
    ASSERT_EQ(::getrusage(RUSAGE_SELF, &after), 0);
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 256 << 10) << "KiB";
}

}  // namespace
}  // namespace crucible::runtime
