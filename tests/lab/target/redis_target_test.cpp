#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/clock.h"
#include "lab/target/brokers.h"
#include "lab/target/redis_link.h"
#include "lab/target/target_client.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

std::string keys_of(const RedisServer& server) {
    auto link = RedisLink::connect(*broker_options(*parse_target(server.url())));
    if (!link) return link.error().message;
    const auto reply = link->command({"KEYS", "*"});
    return std::to_string((*reply)->elements);
}

TEST(RedisTarget, StreamsAreReadAndAcknowledged) {
    RedisServer server;
    {
        TargetClient client(server.url("/orders"));
        ASSERT_TRUE(client.target) << client.error.message;
        EXPECT_TRUE(client.target->polled());
        ASSERT_TRUE(client.send(5'000));
        const auto drained = client.target->drain(60s);
        ASSERT_TRUE(drained) << drained.error().message;
        EXPECT_EQ(client.outcomes[Outcome::handled], 5'000);
        EXPECT_TRUE(client.each_answered_once());
        EXPECT_EQ(client.target->remarks(), "");
        EXPECT_EQ(keys_of(server), "1");
    }
    EXPECT_EQ(keys_of(server), "0");
}

TEST(RedisTarget, PubSubDeliversEachEventOnce) {
    RedisServer server;
    TargetClient client(server.url("/orders?mode=pubsub&format=payload"));
    ASSERT_TRUE(client.target) << client.error.message;
    client.event.payload = std::string("{\"with blanks and a zero\": \0}", 30);
    ASSERT_TRUE(client.send(5'000));
    ASSERT_TRUE(client.target->drain(60s));
    EXPECT_EQ(client.outcomes[Outcome::handled], 5'000);
    EXPECT_TRUE(client.each_answered_once());
    EXPECT_EQ(client.target->remarks(), "");
}

// A stream shorter than what is in flight loses events, and they stay unanswered.
TEST(RedisTarget, WhatIsTrimmedIsLost) {
    RedisServer server({"--stream-node-max-entries", "1"});
    TargetClient client(server.url("?maxlen=1"));
    ASSERT_TRUE(client.target) << client.error.message;
    // Sent in one write, so that Redis runs them all before the consumer is served.
    ASSERT_TRUE(client.send(100));
    const auto drained = client.target->drain(500ms);
    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().code, Errc::timeout);
    EXPECT_LT(client.outcomes[Outcome::handled], 100);
}

// A server at its memory limit answers with errors: those events have failed.
TEST(RedisTarget, ErrorsOfTheServerFailEvents) {
    RedisServer server({"--maxmemory", "1kb"});
    TargetClient client(server.url("?mode=pubsub"));
    // The limit lets nobody in who writes; publishing is no write.
    ASSERT_TRUE(client.target) << client.error.message;
    TargetClient stream(server.url());
    ASSERT_FALSE(stream.target);
    EXPECT_NE(stream.error.message.find("XGROUP: OOM"), std::string::npos) << stream.error.message;
}

TEST(RedisTarget, ServersThatAreNotThere) {
    const auto url = "redis://127.0.0.1:" + std::to_string(Listener().port());
    TargetClient refused(url);
    EXPECT_EQ(refused.error.code, Errc::closed);
    EXPECT_EQ(refused.error.message, url + ": Connection refused");
    TargetClient unknown("redis://no-such-host.invalid");
    EXPECT_EQ(unknown.error.code, Errc::not_found);
    RedisServer locked({"--requirepass", "secret"});
    TargetClient stranger(locked.url());
    EXPECT_EQ(stranger.error.code, Errc::permission_denied) << stranger.error.message;
    std::string known = locked.url();
    known.insert(known.find("//") + 2, ":secret@");
    TargetClient guest(known);
    EXPECT_TRUE(guest.target) << guest.error.message;
}

TEST(RedisTarget, AServerThatDiesIsGone) {
    RedisServer server;
    TargetClient client(server.url());
    ASSERT_TRUE(client.target) << client.error.message;
    ASSERT_TRUE(client.send(10));
    ASSERT_TRUE(client.target->drain(60s));
    server.kill();
    const Error gone = client.send_until_refused();
    EXPECT_EQ(gone.code, Errc::closed);
    EXPECT_TRUE(gone.message.starts_with(server.url() + ": ")) << gone.message;
}

}  // namespace
}  // namespace crucible::lab
