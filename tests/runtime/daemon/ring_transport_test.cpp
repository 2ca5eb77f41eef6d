#include "runtime/daemon/ring_transport.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <thread>
#include <vector>

#include "base/file.h"
#include "runtime/daemon/shared_rings.h"

namespace crucible::runtime {
namespace {

constexpr std::size_t kRing = SharedRings::kRingBytesMin;
constexpr int kLimitMs = 30'000;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// Both ends of a stream in this process, past their greeting.
class RingTransportTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::array<int, 2> sockets{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()), 0);
        daemon_ = make_socket_transport(base::UniqueFd(sockets[0]), "the client");
        auto client = expect_shared_memory(
            make_socket_transport(base::UniqueFd(sockets[1]), "the daemon"), kWelcome.size());
        ASSERT_TRUE(client) << client.error().message;
        client_ = std::move(*client);
    }
    void share() {
        const auto shared = share_memory(daemon_, kRing, bytes_of(kWelcome));
        ASSERT_TRUE(shared) << shared.error().message;
        EXPECT_EQ(read(*client_), kWelcome);
        ASSERT_TRUE(client_->established());
    }
    static std::string read(Transport& transport, std::size_t most = 1000) {
        std::vector<std::byte> room(most);
        const auto count = transport.read(room);
        EXPECT_TRUE(count) << count.error().message;
        return {reinterpret_cast<const char*>(room.data()), count.value_or(0)};
    }
    /// A bell waits there, or the end.
    static bool rung(const Transport& transport) {
        pollfd waiter{.fd = transport.fd(), .events = POLLIN, .revents = 0};
        return ::poll(&waiter, 1, 0) == 1;
    }

    static constexpr std::string_view kWelcome = "welcome";
    std::unique_ptr<Transport> daemon_;
    std::unique_ptr<Transport> client_;
};

// Written and read where it lies, over the ring's end as well.
TEST_F(RingTransportTest, CarriesWithoutACopy) {
    share();
    constexpr std::size_t kPart = 1'000;
    for (std::size_t at = 0; at < 3 * kRing; at += kPart) {
        std::byte* const room = client_->room_for(kPart);
        ASSERT_NE(room, nullptr) << at;
        for (std::size_t i = 0; i < kPart; ++i) room[i] = static_cast<std::byte>(at + i * 7);
        client_->add(kPart);
        ASSERT_TRUE(daemon_->peek(kPart).empty()) << "not pushed yet";
        ASSERT_TRUE(client_->push());
        const auto there = daemon_->peek(2 * kPart);
        ASSERT_EQ(there.size(), kPart);
        for (std::size_t i = 0; i < kPart; ++i)
            ASSERT_EQ(there[i], static_cast<std::byte>(at + i * 7)) << at << " " << i;
        daemon_->consume(kPart / 2);
        EXPECT_EQ(daemon_->peek(2 * kPart).size(), kPart / 2);
        daemon_->consume(kPart / 2);
    }
}

TEST_F(RingTransportTest, HasNoRoomForMoreThanIsFree) {
    share();
    EXPECT_EQ(client_->room_for(kRing + 1), nullptr);
    ASSERT_NE(client_->room_for(kRing), nullptr);
    client_->add(kRing - 10);
    EXPECT_EQ(client_->room_for(11), nullptr);
    EXPECT_NE(client_->room_for(10), nullptr);
    ASSERT_TRUE(client_->push());
    daemon_->consume(daemon_->peek(1).size());
    EXPECT_NE(client_->room_for(11), nullptr);
    // What is written besides goes behind it.
    EXPECT_EQ(client_->write(bytes_of("0123456789abc")), 11u);
    daemon_->consume(kRing - 11);
    EXPECT_EQ(read(*daemon_), "0123456789a");
}

TEST_F(RingTransportTest, CarriesBothWays) {
    share();
    EXPECT_EQ(client_->write(bytes_of("a question")), 10u);
    EXPECT_EQ(daemon_->write(bytes_of("an answer")), 9u);
    EXPECT_EQ(read(*daemon_), "a question");
    EXPECT_EQ(read(*client_), "an answer");
    EXPECT_EQ(read(*client_), "");
    EXPECT_EQ(client_->peer(), "the daemon");
    EXPECT_EQ(client_->medium(), "shared memory");
}

// The daemon may write before the client has read its welcome, in two pieces even.
TEST_F(RingTransportTest, TakesItsWelcomeFromTheSocketFirst) {
    ASSERT_EQ(client_->write(bytes_of("hello")), 5u);
    EXPECT_EQ(read(*daemon_), "hello");
    ASSERT_TRUE(share_memory(daemon_, kRing, bytes_of(kWelcome)));
    EXPECT_EQ(daemon_->write(bytes_of("first")), 5u);
    EXPECT_FALSE(client_->established());
    EXPECT_EQ(read(*client_, 3), "wel");
    EXPECT_EQ(read(*client_), "come");
    EXPECT_EQ(read(*client_), "first");
}

TEST_F(RingTransportTest, ReadsARefusalToItsEnd) {
    const std::string refusal(100, 'r');
    ASSERT_EQ(daemon_->write(bytes_of(refusal)), 100u);
    daemon_.reset();
    EXPECT_EQ(read(*client_, 60) + read(*client_, 60), refusal);
    std::array<std::byte, 8> room;
    EXPECT_EQ(client_->read(room).error().code, Errc::closed);
    EXPECT_FALSE(client_->established());
}

// Who is awake is not rung for; who is about to sleep looks once more, and is rung for from then
// on. So an idle stream costs neither side anything, and a busy one no system calls.
TEST_F(RingTransportTest, RingsOnlyForWhoWaits) {
    share();
    ASSERT_EQ(client_->write(bytes_of("one")), 3u);
    EXPECT_FALSE(rung(*daemon_));
    EXPECT_TRUE(daemon_->has_arrived());
    EXPECT_TRUE(daemon_->holds_input());
    EXPECT_EQ(read(*daemon_), "one");
    EXPECT_FALSE(daemon_->has_arrived());
    EXPECT_FALSE(daemon_->holds_input());
    ASSERT_EQ(client_->write(bytes_of("two")), 3u);
    ASSERT_EQ(client_->write(bytes_of("three")), 5u);
    EXPECT_TRUE(rung(*daemon_));
    daemon_->woken();
    EXPECT_FALSE(rung(*daemon_)) << "one bell for both";
    EXPECT_EQ(read(*daemon_), "twothree");
}

TEST_F(RingTransportTest, RingsForWhoWaitsForRoom) {
    share();
    const std::vector<std::byte> much(kRing + 1);
    EXPECT_EQ(daemon_->write(much), kRing);
    EXPECT_FALSE(daemon_->has_room());
    EXPECT_EQ(daemon_->write_events(), std::uint32_t{EPOLLIN});
    EXPECT_EQ(read(*client_, kRing).size(), kRing);
    EXPECT_TRUE(rung(*daemon_));
    EXPECT_TRUE(daemon_->has_room());
    EXPECT_EQ(daemon_->write(std::span(much).first(1)), 1u);
}

// What the peer had written before it went, as a killed process does, is still there to be read.
TEST_F(RingTransportTest, EndsBehindWhatTheRingHolds) {
    share();
    ASSERT_FALSE(daemon_->holds_input());
    ASSERT_EQ(client_->write(bytes_of("last words")), 10u);
    client_.reset();
    while (!daemon_->has_arrived() || rung(*daemon_)) {
        daemon_->woken();
        if (daemon_->holds_input()) break;
    }
    EXPECT_EQ(read(*daemon_), "last words");
    std::array<std::byte, 8> room;
    for (;;) {
        daemon_->woken();
        const auto count = daemon_->read(room);
        if (!count) {
            EXPECT_EQ(count.error().code, Errc::closed);
            break;
        }
        ASSERT_EQ(*count, 0u);
    }
    EXPECT_TRUE(daemon_->holds_input()) << "the end is to be read again by who asks again";
}

// More than the rings hold, both ways at once, with both ends asleep whenever they may be: as
// poll() is what wakes them, a lost wake-up ends in its limit.
TEST_F(RingTransportTest, StreamsMoreThanTheRingHolds) {
    share();
    constexpr std::size_t kTotal = 40 * kRing + 12'345;
    const auto pattern = [](std::size_t at) { return static_cast<std::byte>(at * 131 >> 4); };
    const auto exchange_all = [&](Transport& transport) {
        std::vector<std::byte> out(kTotal);
        for (std::size_t at = 0; at < kTotal; ++at) out[at] = pattern(at);
        std::vector<std::byte> room(kRing / 3);
        std::size_t sent = 0;
        std::size_t got = 0;
        while (sent < kTotal || got < kTotal) {
            const auto wrote =
                transport.write(std::span(out).subspan(sent, std::min(kRing * 2, kTotal - sent)));
            ASSERT_TRUE(wrote);
            sent += *wrote;
            const auto read = transport.read(room);
            ASSERT_TRUE(read);
            ASSERT_TRUE(std::equal(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(*read),
                                   out.begin() + static_cast<std::ptrdiff_t>(got)));
            got += *read;
            if (transport.holds_input() || (sent < kTotal && transport.has_room())) continue;
            if (sent == kTotal && got == kTotal) break;
            pollfd waiter{.fd = transport.fd(), .events = POLLIN, .revents = 0};
            ASSERT_EQ(::poll(&waiter, 1, kLimitMs), 1) << "nobody rang: " << sent << ", " << got;
            transport.woken();
        }
    };
    std::jthread daemon([&] { exchange_all(*daemon_); });
    exchange_all(*client_);
}

TEST(SharedMemory, IsForUnixSocketsAlone) {
    base::UniqueFd first(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    base::UniqueFd second(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto daemon = make_socket_transport(std::move(first), "somebody");
    const auto shared = share_memory(daemon, kRing, bytes_of("welcome"));
    ASSERT_FALSE(shared);
    EXPECT_EQ(shared.error().code, Errc::unsupported);
    ASSERT_TRUE(daemon) << "it is still there to say so";
    const auto expected =
        expect_shared_memory(make_socket_transport(std::move(second), "somebody"), 7);
    ASSERT_FALSE(expected);
    EXPECT_EQ(expected.error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace crucible::runtime
