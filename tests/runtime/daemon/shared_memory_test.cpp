#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "raw_client.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/shared_rings.h"
#include "server_fixture.h"

namespace crucible::runtime {
namespace {

using testing::kGenerousLimit;
using testing::make_event;
using testing::RawClient;
using testing::ServerTest;

/// A client in shared memory that does whatever a test wants.
class RawRingClient {
public:
    explicit RawRingClient(const std::filesystem::path& path) : socket_(path) {
        protocol::Buffer hello;
        protocol::append_greeting(hello, protocol::Kind::hello, {.flags = protocol::kSharesMemory});
        EXPECT_TRUE(socket_.send(hello));
        std::byte welcome[protocol::kGreetingFrameBytes];
        iovec part{.iov_base = welcome, .iov_len = sizeof welcome};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        EXPECT_EQ(::recvmsg(socket_.fd(), &message, MSG_CMSG_CLOEXEC),
                  static_cast<ssize_t>(sizeof welcome));
        const auto* const header = CMSG_FIRSTHDR(&message);
        if (header == nullptr) return;
        int file = -1;
        std::memcpy(&file, CMSG_DATA(header), sizeof file);
        auto rings = SharedRings::open(base::UniqueFd(file));
        EXPECT_TRUE(rings) << rings.error().message;
        rings_.emplace(std::move(*rings));
        writer_.emplace(out().header, out().data);
        reader_.emplace(rings_->to_client().header, rings_->to_client().data);
    }

    SharedRings::Ring out() const { return rings_->to_daemon(); }
    SharedRings::Ring answers() const { return rings_->to_client(); }
    bool write(std::span<const std::byte> bytes) { return writer_->write(bytes) == bytes.size(); }
    void ring() { EXPECT_TRUE(socket_.send_text("!")); }
    /// Waits until the daemon has looked for more and goes to sleep.
    bool daemon_sleeps() const {
        return wait_until([this] { return out().header.reader_waits.load() != 0; });
    }
    /// The next frame in the ring; nothing when the daemon has gone.
    std::optional<RawClient::Answer> receive() {
        for (;;) {
            const auto frame = protocol::next_frame(received_);
            if (!frame) return std::nullopt;
            if (*frame) {
                RawClient::Answer answer{(*frame)->header,
                                         {(*frame)->body.begin(), (*frame)->body.end()}};
                received_.erase(received_.begin(),
                                received_.begin() + static_cast<std::ptrdiff_t>((*frame)->bytes));
                return answer;
            }
            std::byte room[4096];
            const auto count = reader_->read(room);
            if (!count) return std::nullopt;
            received_.insert(received_.end(), room, room + *count);
            if (*count > 0 || reader_->has_bytes_or_waits()) continue;
            if (ended_) return std::nullopt;
            pollfd waiter{.fd = socket_.fd(), .events = POLLIN, .revents = 0};
            if (::poll(&waiter, 1, 30'000) <= 0) return std::nullopt;
            ended_ = ::recv(socket_.fd(), room, sizeof room, 0) <= 0;
        }
    }
    bool ended() const noexcept { return ended_; }

    template <typename Condition>
    static bool wait_until(Condition condition) {
        const TimePoint until = base::monotonic_now() + kGenerousLimit;
        while (!condition()) {
            if (base::monotonic_now() > until) return false;
            std::this_thread::yield();
        }
        return true;
    }

private:
    RawClient socket_;
    std::optional<SharedRings> rings_;
    std::optional<RingWriter> writer_;
    std::optional<RingReader> reader_;
    protocol::Buffer received_;
    bool ended_ = false;
};

class SharedMemoryTest : public ServerTest {
protected:
    void start_with_ring(std::size_t bytes, CoordinatorOptions coordinator = {}) {
        ClientLimits limits;
        limits.shared_memory_bytes = bytes;
        start(std::move(coordinator), limits);
    }
    Result<std::unique_ptr<DaemonClient>> try_connect() {
        return DaemonClient::connect({.socket = socket_, .shared_memory = true},
                                     acknowledgements_.handler());
    }
    std::unique_ptr<DaemonClient> connect_in_memory() {
        auto client = try_connect();
        EXPECT_TRUE(client) << client.error().message;
        return std::move(*client);
    }
    static protocol::Buffer events_frame(std::uint64_t first, std::uint64_t count) {
        protocol::Buffer frames;
        for (std::uint64_t i = first; i < first + count; ++i) {
            EXPECT_TRUE(protocol::append_event(frames, protocol::Kind::publish, i,
                                               make_event(std::to_string(i))));
        }
        return frames;
    }
    /// Mappings of shared rings in this process, which is client and daemon here.
    static int mappings() {
        std::ifstream maps("/proc/self/maps");
        int count = 0;
        for (std::string line; std::getline(maps, line);)
            count += line.find("crucible-rings") != std::string::npos ? 1 : 0;
        return count;
    }
};

TEST_F(SharedMemoryTest, AcknowledgesEveryEvent) {
    start();
    const auto client = connect_in_memory();
    constexpr std::size_t kEvents = 20'000;
    for (std::uint64_t i = 0; i < kEvents; ++i)
        ASSERT_TRUE(client->publish(make_event(std::to_string(i)), i));
    ASSERT_TRUE(client->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.all().size(), kEvents);
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), kEvents);
    EXPECT_EQ(service_->payloads().size(), kEvents);
}

// One at a time, so that both ends go to sleep in between as often as they like.
TEST_F(SharedMemoryTest, AnswersOneAtATime) {
    start();
    const auto client = connect_in_memory();
    for (int i = 0; i < 2'000; ++i) {
        const auto response = client->request(make_event(std::to_string(i)), kGenerousLimit);
        ASSERT_TRUE(response) << i << ": " << response.error().message;
        EXPECT_EQ(response->payload, "echo " + std::to_string(i));
    }
}

// Through rings of 64 KiB.
TEST_F(SharedMemoryTest, CarriesWhatIsLargerThanItsRings) {
    start_with_ring(SharedRings::kRingBytesMin);
    const auto client = connect_in_memory();
    const std::string large(5'000'000, 'x');
    const auto response = client->request(make_event(large), kGenerousLimit);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->payload, "echo " + large);
}

// The daemon does not read while its queue is full: the ring fills, the client keeps the rest, and
// all goes on when the queue does.
TEST_F(SharedMemoryTest, WaitsWhereTheDaemonDoesNotRead) {
    start_with_ring(SharedRings::kRingBytesMin,
                    {.queue_events_max = 4, .overflow = Overflow::block});
    service_->close_gate();
    const auto client = connect_in_memory();
    constexpr std::uint64_t kEvents = 500;
    const std::string payload(1'000, 'x');
    for (std::uint64_t i = 0; i < kEvents; ++i)
        ASSERT_TRUE(client->publish(make_event(payload), i));
    EXPECT_EQ(client->drain(std::chrono::milliseconds(1)).error().code, Errc::timeout);
    service_->open_gate();
    ASSERT_TRUE(client->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), kEvents);
}

TEST_F(SharedMemoryTest, IsRefusedWhereItIsOff) {
    start_with_ring(0);
    const auto client = try_connect();
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, Errc::unsupported);
    EXPECT_EQ(client.error().message,
              socket_.string() + ": shared_memory of [clients] is off in this daemon");
    EXPECT_TRUE(connect()->drain(kGenerousLimit)) << "over the socket it can";
}

// Whatever carries them, they are connections of one process.
TEST_F(SharedMemoryTest, CountsAmongTheConnectionsOfItsProcess) {
    start({}, {.per_client_max = 2});
    const auto over_socket = connect();
    auto in_memory = connect_in_memory();
    const auto refused = try_connect();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::overloaded);
    EXPECT_EQ(refused.error().message,
              fmt::format("{}: pid {} has 2 connections, the limit for one client ([clients] "
                          "max_per_client)",
                          socket_.string(), ::getpid()));
    EXPECT_TRUE(wait_for_closed(ClosedFor::refused, 1));
    in_memory.reset();
    EXPECT_TRUE(RawRingClient::wait_until([this] { return try_connect().has_value(); }));
}

TEST_F(SharedMemoryTest, SaysWhichClientsUseIt) {
    start();
    const auto over_socket = connect();
    const auto in_memory = connect_in_memory();
    const auto answer =
        ask_daemon({.socket = socket_, .shared_memory = true}, R"({"about":"queues"})");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_NE(answer->find(R"("medium":"socket")"), std::string::npos) << *answer;
    EXPECT_NE(answer->find(R"("medium":"shared memory")"), std::string::npos) << *answer;
    const auto status = ask_daemon({.socket = socket_}, R"({"about":"status"})");
    ASSERT_TRUE(status);
    EXPECT_NE(status->find(R"("clients_by_medium":{"shared memory":1,"socket":1})"),
              std::string::npos)
        << *status;
}

// Nothing runs while nothing happens: the daemon has announced that it sleeps, and one bell wakes
// it.
TEST_F(SharedMemoryTest, SleepsUntilItIsRungFor) {
    start();
    RawRingClient client(socket_);
    for (std::uint64_t i = 0; i < 20; ++i) {
        ASSERT_TRUE(client.daemon_sleeps());
        ASSERT_TRUE(client.write(events_frame(i, 1)));
        ASSERT_EQ(client.out().header.reader_waits.exchange(0), 1u);
        client.ring();
        const auto answer = client.receive();
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->header.kind, protocol::Kind::acknowledge);
    }
}

TEST_F(SharedMemoryTest, EndsASessionWhoseIndexIsImpossible) {
    start();
    const auto other = connect_in_memory();
    for (const std::uint64_t beyond : {1ull, 1ull << 40, 1ull << 63}) {
        RawRingClient client(socket_);
        ASSERT_TRUE(client.daemon_sleeps());
        client.out().header.written.store(client.out().data.size() + beyond);
        client.ring();
        const auto answer = client.receive();
        ASSERT_TRUE(answer) << beyond;
        EXPECT_EQ(answer->header.kind, protocol::Kind::refuse);
        EXPECT_EQ(answer->header.token, static_cast<std::uint64_t>(Errc::corrupt));
        EXPECT_EQ(answer->text(), "shared memory: the writer's index is impossible");
        EXPECT_FALSE(client.receive());
        EXPECT_TRUE(client.ended());
    }
    ASSERT_TRUE(other->publish(make_event("still here"), 1));
    ASSERT_TRUE(other->drain(kGenerousLimit));
}

TEST_F(SharedMemoryTest, EndsASessionWhoseIndexGoesBack) {
    start();
    RawRingClient client(socket_);
    const auto frames = events_frame(0, 3);
    ASSERT_TRUE(client.write(frames));
    client.ring();
    ASSERT_TRUE(client.receive());
    ASSERT_TRUE(client.daemon_sleeps());
    client.out().header.written.store(frames.size() - 1);
    client.ring();
    std::optional<RawClient::Answer> last;
    while (auto answer = client.receive()) last = std::move(answer);
    ASSERT_TRUE(last);
    EXPECT_EQ(last->text(), "shared memory: the writer's index is impossible");
    EXPECT_TRUE(client.ended());
}

// The index that says how much the client has read of its answers.
TEST_F(SharedMemoryTest, EndsASessionThatReadMoreThanThereWas) {
    start();
    RawRingClient client(socket_);
    ASSERT_TRUE(client.write(events_frame(0, 1)));
    client.ring();
    ASSERT_TRUE(client.receive());
    ASSERT_TRUE(client.daemon_sleeps());
    client.answers().header.read.store(1'000'000);
    ASSERT_TRUE(client.write(events_frame(1, 1)));
    client.ring();
    EXPECT_FALSE(client.receive());
    EXPECT_TRUE(client.ended());
}

// A client that goes without a word, as one that is killed does, with whole events in the ring and
// the beginning of one: the whole ones are handled.
TEST_F(SharedMemoryTest, HandlesWhatAVanishedClientHadWritten) {
    start();
    {
        RawRingClient client(socket_);
        ASSERT_TRUE(client.daemon_sleeps());
        const auto frames = events_frame(0, 101);
        ASSERT_TRUE(client.write(std::span(frames).first(frames.size() - 8)));
        // No bell: it did not get that far.
    }
    ASSERT_TRUE(RawRingClient::wait_until([&] { return service_->payloads().size() == 100; }));
    EXPECT_TRUE(RawRingClient::wait_until([] { return mappings() == 0; }));
}

TEST_F(SharedMemoryTest, GivesItsMemoryBack) {
    start();
    ASSERT_EQ(mappings(), 0);
    for (int i = 0; i < 3; ++i) {
        const auto client = connect_in_memory();
        ASSERT_TRUE(client->publish(make_event("x"), 1));
        ASSERT_TRUE(client->drain(kGenerousLimit));
        EXPECT_GE(mappings(), 2);
    }
    EXPECT_TRUE(RawRingClient::wait_until([] { return mappings() == 0; }));
}

// A daemon of before, or one that is none: it welcomes without memory.
TEST(SharedMemoryClient, SaysThatADaemonDoesNotKnowIt) {
    const auto directory = base::TempDir::make("old-daemon");
    ASSERT_TRUE(directory);
    const auto path = directory->path() / "d.sock";
    const base::UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = unix_address(path);
    ASSERT_TRUE(address);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address),
              0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    std::jthread daemon([&] {
        const base::UniqueFd socket(::accept(listener.get(), nullptr, nullptr));
        std::byte hello[protocol::kGreetingFrameBytes];
        EXPECT_EQ(::recv(socket.get(), hello, sizeof hello, MSG_WAITALL),
                  static_cast<ssize_t>(sizeof hello));
        protocol::Buffer welcome;
        protocol::append_greeting(welcome, protocol::Kind::welcome);
        EXPECT_EQ(::send(socket.get(), welcome.data(), welcome.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(welcome.size()));
    });
    const auto client = DaemonClient::connect({.socket = path, .shared_memory = true}, {});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, Errc::unsupported);
    EXPECT_EQ(client.error().message, path.string() + ": the daemon does not know shared memory");
}

}  // namespace
}  // namespace crucible::runtime
