// Services of other processes over what else carries a session than the Unix socket: TLS and shared
// memory. What they may do, and what becomes of them, is the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <array>

#include "certificates.h"
#include "crucible/daemon_service.h"
#include "external_fixture.h"
#include "runtime/daemon/service_frame.h"

namespace crucible::runtime {
namespace {

using testing::Authority;
using testing::ExternalTest;
using testing::GatedService;
using ::testing::HasSubstr;
using testing::KeyPair;
using testing::kGenerousLimit;
using testing::make_event;

/// A service that sends and receives frame by frame over whatever carries its session.
class RawSession {
public:
    explicit RawSession(const DaemonClientOptions& options) {
        auto connection = connect_to_daemon(options);
        EXPECT_TRUE(connection) << connection.error().message;
        if (connection) transport_ = std::move(connection->transport);
    }

    bool send(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const auto count = transport_->write(bytes);
            if (!count) return false;
            bytes = bytes.subspan(*count);
            if (!bytes.empty() && !transport_->has_room()) wait(transport_->write_events());
        }
        return true;
    }
    bool subscribe(std::string name, std::uint32_t credits) {
        protocol::Buffer out;
        protocol::append_subscription(out, {std::move(name), {Category::custom}, credits});
        return send(out) && next_kind() == protocol::Kind::subscribed;
    }
    /// Nothing at the end of the session.
    std::optional<protocol::Kind> next_kind() {
        const auto frame = next();
        return frame ? std::optional(frame->header.kind) : std::nullopt;
    }
    /// What the daemon says before it ends the session; empty for anything else.
    std::string refusal() {
        const auto frame = next();
        if (!frame || frame->header.kind != protocol::Kind::refuse) return "";
        return std::string(protocol::text_of(*frame));
    }
    bool ended() { return !next(); }
    /// Ends the connection as a process that dies does.
    void vanish() { transport_.reset(); }

private:
    /// Valid until the next call.
    std::optional<protocol::Frame> next() {
        received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(taken_));
        taken_ = 0;
        for (;;) {
            const auto frame = protocol::next_frame(received_);
            if (!frame) return std::nullopt;
            if (*frame) {
                taken_ = (*frame)->bytes;
                return **frame;
            }
            std::array<std::byte, 4096> room;
            const auto count = transport_->read(room);
            if (!count) return std::nullopt;
            received_.insert(received_.end(), room.begin(),
                             room.begin() + static_cast<std::ptrdiff_t>(*count));
            if (*count > 0 || transport_->holds_input()) continue;
            if (!wait(transport_->read_events())) return std::nullopt;
        }
    }
    bool wait(std::uint32_t events) {
        pollfd waiter{.fd = transport_->fd(), .events = static_cast<short>(events), .revents = 0};
        const bool ready = ::poll(&waiter, 1, 30'000) == 1;
        transport_->woken();
        return ready;
    }

    std::unique_ptr<Transport> transport_;
    protocol::Buffer received_;
    std::size_t taken_ = 0;  ///< of received_, by the last frame
};

enum class Medium : std::uint8_t { tls, shared_memory };

class ServiceMediaTest : public ExternalTest, public ::testing::WithParamInterface<Medium> {
protected:
    ServiceMediaTest() {
        options_.listen = {.tcp = "127.0.0.1:0",
                           .tls_certificate = daemon_.certificate,
                           .tls_key = daemon_.key,
                           .client_ca = authority_.certificate()};
        options_.clients.shared_memory_bytes = 64u << 10;
    }
    DaemonClientOptions reach() const {
        if (GetParam() == Medium::shared_memory) return {.socket = socket_, .shared_memory = true};
        return {.address = server_->tcp_address()->text(),
                .tls = {.ca = authority_.certificate(),
                        .certificate = service_.certificate,
                        .key = service_.key}};
    }

    Authority authority_{directory_.path(), "authority"};
    KeyPair daemon_ = authority_.issue("daemon", {"daemon", "DNS:localhost,IP:127.0.0.1"});
    KeyPair service_ = authority_.issue("service", {"billing"});
};

INSTANTIATE_TEST_SUITE_P(Media, ServiceMediaTest,
                         ::testing::Values(Medium::tls, Medium::shared_memory),
                         [](const auto& medium) {
                             return medium.param == Medium::tls ? "Tls" : "SharedMemory";
                         });

// With the client library, more than a ring and a TLS record hold: in order, with responses.
TEST_P(ServiceMediaTest, Serves) {
    start();
    GatedService service("billing");
    auto served = DaemonService::start({.daemon = reach(), .credits = 64}, service);
    ASSERT_TRUE(served) << served.error().message;
    const std::string large(200'000, 'x');
    publish(500);
    const auto response = client_->request(make_event(large), kGenerousLimit);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->payload, "echo " + large);
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 500u);
    auto had = service.payloads();
    std::erase(had, large);
    ASSERT_EQ(had.size(), 500u);
    for (std::size_t i = 0; i < had.size(); ++i) EXPECT_EQ(had[i], std::to_string(i));
    (*served)->request_stop();
    EXPECT_TRUE((*served)->wait());
}

// What it had in its hands goes to its successor, first and again.
TEST_P(ServiceMediaTest, ItsDeathIsNoticed) {
    start();
    RawSession first(reach());
    ASSERT_TRUE(first.subscribe("billing", 2));
    publish(3);
    EXPECT_EQ(first.next_kind(), protocol::Kind::deliver);
    EXPECT_EQ(first.next_kind(), protocol::Kind::deliver);
    first.vanish();
    await_away("billing");
    GatedService second("billing");
    auto served = DaemonService::start({.daemon = reach()}, second);
    ASSERT_TRUE(served) << served.error().message;
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(second.payloads(), (std::vector<std::string>{"0", "1", "2"}));
    EXPECT_EQ((*served)->stats().redelivered, 2u);
}

// Told in one line, sent away, and nobody else notices.
TEST_P(ServiceMediaTest, RefusesHostileFrames) {
    start();
    GatedService good("good");
    auto served = DaemonService::start({.daemon = reach()}, good);
    ASSERT_TRUE(served) << served.error().message;
    const auto after = [&](const protocol::Buffer& frames) {
        RawSession service(reach());
        EXPECT_TRUE(service.subscribe("bad", 2));
        EXPECT_TRUE(service.send(frames));
        const auto reason = service.refusal();
        EXPECT_TRUE(service.ended());
        await_away("bad");
        return reason;
    };
    protocol::Buffer frames;
    protocol::append_empty(frames, protocol::Kind::subscribed);
    EXPECT_EQ(after(frames), "a frame of kind 12, which services do not send");
    frames.clear();
    ASSERT_TRUE(protocol::append_event(frames, protocol::Kind::deliver, 1, make_event("x")));
    EXPECT_EQ(after(frames), "a frame of kind 13, which services do not send");
    frames.clear();
    protocol::append_empty(frames, static_cast<protocol::Kind>(200));
    EXPECT_EQ(after(frames), "a frame of unknown kind 200");
    frames.clear();
    protocol::SettlementWriter writer;
    writer.add(frames, 7, {});
    writer.finish(frames);
    EXPECT_EQ(after(frames), "delivery 7 was settled, which is not open");
    frames.clear();
    protocol::append_text_frame(frames, protocol::Kind::settle, 0, "no settlement at all");
    EXPECT_THAT(after(frames), HasSubstr("settle"));
    frames.clear();
    protocol::append_empty(frames, protocol::Kind::grant, protocol::kCreditsMax);
    EXPECT_THAT(after(frames), HasSubstr("at most 65536 in all"));
    frames.clear();
    protocol::append_empty(frames, protocol::Kind::unsubscribe);
    protocol::append_empty(frames, protocol::Kind::unsubscribe);
    RawSession leaver(reach());
    ASSERT_TRUE(leaver.subscribe("leaver", 2));
    EXPECT_TRUE(leaver.send(frames));
    EXPECT_EQ(leaver.next_kind(), protocol::Kind::unsubscribe);
    EXPECT_EQ(leaver.refusal(), "a service that leaves twice");

    publish(10);
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 10u);
    EXPECT_EQ(good.payloads().size(), 10u);
}

}  // namespace
}  // namespace crucible::runtime
