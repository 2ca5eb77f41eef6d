#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <string>

#include "base/clock.h"
#include "lab/target/nginx.h"
#include "lab/target/system.h"
#include "lab/target/target.h"
#include "lab/target/target_client.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

using Client = TargetClient;

// More events than connections: the rest wait for one, and each is answered once.
TEST(HttpTarget, EveryRequestIsAnswered) {
    Nginx server("location / { return 204; }");
    Client client(server.url("/#connections=3"));
    ASSERT_TRUE(client.target) << client.error.message;
    EXPECT_TRUE(client.target->polled());
    EXPECT_TRUE(client.send(200));
    ASSERT_TRUE(client.target->drain(60s));
    EXPECT_EQ(client.outcomes[Outcome::handled], 200);
    EXPECT_TRUE(client.each_answered_once());
    EXPECT_EQ(client.target->remarks(), "");
}

// A server ends a connection after some requests, as nginx does after 1,000: the client goes on
// with a new one, and what was pipelined behind the last answer is sent again. Nothing is lost.
TEST(HttpTarget, GoesOnWhereTheServerEndsAConnection) {
    Nginx server("keepalive_requests 7; location / { return 200 ok; }");
    for (const auto* options : {"connections=2", "connections=2&pipeline=5"}) {
        Client client(server.url("/#") + options);
        ASSERT_TRUE(client.target) << client.error.message;
        EXPECT_TRUE(client.send(100));
        const auto drained = client.target->drain(60s);
        ASSERT_TRUE(drained) << drained.error().message << client.target->remarks();
        EXPECT_EQ(client.outcomes[Outcome::handled], 100) << client.target->remarks();
        EXPECT_TRUE(client.each_answered_once());
    }
}

TEST(HttpTarget, UnexpectedAnswersAreFailures) {
    Nginx server(
        "location / { return 503; } location /ok { return 200 '{\"status\": \"stored\"}'; }");
    Client busy(server.url("/"));
    busy.send(10);
    ASSERT_TRUE(busy.target->drain(60s));
    EXPECT_EQ(busy.outcomes[Outcome::failed], 10);
    EXPECT_EQ(busy.target->remarks(), "status 503 (10x)");

    Client expecting(server.url("/#expect=5xx"));
    expecting.send(10);
    ASSERT_TRUE(expecting.target->drain(60s));
    EXPECT_EQ(expecting.outcomes[Outcome::handled], 10);

    Client stored(server.url("/ok#contains=stored"));
    stored.send(10);
    ASSERT_TRUE(stored.target->drain(60s));
    EXPECT_EQ(stored.outcomes[Outcome::handled], 10);

    Client deleted(server.url("/ok#contains=deleted"));
    deleted.send(10);
    ASSERT_TRUE(deleted.target->drain(60s));
    EXPECT_EQ(deleted.outcomes[Outcome::failed], 10);
    EXPECT_EQ(deleted.target->remarks(), "a body without 'deleted' (10x)");
}

// Large requests do not fit into the socket at once.
TEST(HttpTarget, LargeBodiesArriveWhole) {
    Nginx server("location / { proxy_pass http://127.0.0.1:1; } location /in { return 200; }");
    Client client(server.url("/in#connections=2"));
    Event event = client.event;
    event.content_type = "text/plain";
    event.payload.assign(5'000'000, 'x');
    for (std::uint64_t i = 0; i < 6; ++i) ASSERT_TRUE(client.target->send(event, i));
    ASSERT_TRUE(client.target->drain(60s)) << client.target->remarks();
    EXPECT_EQ(client.outcomes[Outcome::handled], 6) << client.target->remarks();
}

TEST(HttpTarget, SpeaksTls) {
    Nginx server("keepalive_requests 20; location / { return 200 ok; }", true);
    Client trusting(server.url("/#connections=2&ca=" + server.certificate()));
    ASSERT_TRUE(trusting.target) << trusting.error.message;
    trusting.send(50);
    ASSERT_TRUE(trusting.target->drain(60s)) << trusting.target->remarks();
    EXPECT_EQ(trusting.outcomes[Outcome::handled], 50);

    Client careless(server.url("/#verify=no"));
    EXPECT_TRUE(careless.target) << careless.error.message;

    Client careful(server.url("/"));
    EXPECT_FALSE(careful.target);
    EXPECT_EQ(careful.error.code, Errc::permission_denied);
    EXPECT_NE(careful.error.message.find("TLS: self-signed certificate"), std::string::npos)
        << careful.error.message;

    // Plain HTTP to a port that greets with TLS, and the other way round.
    std::string plain = server.url("/");
    plain.replace(0, 5, "http");
    Client confused(plain);
    EXPECT_TRUE(confused.send(1));
    ASSERT_TRUE(confused.target->drain(60s));
    EXPECT_EQ(confused.target->remarks(), "status 400 (1x)");
}

// Who is not there is named before any load.
TEST(HttpTarget, ServersThatAreNotThere) {
    const std::string nobody = Listener().url();  // closed again
    Client refused(nobody);
    EXPECT_EQ(refused.error.code, Errc::closed);
    EXPECT_EQ(refused.error.message, nobody.substr(0, nobody.size() - 1) + ": Connection refused");

    Client unknown("http://no-such-host.invalid/");
    EXPECT_EQ(unknown.error.code, Errc::not_found);
    EXPECT_TRUE(unknown.error.message.starts_with("host 'no-such-host.invalid': "))
        << unknown.error.message;
}

// The kernel takes the connections of a process that never looks: only time tells.
TEST(HttpTarget, AServerThatNeverAnswersTimesOut) {
    Listener silent;
    Client client(silent.url() + "#connections=2&queue=3");
    ASSERT_TRUE(client.target) << client.error.message;
    EXPECT_EQ(client.send(10).error().code, Errc::overloaded);
    EXPECT_EQ(client.refused, 5);  // two on connections, three waiting: memory is bounded
    const auto drained = client.target->drain(1ms);
    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().code, Errc::timeout);
    EXPECT_EQ(drained.error().message, "5 events were not acknowledged");
    EXPECT_TRUE(client.answers.empty());
}

// A server that dies takes with it what it had not answered; that nobody is there any more is said
// once it is sure.
TEST(HttpTarget, AServerThatDiesIsGone) {
    Nginx server("location / { return 200; }");
    Client client(server.url("/#connections=2"));
    EXPECT_TRUE(client.send(5));
    ASSERT_TRUE(client.target->drain(60s));
    server.stop();
    const Error gone = client.send_until_refused();
    EXPECT_EQ(gone.code, Errc::closed);
    EXPECT_NE(gone.message.find("Connection refused"), std::string::npos) << gone.message;
}

// After a restart it goes on.
TEST(HttpTarget, AServerThatComesBackIsUsedAgain) {
    Nginx server("location / { return 200; }");
    Client client(server.url("/#connections=2"));
    EXPECT_TRUE(client.send(5));
    ASSERT_TRUE(client.target->drain(60s));
    server.stop();
    server.start();
    const TimePoint limit = base::monotonic_now() + 60s;
    client.outcomes.clear();
    while (client.outcomes[Outcome::handled] == 0 && base::monotonic_now() < limit) {
        [[maybe_unused]] const auto sent = client.send(1);  // refused while nobody is there
        client.target->serve(base::monotonic_now() + 1ms);
    }
    EXPECT_GT(client.outcomes[Outcome::handled], 0) << client.target->remarks();
}

TEST(HttpTarget, AServerOfAnotherProtocolIsNamed) {
    Listener listener;
    Client client(listener.url() + "#connections=1");
    ASSERT_TRUE(client.target) << client.error.message;
    const base::UniqueFd peer(::accept4(listener.descriptor(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(client.send(1));
    const std::string greeting = "220 mail.example.org ESMTP\r\n\r\n";
    ASSERT_EQ(::send(peer.get(), greeting.data(), greeting.size(), 0),
              static_cast<ssize_t>(greeting.size()));
    const TimePoint limit = base::monotonic_now() + 60s;
    while (client.target->remarks().empty() && base::monotonic_now() < limit)
        client.target->serve(base::monotonic_now() + 1ms);
    EXPECT_TRUE(client.target->remarks().starts_with("lost: not an HTTP response: "))
        << client.target->remarks();
}

}  // namespace
}  // namespace crucible::lab
