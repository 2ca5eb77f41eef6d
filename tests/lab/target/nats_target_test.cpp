#include <gtest/gtest.h>
#include <nats/nats.h>

#include <chrono>
#include <string>

#include "base/clock.h"
#include "lab/target/brokers.h"
#include "lab/target/nats_handles.h"
#include "lab/target/target_client.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

BrokerOptions options_of(const std::string& url) {
    return *broker_options(*parse_target(url));
}

/// Somebody else on the same server, who answers requests on "crucible" with `answer`.
class Responder {
public:
    explicit Responder(const std::string& url) {
        auto options = nats_options(options_of(url));
        connection_ = *nats_connect(options_of(url), options->get());
        natsSubscription* raw = nullptr;
        EXPECT_EQ(natsConnection_Subscribe(&raw, connection_.get(), "crucible", answer, this),
                  NATS_OK);
        subscription_.reset(raw);
        EXPECT_EQ(natsConnection_Flush(connection_.get()), NATS_OK);
    }

private:
    static void answer(natsConnection* connection, natsSubscription*, natsMsg* raw, void*) {
        const NatsMessage request(raw);
        EXPECT_GT(natsMsg_GetDataLength(raw), 100);
        natsMsg* reply = nullptr;
        natsMsg_Create(&reply, natsMsg_GetReply(raw), nullptr, "done", 4);
        const NatsMessage owner(reply);
        static int number = 0;
        if (++number % 10 == 0) natsMsgHeader_Set(reply, "Nats-Service-Error", "disk full");
        natsConnection_PublishMsg(connection, reply);
    }

    NatsConnection connection_;
    NatsSubscription subscription_;
};

TEST(NatsTarget, CoreDeliversEachEventOnce) {
    NatsServer server;
    for (const auto* options : {"", "/orders.eu?format=payload"}) {
        TargetClient client(server.url(options));
        ASSERT_TRUE(client.target) << client.error.message;
        EXPECT_TRUE(client.target->polled());
        ASSERT_TRUE(client.send(5'000));
        const auto drained = client.target->drain(60s);
        ASSERT_TRUE(drained) << drained.error().message;
        EXPECT_EQ(client.outcomes[Outcome::handled], 5'000);
        EXPECT_TRUE(client.each_answered_once());
        EXPECT_EQ(client.target->remarks(), "");
    }
}

TEST(NatsTarget, RequestsAreAnsweredByTheSystem) {
    NatsServer server;
    Responder responder(server.url());
    TargetClient client(server.url("?mode=request"));
    ASSERT_TRUE(client.target) << client.error.message;
    ASSERT_TRUE(client.send(200));
    ASSERT_TRUE(client.target->drain(60s));
    EXPECT_EQ(client.outcomes[Outcome::handled], 180);
    EXPECT_EQ(client.outcomes[Outcome::failed], 20);
    EXPECT_TRUE(client.each_answered_once());
    EXPECT_EQ(client.target->remarks(), "service error: disk full (20x)");
}

TEST(NatsTarget, RequestsThatNobodyAnswersFail) {
    NatsServer server;
    TargetClient client(server.url("?mode=request"));
    ASSERT_TRUE(client.target) << client.error.message;
    ASSERT_TRUE(client.send(20));
    ASSERT_TRUE(client.target->drain(60s));
    EXPECT_EQ(client.outcomes[Outcome::failed], 20);
    EXPECT_TRUE(client.each_answered_once());
    EXPECT_EQ(client.target->remarks(), "nobody answers requests on crucible (20x)");
}

// A stream of the trial's own: there while the system is, gone afterwards.
TEST(NatsTarget, JetStreamStoresAndDelivers) {
    NatsServer server({"--jetstream"});
    const auto url = parse_target(server.url("/orders?mode=jetstream"));
    ASSERT_TRUE(url);
    auto system = start_system(*url, {});
    ASSERT_TRUE(system) << system.error().message;
    EXPECT_FALSE((*system)->includes_clients());
    const std::string endpoint = (*system)->endpoint();
    {
        TargetClient client(endpoint);
        ASSERT_TRUE(client.target) << client.error.message;
        ASSERT_TRUE(client.send(2'000));
        const auto drained = client.target->drain(60s);
        ASSERT_TRUE(drained) << drained.error().message;
        EXPECT_EQ(client.outcomes[Outcome::handled], 2'000);
        EXPECT_TRUE(client.each_answered_once());
        EXPECT_EQ(client.target->remarks(), "");
    }
    ASSERT_TRUE((*system)->stop());
    TargetClient late(endpoint);
    EXPECT_EQ(late.error.code, Errc::not_found);
    EXPECT_NE(late.error.message.find("stream not found"), std::string::npos) << late.error.message;
}

TEST(NatsTarget, WithoutJetStreamItSaysSo) {
    NatsServer server;
    const auto url = parse_target(server.url("?mode=jetstream"));
    ASSERT_TRUE(url);
    const auto system = start_system(*url, {});
    ASSERT_FALSE(system);
    EXPECT_EQ(system.error().message,
              server.url() + ": JetStream is not enabled (nats-server --jetstream)");
}

TEST(NatsTarget, ServersThatAreNotThere) {
    const auto url = "nats://127.0.0.1:" + std::to_string(Listener().port());
    TargetClient refused(url);
    EXPECT_EQ(refused.error.code, Errc::closed);
    EXPECT_EQ(refused.error.message, url + ": Connection refused");
    TargetClient unknown("nats://no-such-host.invalid");
    EXPECT_EQ(unknown.error.code, Errc::not_found);
    NatsServer locked({"--user", "app", "--pass", "secret"});
    TargetClient stranger(locked.url());
    EXPECT_EQ(stranger.error.code, Errc::permission_denied) << stranger.error.message;
    std::string known = locked.url();
    known.insert(known.find("//") + 2, "app:secret@");
    TargetClient guest(known);
    EXPECT_TRUE(guest.target) << guest.error.message;
}

// What is larger than the server takes is refused before it is sent, with the reason.
TEST(NatsTarget, TooLargeMessagesAreRefused) {
    NatsServer server;
    TargetClient client(server.url("?format=payload"));
    ASSERT_TRUE(client.target) << client.error.message;
    client.event.payload = std::string(std::size_t{2} << 20, 'x');
    EXPECT_FALSE(client.send(1));
    EXPECT_NE(client.target->remarks().find("greater than maximum allowed"), std::string::npos)
        << client.target->remarks();
}

TEST(NatsTarget, AServerThatDiesIsGone) {
    NatsServer server;
    TargetClient client(server.url());
    ASSERT_TRUE(client.target) << client.error.message;
    ASSERT_TRUE(client.send(10));
    ASSERT_TRUE(client.target->drain(60s));
    server.kill();
    const Error gone = client.send_until_refused();
    EXPECT_EQ(gone.code, Errc::closed);
    EXPECT_TRUE(gone.message.starts_with(server.url() + ": ")) << gone.message;
    EXPECT_EQ(client.target->drain(60s).error().code, Errc::closed);
}

}  // namespace
}  // namespace crucible::lab
