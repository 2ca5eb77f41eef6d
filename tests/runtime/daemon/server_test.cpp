#include "runtime/daemon/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "../dispatch/gated_service.h"
#include "acknowledgements.h"
#include "crucible/daemon_client.h"
#include "raw_client.h"
#include "runtime/daemon/event_frame.h"
#include "server_fixture.h"

namespace crucible::runtime {
namespace {

using testing::Acknowledgements;
using ::testing::ElementsAre;
using testing::GatedService;
using testing::kGenerousLimit;
using testing::make_event;
using testing::RawClient;
using testing::ServerTest;

// The whole way: client, socket, dispatcher, service and back.
TEST_F(ServerTest, AcknowledgesAnEventWhenItsServiceIsDone) {
    start();
    service_->close_gate();
    const auto client = connect();
    EXPECT_EQ(client->daemon_pid(), ::getpid());

    ASSERT_TRUE(client->publish(make_event("a"), 42));
    ASSERT_TRUE(service_->wait_for_batches(1));
    EXPECT_TRUE(acknowledgements_.all().empty()) << "acknowledged before it was handled";
    service_->open_gate();
    ASSERT_TRUE(client->drain(kGenerousLimit));

    ASSERT_EQ(acknowledgements_.all().size(), 1u);
    EXPECT_EQ(acknowledgements_.all()[0].token, 42u);
    EXPECT_EQ(acknowledgements_.all()[0].outcome, Outcome::handled);
    EXPECT_EQ(client->stats().handled, 1u);
    EXPECT_EQ(client->stats().queued, 0u);
}

// Everything an event carries arrives; the response comes back to its caller.
TEST_F(ServerTest, AnswersRequests) {
    start();
    const auto client = connect();

    const auto response = client->request(make_event("question"), kGenerousLimit);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->outcome, Outcome::handled);
    EXPECT_EQ(response->payload, "echo question");

    const auto failed = client->request(make_event("fail"), kGenerousLimit);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->outcome, Outcome::failed);
    EXPECT_EQ(failed->reason, "asked to fail");
    EXPECT_TRUE(acknowledgements_.all().empty())
        << "a request has a response and no acknowledgement";
    EXPECT_EQ(client->stats().published, 2u);
}

// A response far larger than any buffer arrives whole.
TEST_F(ServerTest, CarriesLargeEventsAndResponses) {
    start();
    const auto client = connect();
    const std::string payload(3u << 20, 'x');

    const auto response = client->request(make_event(payload), kGenerousLimit);

    ASSERT_TRUE(response);
    EXPECT_EQ(response->payload, "echo " + payload);
}

TEST_F(ServerTest, RequestTimesOutAndItsLateResponseHarmsNobody) {
    start();
    service_->close_gate();
    const auto client = connect();

    const auto response = client->request(make_event("slow"), std::chrono::milliseconds(1));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Errc::timeout);

    service_->open_gate();
    ASSERT_TRUE(client->drain(kGenerousLimit));
    EXPECT_EQ(client->request(make_event("next"), kGenerousLimit)->payload, "echo next");
}

// A full queue is answered, event by event; those accepted before are unharmed.
TEST_F(ServerTest, RejectsWhatItsQueueCannotHold) {
    start({.workers = 1, .queue_events_max = 2});
    service_->close_gate();
    const auto client = connect();
    for (std::uint64_t token = 0; token < 5; ++token)
        ASSERT_TRUE(client->publish(make_event("a"), token));
    ASSERT_TRUE(acknowledgements_.wait_for(3));
    EXPECT_EQ(acknowledgements_.count(Outcome::rejected), 3u);
    service_->open_gate();
    ASSERT_TRUE(client->drain(kGenerousLimit));

    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 2u);
    EXPECT_EQ(client->stats().rejected, 3u);
}

// With Overflow::block nothing is rejected: who goes on keeps what there is no room for.
TEST_F(ServerTest, LetsAPublisherWaitForRoom) {
    start({.workers = 1, .queue_events_max = 2, .overflow = Overflow::block});
    service_->close_gate();
    const auto client = connect();
    const auto other = connect();
    for (std::uint64_t token = 0; token < 50; ++token)
        ASSERT_TRUE(client->publish(make_event("a"), token));
    ASSERT_TRUE(service_->wait_for_batches(1));
    while (server_->stats().published < 1) std::this_thread::yield();
    ASSERT_TRUE(other->publish(make_event("b"), 100));
    EXPECT_TRUE(acknowledgements_.all().empty());
    service_->open_gate();
    ASSERT_TRUE(client->drain(kGenerousLimit));
    ASSERT_TRUE(other->drain(kGenerousLimit));

    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 51u);
    const auto payloads = service_->payloads();
    EXPECT_EQ(std::ranges::count(payloads, "a"), 50);
}

// A client that goes away while its next event waits for room leaves nothing behind.
TEST_F(ServerTest, ForgetsAWaitingPublisherThatLeaves) {
    start({.workers = 1, .queue_events_max = 1, .overflow = Overflow::block});
    service_->close_gate();
    const auto client = connect();
    ASSERT_TRUE(client->publish(make_event("first"), 0));
    ASSERT_TRUE(service_->wait_for_batches(1));
    {
        const auto leaves = connect();
        ASSERT_TRUE(leaves->publish(make_event("never read"), 1));
    }
    service_->open_gate();
    ASSERT_TRUE(client->drain(kGenerousLimit));
    EXPECT_EQ(client->request(make_event("next"), kGenerousLimit)->payload, "echo next");
}

TEST_F(ServerTest, RejectsAnEventThatNoServiceFits) {
    start();
    const auto client = connect();
    Event event = make_event("a");
    event.targets = {"nobody"};

    ASSERT_TRUE(client->publish(event, 1));
    ASSERT_TRUE(client->drain(kGenerousLimit));

    EXPECT_EQ(acknowledgements_.count(Outcome::rejected), 1u);
}

// An order to stop is not an order to forget: what was accepted is handled and acknowledged first.
TEST_F(ServerTest, FinishesWhatItAcceptedBeforeItStops) {
    start();
    service_->close_gate();
    const auto client = connect();
    for (std::uint64_t token = 0; token < 100; ++token)
        ASSERT_TRUE(client->publish(make_event("a"), token));
    while (server_->stats().published < 100) std::this_thread::yield();
    server_->request_stop();
    service_->open_gate();
    thread_.join();

    ASSERT_TRUE(ended_) << ended_.error().message;
    EXPECT_TRUE(client->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 100u);
    EXPECT_FALSE(std::filesystem::exists(socket_));
    const auto refused = client->publish(make_event("late"), 100);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::closed);
}

// A second signal means now.
TEST_F(ServerTest, StopsAtOnceWhenAskedTwice) {
    start();
    service_->close_gate();
    const auto client = connect();
    ASSERT_TRUE(client->publish(make_event("a"), 0));
    ASSERT_TRUE(service_->wait_for_batches(1));
    server_->request_stop();
    server_->request_stop();
    thread_.join();

    ASSERT_FALSE(ended_);
    EXPECT_EQ(ended_.error().code, Errc::closed);
    EXPECT_EQ(ended_.error().message, "stopped at once; 1 events unfinished");
    EXPECT_TRUE(acknowledgements_.all().empty());
}

// A client that dies takes nothing with it: its events are handled, and the others never notice.
TEST_F(ServerTest, OutlivesAClientThatVanishesWithEventsInFlight) {
    start();
    service_->close_gate();
    const auto other = connect();
    {
        RawClient vanishing(socket_);
        ASSERT_TRUE(vanishing.greet());
        protocol::Buffer frames;
        for (std::uint64_t token = 0; token < 10; ++token) {
            ASSERT_TRUE(protocol::append_event(frames, protocol::Kind::publish, token,
                                               make_event("orphan")));
        }
        ASSERT_TRUE(vanishing.send(frames));
        ASSERT_TRUE(service_->wait_for_batches(1));
    }
    ASSERT_TRUE(other->publish(make_event("mine"), 7));
    service_->open_gate();
    ASSERT_TRUE(other->drain(kGenerousLimit));

    EXPECT_EQ(acknowledgements_.all().size(), 1u);
    EXPECT_EQ(acknowledgements_.all()[0].token, 7u);
    while (server_->stats().handled < 11) std::this_thread::yield();
    EXPECT_EQ(service_->payloads().size(), 11u);
}

// An old client learns which version is spoken here, and only its session ends.
TEST_F(ServerTest, RefusesAnotherVersionWithAReason) {
    start();
    const auto other = connect();
    RawClient old(socket_);
    protocol::Buffer hello;
    protocol::append_greeting(hello, protocol::Kind::hello, {.version = 9});
    ASSERT_TRUE(old.send(hello));

    const auto answer = old.receive();

    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->header.kind, protocol::Kind::refuse);
    EXPECT_EQ(answer->header.token, static_cast<std::uint64_t>(Errc::unsupported));
    EXPECT_EQ(answer->text(), "the client speaks protocol version 9, this is version 4");
    EXPECT_TRUE(old.ended());
    EXPECT_TRUE(other->request(make_event("still here"), kGenerousLimit));
}

TEST_F(ServerTest, ClosesASessionThatSendsGarbage) {
    start();
    const auto other = connect();
    RawClient stranger(socket_);
    ASSERT_TRUE(stranger.send_text("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));

    const auto answer = stranger.receive();

    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->header.kind, protocol::Kind::refuse);
    EXPECT_TRUE(stranger.ended());
    EXPECT_TRUE(other->request(make_event("still here"), kGenerousLimit));
}

TEST_F(ServerTest, ClosesASessionThatAnnouncesAnOversizedFrame) {
    start();
    RawClient client(socket_);
    ASSERT_TRUE(client.greet());
    const protocol::FrameHeader header{0x7fffffff, protocol::Kind::publish, {}, 0};
    ASSERT_TRUE(client.send(std::as_bytes(std::span(&header, 1))));

    const auto answer = client.receive();

    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->text(), "a frame of 2147483647 bytes, over the limit of 20971520");
    EXPECT_TRUE(client.ended());
}

// A frame can be whole and its event broken: verified on receipt, never handed to a service.
TEST_F(ServerTest, ClosesASessionWhoseEventIsCorrupt) {
    start();
    RawClient client(socket_);
    ASSERT_TRUE(client.greet());
    protocol::Buffer frame;
    ASSERT_TRUE(protocol::append_event(frame, protocol::Kind::publish, 1, make_event("a")));
    for (std::size_t i = sizeof(protocol::FrameHeader); i < frame.size(); ++i)
        frame[i] ^= std::byte{0xa5};
    ASSERT_TRUE(client.send(frame));

    const auto answer = client.receive();

    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->header.kind, protocol::Kind::refuse);
    EXPECT_EQ(answer->header.token, static_cast<std::uint64_t>(Errc::corrupt));
    EXPECT_EQ(answer->text(), "not a valid event");
    EXPECT_TRUE(client.ended());
    EXPECT_TRUE(service_->payloads().empty());
    EXPECT_EQ(server_->stats().published, 0u);
}

// Publishing needs no hello to be dangerous: the handshake comes first.
TEST_F(ServerTest, TakesNoEventBeforeTheHandshake) {
    start();
    RawClient client(socket_);
    protocol::Buffer frame;
    ASSERT_TRUE(protocol::append_event(frame, protocol::Kind::publish, 1, make_event("a")));
    ASSERT_TRUE(client.send(frame));

    const auto answer = client.receive();

    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->text(), "the client did not greet");
    EXPECT_EQ(server_->stats().published, 0u);
}

// Frames arrive in pieces of any size; one byte at a time is the worst.
TEST_F(ServerTest, ReadsFramesInAnyPieces) {
    start();
    RawClient client(socket_);
    ASSERT_TRUE(client.greet());
    protocol::Buffer frames;
    for (std::uint64_t token = 0; token < 3; ++token) {
        ASSERT_TRUE(
            protocol::append_event(frames, protocol::Kind::publish, token, make_event("piece")));
    }
    for (const std::byte byte : frames) ASSERT_TRUE(client.send({&byte, 1}));

    std::vector<Acknowledgement> acknowledged;
    while (acknowledged.size() < 3) {
        const auto answer = client.receive();
        ASSERT_TRUE(answer);
        protocol::Frame frame{answer->header, answer->body, 0};
        ASSERT_TRUE(protocol::read_acknowledgements(frame, 3, acknowledged));
    }
    EXPECT_EQ(service_->payloads(), (std::vector<std::string>{"piece", "piece", "piece"}));
}

// A client that leaves in order gets what is due to it, then the daemon's own goodbye.
TEST_F(ServerTest, AnswersAGoodbyeAfterTheLastAcknowledgement) {
    start();
    service_->close_gate();
    RawClient client(socket_);
    ASSERT_TRUE(client.greet());
    protocol::Buffer frames;
    ASSERT_TRUE(protocol::append_event(frames, protocol::Kind::publish, 5, make_event("last")));
    protocol::append_goodbye(frames);
    ASSERT_TRUE(client.send(frames));
    ASSERT_TRUE(service_->wait_for_batches(1));
    service_->open_gate();

    const auto acknowledgement = client.receive();
    ASSERT_TRUE(acknowledgement);
    EXPECT_EQ(acknowledgement->header.kind, protocol::Kind::acknowledge);
    const auto goodbye = client.receive();
    ASSERT_TRUE(goodbye);
    EXPECT_EQ(goodbye->header.kind, protocol::Kind::goodbye);
    EXPECT_TRUE(client.ended());
}

// A client that reads nothing is not read from any more: its bytes stay in its own socket. All of
// its requests are answered once it reads, none twice.
TEST_F(ServerTest, StopsReadingFromAClientThatDoesNotReadItsAnswers) {
    start();
    RawClient client(socket_);
    ASSERT_TRUE(client.greet());
    protocol::Buffer frames;
    const std::string payload(100'000, 'x');
    std::uint64_t sent = 0;
    const int size = 1u << 20;
    ASSERT_EQ(::setsockopt(client.fd(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    // Until the socket takes no more though the daemon is idle, which it only ever does when nobody
    // reads it.
    for (bool taken = true; taken;) {
        frames.clear();
        ASSERT_TRUE(
            protocol::append_event(frames, protocol::Kind::request, sent, make_event(payload)));
        std::span<const std::byte> rest = frames;
        while (!rest.empty()) {
            pollfd waiter{.fd = client.fd(), .events = POLLOUT, .revents = 0};
            if (::poll(&waiter, 1, 300) == 0) {
                taken = false;
                break;
            }
            const auto count =
                ::send(client.fd(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count > 0) rest = rest.subspan(static_cast<std::size_t>(count));
        }
        if (taken) ++sent;
        ASSERT_LT(sent, 2'000u) << "the daemon keeps reading, and keeps the answers";
        frames.assign(rest.begin(), rest.end());
    }
    // The rest of the frame that was cut goes out while the answers come in.
    std::jthread rest_sender([&] { client.send(frames); });
    std::vector<bool> answered(sent + 1);
    for (std::uint64_t i = 0; i <= sent; ++i) {
        const auto answer = client.receive();
        ASSERT_TRUE(answer);
        ASSERT_LE(answer->header.token, sent);
        EXPECT_FALSE(answered[answer->header.token]);
        answered[answer->header.token] = true;
    }
}

// Requests beyond what is handled at a time wait in the daemon's memory, already read: answering
// the first ones must bring them forward, as no further byte will arrive to do so.
TEST_F(ServerTest, AnswersEveryRequestOfABurst) {
    start();
    RawClient client(socket_);
    ASSERT_TRUE(client.greet());
    for (int round = 0; round < 20; ++round) {
        protocol::Buffer frames;
        constexpr std::uint64_t kRequests = 5 * Session::kRequestsMax;
        for (std::uint64_t token = 0; token < kRequests; ++token) {
            ASSERT_TRUE(
                protocol::append_event(frames, protocol::Kind::request, token, make_event("a")));
        }
        ASSERT_TRUE(client.send(frames));
        for (std::uint64_t i = 0; i < kRequests; ++i) {
            const auto answer = client.receive();
            ASSERT_TRUE(answer) << i << " answered in round " << round;
            EXPECT_EQ(answer->header.token, i);
        }
    }
}

// Without work nobody needs to see an event: it is routed by its head and acknowledged, the same
// end for a run of tokens in one entry. Requests are answered, and what no service fits is rejected
// as ever.
TEST_F(ServerTest, AcknowledgesUnseenWhereThereIsNoWork) {
    start();
    RawClient client(socket_);
    ASSERT_TRUE(client.greet());
    protocol::Buffer frames;
    auto event = make_event("x");
    event.category = Category::system;
    auto stranger = event;
    stranger.targets = {"nobody"};
    for (std::uint64_t token = 100; token < 200; ++token)
        ASSERT_TRUE(protocol::append_event(frames, protocol::Kind::publish, token, event));
    ASSERT_TRUE(protocol::append_event(frames, protocol::Kind::request, 7, event));
    ASSERT_TRUE(protocol::append_event(frames, protocol::Kind::publish, 200, stranger));
    ASSERT_TRUE(client.send(frames));

    std::vector<Acknowledgement> acknowledged;
    std::size_t entries = 0;
    bool answered = false;
    while (acknowledged.size() < 101 || !answered) {
        const auto answer = client.receive();
        ASSERT_TRUE(answer);
        if (answer->header.kind == protocol::Kind::response) {
            EXPECT_EQ(answer->header.token, 7u);
            answered = true;
            continue;
        }
        entries += answer->body.size() / sizeof(protocol::AcknowledgementEntry);
        const protocol::Frame frame{answer->header, answer->body, 0};
        ASSERT_TRUE(protocol::read_acknowledgements(frame, 1000, acknowledged));
    }
    for (std::size_t i = 0; i < 100; ++i) {
        EXPECT_EQ(acknowledged[i].token, 100 + i);
        EXPECT_EQ(acknowledged[i].outcome, Outcome::handled);
    }
    EXPECT_EQ(acknowledged[100].outcome, Outcome::rejected);
    // All of it fits into one read; were it cut, each piece has one entry more.
    EXPECT_LE(entries, 6u);
    EXPECT_EQ(server_->stats().handled, 101u);
    EXPECT_EQ(server_->stats().published, 102u);
}

// Several clients at once, each with its own answers.
TEST_F(ServerTest, KeepsTheSessionsApart) {
    start({.workers = 3});
    constexpr std::uint64_t kEvents = 3'000;
    std::vector<std::jthread> threads;
    for (std::uint64_t client_number = 0; client_number < 3; ++client_number) {
        threads.emplace_back([&, client_number] {
            Acknowledgements mine;
            auto client = DaemonClient::connect({.socket = socket_}, mine.handler());
            ASSERT_TRUE(client);
            for (std::uint64_t i = 0; i < kEvents; ++i) {
                ASSERT_TRUE((*client)->publish(make_event("x"), client_number * kEvents + i));
            }
            ASSERT_TRUE((*client)->drain(kGenerousLimit));
            std::vector<bool> seen(kEvents);
            for (const auto& acknowledgement : mine.all()) {
                const std::uint64_t index = acknowledgement.token - client_number * kEvents;
                ASSERT_LT(index, kEvents);
                EXPECT_FALSE(seen[index]);
                seen[index] = true;
            }
            EXPECT_EQ(mine.all().size(), kEvents);
        });
    }
    threads.clear();
    EXPECT_EQ(server_->stats().handled, 3 * kEvents);
}

}  // namespace
}  // namespace crucible::runtime
