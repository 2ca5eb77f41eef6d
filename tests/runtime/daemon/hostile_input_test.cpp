// Clients that are broken or hostile. Each is told what is wrong as far as it can be, others are
// served as if it were not there, and nothing of it stays.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "ask_http.h"
#include "base/clock.h"
#include "base/rng.h"
#include "raw_client.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/event_frame.h"
#include "server_fixture.h"

namespace crucible::runtime {
namespace {

using testing::kGenerousLimit;
using testing::make_event;
using testing::RawClient;

/// A server with one client that behaves, which publishes all the while.
class HostileInputTest : public testing::ServerTest {
protected:
    void begin(ClientLimits limits = {}) {
        start({}, limits, {}, "127.0.0.1:0");
        good_ = connect();
        publisher_ = std::jthread([this](const std::stop_token& stop) {
            while (!stop.stop_requested() || published_ < 100) {
                const auto taken = good_->publish(make_event("good"), published_);
                // Ahead of the daemon by as much as a client may be.
                if (!taken && taken.error().code == Errc::overloaded) continue;
                ASSERT_TRUE(taken) << taken.error().message;
                ++published_;
                if (published_ % 64 != 0) continue;
                ASSERT_TRUE(good_->drain(kGenerousLimit));
            }
        });
    }
    /// Whoever behaves was served, and nobody else is left. `others` are events that others had
    /// handled.
    void expect_unaffected() {
        publisher_.request_stop();
        publisher_.join();
        ASSERT_TRUE(good_->drain(kGenerousLimit));
        EXPECT_EQ(acknowledgements_.count(Outcome::handled), published_);
        expect_clients(1);
    }
    /// Waits until so many are left.
    void expect_clients(std::size_t count) {
        const TimePoint until = base::monotonic_now() + kGenerousLimit;
        while (clients() != count && base::monotonic_now() < until) std::this_thread::yield();
        EXPECT_EQ(clients(), count);
    }
    /// How many are connected, whether they have greeted or not.
    std::size_t clients() {
        const auto text =
            testing::ask_http(server_->metrics_port(), "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        const std::string name = "\ncrucible_clients ";
        const auto at = text.find(name);
        EXPECT_NE(at, std::string::npos) << text;
        return at == std::string::npos ? 0 : std::stoul(text.substr(at + name.size()));
    }

    static std::span<const std::byte> bytes_of(const protocol::FrameHeader& header) {
        return std::as_bytes(std::span(&header, 1));
    }
    static protocol::Buffer event_frame(std::uint64_t token) {
        protocol::Buffer frame;
        EXPECT_TRUE(protocol::append_event(frame, protocol::Kind::publish, token, make_event("a")));
        return frame;
    }
    static void expect_refused(RawClient& client, Errc code, std::string_view text) {
        const auto answer = client.receive();
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->header.kind, protocol::Kind::refuse);
        EXPECT_EQ(answer->header.token, static_cast<std::uint64_t>(code));
        EXPECT_EQ(answer->text(), text);
        EXPECT_TRUE(client.ended());
    }

    std::unique_ptr<DaemonClient> good_;
    std::uint64_t published_ = 0;  ///< by it; of the publisher until that has ended
    std::jthread publisher_;       ///< behind what it uses
};

// Connecting costs a stranger nothing: those that never greet, or begin to and stop at any byte,
// are told so and sent away, however many they are.
TEST_F(HostileInputTest, HalfOpenConnectionsAreClosed) {
    begin({.handshake_limit = std::chrono::milliseconds(300)});
    protocol::Buffer hello;
    protocol::append_greeting(hello, protocol::Kind::hello);
    std::vector<std::unique_ptr<RawClient>> half;
    for (std::size_t i = 0; i < 8 * hello.size(); ++i) {
        half.push_back(std::make_unique<RawClient>(socket_));
        ASSERT_TRUE(half.back()->connected());
        // One that comes late finds itself refused already.
        (void)half.back()->send(std::span(hello).first(i % hello.size()));
    }
    for (const auto& client : half) expect_refused(*client, Errc::timeout, "no greeting in time");
    expect_unaffected();
}

// A storm of connections that end at once, at every stage.
TEST_F(HostileInputTest, SurvivesABurstOfConnections) {
    begin();
    constexpr int kEach = 2'500;
    std::atomic<std::uint64_t> orphans = 0;
    std::vector<std::jthread> storm;
    for (int stage = 0; stage < 4; ++stage) {
        storm.emplace_back([this, stage, &orphans] {
            for (int i = 0; i < kEach; ++i) {
                RawClient client(socket_);
                ASSERT_TRUE(client.connected()) << std::strerror(errno);
                if (stage == 1) client.send_text("CRUC");
                if (stage < 2) continue;
                ASSERT_TRUE(client.greet());
                if (stage == 2) continue;
                ASSERT_TRUE(client.send(event_frame(1)));
                ++orphans;
            }
        });
    }
    storm.clear();
    expect_unaffected();
    // What the daemon has read of those that left is handled; nothing else is.
    EXPECT_LE(server_->stats().published, published_ + orphans);
}

// A frame that is cut anywhere, by a client that closes its half, is no event; only between frames
// is that an orderly end.
TEST_F(HostileInputTest, AFrameCutAnywhereIsRefused) {
    begin();
    const auto frame = event_frame(1);
    for (std::size_t size = 0; size < frame.size(); ++size) {
        RawClient client(socket_);
        ASSERT_TRUE(client.greet());
        ASSERT_TRUE(client.send(std::span(frame).first(size)));
        ASSERT_EQ(::shutdown(client.fd(), SHUT_WR), 0);
        if (size > 0) expect_refused(client, Errc::corrupt, "the stream ended within a frame");
        EXPECT_TRUE(client.ended()) << size;
    }
    expect_unaffected();
    EXPECT_EQ(server_->stats().published, published_);
}

// The header decides: a frame over the limit is refused as soon as its header is there, in however
// many pieces it comes, before and after the greeting.
TEST_F(HostileInputTest, AnOversizedFrameIsRefusedByItsHeader) {
    begin();
    const protocol::FrameHeader header{protocol::kBodyBytesMax + 1, protocol::Kind::publish, {}, 1};
    for (std::size_t cut = 0; cut <= sizeof header; ++cut) {
        for (const bool greets : {false, true}) {
            RawClient client(socket_);
            if (greets) {
                ASSERT_TRUE(client.greet());
            }
            ASSERT_TRUE(client.send(bytes_of(header).first(cut)));
            ASSERT_TRUE(client.send(bytes_of(header).subspan(cut)));
            expect_refused(client, Errc::corrupt,
                           "a frame of 20971521 bytes, over the limit of 20971520");
        }
    }
    expect_unaffected();
}

// Who has not greeted, and who asks, has no use for much: nothing is kept for them to send it.
TEST_F(HostileInputTest, ALongGreetingOrQuestionIsRefusedByItsHeader) {
    begin();
    using protocol::Kind;
    const auto send = [](RawClient& client, Kind kind, std::uint32_t body_bytes) {
        ASSERT_TRUE(client.send(bytes_of({body_bytes, kind, {}, 1})));
    };
    RawClient first(socket_);
    send(first, Kind::hello, 257);
    expect_refused(first, Errc::corrupt, "a greeting of 257 bytes, over the limit of 256");
    RawClient second(socket_);
    send(second, Kind::publish, 1'000);
    expect_refused(second, Errc::corrupt, "the client did not greet");
    RawClient asks(socket_);
    ASSERT_TRUE(asks.greet());
    send(asks, Kind::ask, 65'537);
    expect_refused(asks, Errc::corrupt, "a question of 65537 bytes, over the limit of 65536");
    // The same all at once.
    RawClient whole(socket_);
    ASSERT_TRUE(whole.greet());
    protocol::Buffer question;
    protocol::append_text_frame(question, Kind::ask, 1, std::string(65'537, ' '));
    ASSERT_TRUE(whole.send(question));
    expect_refused(whole, Errc::corrupt, "a question of 65537 bytes, over the limit of 65536");
    expect_unaffected();
}

// However many begin large frames and do not end them: together they have as much as the queue.
// Small frames are no matter, and neither is a large one when there is room again.
TEST_F(HostileInputTest, LargeFramesThatHaveBegunAreLimitedTogether) {
    start({.queue_bytes_max = 30u << 20});
    constexpr std::uint32_t kBody = 16u << 20;
    const auto begin_frame = [](RawClient& client, std::uint32_t body_bytes) {
        ASSERT_TRUE(client.greet());
        ASSERT_TRUE(client.send(bytes_of({body_bytes, protocol::Kind::publish, {}, 1})));
    };
    RawClient first(socket_);
    begin_frame(first, kBody);
    RawClient second(socket_);
    begin_frame(second, kBody);
    expect_refused(
        second, Errc::overloaded,
        "a frame of 16777232 bytes while the large frames of others that have begun have "
        "16777232: together at most 31457280 (queue_bytes)");
    RawClient small(socket_);
    begin_frame(small, 100'000);
    // All of it may come, and is then judged as any other.
    const protocol::Buffer noise(kBody, std::byte{0xff});
    (void)first.send(noise);
    expect_refused(first, Errc::corrupt, "not a valid event");
    RawClient third(socket_);
    begin_frame(third, kBody);
    (void)third.send(noise);
    expect_refused(third, Errc::corrupt, "not a valid event");
    ASSERT_TRUE(small.send(std::span(noise).first(100'000)));
    expect_refused(small, Errc::corrupt, "not a valid event");
}

// Each byte of the header in turn is made wrong.
TEST_F(HostileInputTest, EveryBrokenByteOfAHeaderIsNamed) {
    begin();
    protocol::FrameHeader whole;
    const auto frame = event_frame(0);
    std::memcpy(&whole, frame.data(), sizeof whole);
    const std::string reserved = "a frame whose reserved bytes are not zero";
    const std::array<std::string, sizeof whole> refusals{
        // A longer body: the daemon waits for the rest, which never comes.
        "",
        "",
        "",
        "a frame of " + std::to_string(0xff000000u | whole.body_bytes) +
            " bytes, over the limit of 20971520",
        "a frame of unknown kind 255",
        reserved,
        reserved,
        reserved
        // Any token is good.
    };
    for (std::size_t i = 0; i < refusals.size(); ++i) {
        auto broken = frame;
        broken[i] = std::byte{0xff};
        RawClient client(socket_);
        ASSERT_TRUE(client.greet());
        ASSERT_TRUE(client.send(broken));
        if (!refusals[i].empty()) {
            expect_refused(client, Errc::corrupt, refusals[i]);
        } else if (i < 3) {
            ASSERT_EQ(::shutdown(client.fd(), SHUT_WR), 0);
            expect_refused(client, Errc::corrupt, "the stream ended within a frame");
        } else {
            const auto answer = client.receive();
            ASSERT_TRUE(answer) << i;
            EXPECT_EQ(answer->header.kind, protocol::Kind::acknowledge) << i;
        }
    }
    expect_unaffected();
}

// Every other version than ours, the next ones included, is told both.
TEST_F(HostileInputTest, EveryOtherVersionIsRefused) {
    begin();
    for (const std::uint32_t version :
         {0u, protocol::kVersion - 1, protocol::kVersion + 1, 0x7fffffffu, 0xffffffffu}) {
        RawClient client(socket_);
        protocol::Buffer hello;
        protocol::append_greeting(hello, protocol::Kind::hello, {.version = version});
        ASSERT_TRUE(client.send(hello));
        expect_refused(client, Errc::unsupported,
                       "the client speaks protocol version " + std::to_string(version) +
                           ", this is version " + std::to_string(protocol::kVersion));
    }
    expect_unaffected();
}

// Where the socket's mode lets others knock, the kernel's word on who they are keeps them out.
TEST_F(HostileInputTest, AnotherUserIsRefused) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
    begin();
    ASSERT_EQ(::chmod(socket_.c_str(), 0666), 0);
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
    std::jthread stranger([this] {
        // The system call itself changes this thread alone; the library's function changes all.
        ASSERT_EQ(::syscall(SYS_setresuid, -1, 65534, -1), 0);
        for (int i = 0; i < 100; ++i) {
            RawClient client(socket_);
            ASSERT_TRUE(client.connected());
            expect_refused(client, Errc::permission_denied,
                           "only the daemon's own user and root may connect");
        }
    });
    stranger.join();
    expect_unaffected();
}

// Behind a good handshake comes noise: bytes, and frames of every kind around them.
TEST_F(HostileInputTest, GarbageAfterAGreetingIsRefused) {
    begin();
    base::Rng random(1);
    for (int i = 0; i < 300; ++i) {
        RawClient client(socket_);
        ASSERT_TRUE(client.greet());
        protocol::Buffer noise(sizeof(protocol::FrameHeader) + 8 * random.below(512));
        for (auto& byte : noise) byte = static_cast<std::byte>(random.below(256));
        const bool framed = i % 2 == 0;
        if (framed) {
            const auto kind = static_cast<protocol::Kind>(i / 2 % 2 == 0 ? 4 : 6);
            ASSERT_TRUE(
                client.send(bytes_of({static_cast<std::uint32_t>(noise.size()), kind, {}, 1})));
        } else {
            noise[4] = std::byte{0};  // of no kind, else some would wait for more
        }
        // It may be refused before it has sent all.
        (void)client.send(noise);
        expect_refused(client, Errc::corrupt,
                       framed ? "not a valid event" : "a frame of unknown kind 0");
    }
    expect_unaffected();
    EXPECT_EQ(server_->stats().published, published_);
}

// A refusal is the last word: what was handled before the frame that is wrong is said before it.
TEST_F(HostileInputTest, WhatWasHandledIsAcknowledgedBeforeARefusal) {
    begin();
    RawClient client(socket_);
    ASSERT_TRUE(client.greet());
    auto event = make_event("x");
    event.category = Category::system;  // acknowledged unseen, and so at once
    protocol::Buffer frames;
    ASSERT_TRUE(protocol::append_event(frames, protocol::Kind::publish, 1, event));
    const protocol::FrameHeader wrong{0, protocol::Kind::welcome, {}, 0};
    frames.insert(frames.end(), bytes_of(wrong).begin(), bytes_of(wrong).end());
    ASSERT_TRUE(client.send(frames));
    const auto acknowledgement = client.receive();
    ASSERT_TRUE(acknowledgement);
    EXPECT_EQ(acknowledgement->header.kind, protocol::Kind::acknowledge);
    expect_refused(client, Errc::corrupt, "a frame of kind 2, which clients do not send");
    expect_unaffected();
}

// A frame of a kind that only daemons send.
TEST_F(HostileInputTest, AFrameThatClientsDoNotSendIsRefused) {
    begin();
    for (const unsigned kind : {1u, 2u, 3u, 5u, 7u, 10u}) {
        RawClient client(socket_);
        ASSERT_TRUE(client.greet());
        ASSERT_TRUE(client.send(bytes_of({0, static_cast<protocol::Kind>(kind), {}, 1})));
        expect_refused(client, Errc::corrupt,
                       "a frame of kind " + std::to_string(kind) + ", which clients do not send");
    }
    expect_unaffected();
}

// A client that publishes and never reads: what the daemon keeps for it is bounded, and is gone
// with it.
TEST_F(HostileInputTest, WhoNeverReadsItsAcknowledgementsIsNotReadFrom) {
    begin();
    RawClient deaf(socket_);
    ASSERT_TRUE(deaf.greet());
    auto event = make_event("x");
    event.category = Category::system;  // acknowledged unseen
    const auto unsent = [this]() -> std::size_t {
        const auto answer = ask_daemon({.socket = socket_}, R"({"about":"queues"})");
        EXPECT_TRUE(answer) << answer.error().message;
        const auto queues = nlohmann::json::parse(answer.value_or(R"({"clients":[]})"));
        std::size_t most = 0;
        for (const auto& client : queues["clients"])
            most = std::max(most, client["unsent_bytes"].get<std::size_t>());
        return most;
    };
    // Every second token: each end has an entry of its own.
    std::uint64_t token = 0;
    protocol::Buffer frames;
    std::span<const std::byte> rest;
    std::size_t kept = 0;
    while (kept < Session::kUnsentBytesMax) {
        if (rest.empty()) {
            frames.clear();
            for (int i = 0; i < 256; ++i, token += 2)
                ASSERT_TRUE(protocol::append_event(frames, protocol::Kind::publish, token, event));
            rest = frames;
        }
        const auto count = ::send(deaf.fd(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0) {
            rest = rest.subspan(static_cast<std::size_t>(count));
        } else {
            kept = unsent();
        }
        ASSERT_LT(token, 4'000'000u) << "the daemon keeps reading, and keeps the answers";
    }
    // What one read brought beyond it: the ends of 256 KiB of events.
    EXPECT_LT(kept, 2 * Session::kUnsentBytesMax);
    expect_clients(2);
    ASSERT_EQ(::shutdown(deaf.fd(), SHUT_RDWR), 0);
    expect_unaffected();
}

}  // namespace
}  // namespace crucible::runtime
