#include "runtime/daemon/protocol.h"
#include "runtime/daemon/event_frame.h"

#include <gtest/gtest.h>

#include <cstring>

namespace crucible::runtime::protocol {
namespace {

// Every length of a frame's beginning must be waited for, never read beyond.
TEST(Protocol, WaitsForAWholeFrame) {
    Buffer bytes;
    const AcknowledgementEntry entries[] = {{1, Outcome::handled, {}}, {2, Outcome::failed, {}}};
    append_acknowledgements(bytes, entries);
    ASSERT_EQ(bytes.size(), 48u);

    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto frame = next_frame(std::span(bytes).first(size));
        ASSERT_TRUE(frame);
        EXPECT_FALSE(*frame) << size;
    }
    const auto frame = next_frame(bytes);
    ASSERT_TRUE(frame && *frame);
    EXPECT_EQ((*frame)->bytes, 48u);
    std::vector<Acknowledgement> read;
    ASSERT_TRUE(read_acknowledgements(**frame, 10, read));
    ASSERT_EQ(read.size(), 2u);
    EXPECT_EQ(read[1].token, 2u);
    EXPECT_EQ(read[1].outcome, Outcome::failed);
}

// A length from a broken peer must not make us allocate gigabytes: it is refused from the header
// alone.
TEST(Protocol, RefusesAFrameOverTheLimitByItsHeader) {
    FrameHeader header{static_cast<std::uint32_t>(kBodyBytesMax), Kind::publish, {}, 0};
    EXPECT_TRUE(next_frame(std::as_bytes(std::span(&header, 1))));
    header.body_bytes += 1;

    const auto frame = next_frame(std::as_bytes(std::span(&header, 1)));

    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().code, Errc::corrupt);
    EXPECT_EQ(frame.error().message, "a frame of 20971521 bytes, over the limit of 20971520");
}

// Kinds and reserved bytes are checked, so that most garbage ends at the first header.
TEST(Protocol, RefusesUnknownKindsAndReservedBytes) {
    const FrameHeader unknown{0, static_cast<Kind>(99), {}, 0};
    EXPECT_FALSE(next_frame(std::as_bytes(std::span(&unknown, 1))));
    const FrameHeader zero{0, static_cast<Kind>(0), {}, 0};
    EXPECT_FALSE(next_frame(std::as_bytes(std::span(&zero, 1))));
    const FrameHeader reserved{0, Kind::publish, {0, 1, 0}, 0};
    EXPECT_FALSE(next_frame(std::as_bytes(std::span(&reserved, 1))));
}

// Frames follow one another aligned, so that an event is read where it was received.
TEST(Protocol, PadsBodiesToTheAlignment) {
    Buffer bytes;
    append_refusal(bytes, Errc::corrupt, "abc");
    EXPECT_EQ(bytes.size(), 24u);
    append_goodbye(bytes);

    const auto first = next_frame(bytes);
    ASSERT_TRUE(first && *first);
    EXPECT_EQ((*first)->body.size(), 3u);
    const auto second = next_frame(std::span(bytes).subspan((*first)->bytes));
    ASSERT_TRUE(second && *second);
    EXPECT_EQ((*second)->header.kind, Kind::goodbye);
}

// Two versions that cannot talk say so, with both numbers.
TEST(Protocol, NamesBothVersionsWhenTheyDiffer) {
    Buffer bytes;
    append_greeting(bytes, Kind::hello, {.version = 7});
    const auto frame = next_frame(bytes);
    ASSERT_TRUE(frame && *frame);

    const auto checked = check_greeting(**frame, Kind::hello, "client");

    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, Errc::unsupported);
    EXPECT_EQ(checked.error().message, "the client speaks protocol version 7, this is version 4");
}

// Greetings were shorter once.
TEST(Protocol, NamesAnOlderVersionByTheBeginningOfItsGreeting) {
    Buffer bytes;
    append_greeting(bytes, Kind::hello, {.version = 3});
    auto frame = next_frame(bytes);
    ASSERT_TRUE(frame && *frame);
    (*frame)->body = (*frame)->body.first(16);

    const auto checked = check_greeting(**frame, Kind::hello, "client");

    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().message, "the client speaks protocol version 3, this is version 4");
    (*frame)->body = (*frame)->body.first(15);
    EXPECT_EQ(check_greeting(**frame, Kind::hello, "client").error().message,
              "the client did not greet");
}

// As long as one of ours has to be: what it says of the rest would be believed.
TEST(Protocol, RefusesAGreetingThatIsTooShort) {
    Buffer bytes;
    append_greeting(bytes, Kind::welcome);
    auto frame = next_frame(bytes);
    ASSERT_TRUE(frame && *frame);
    (*frame)->body = (*frame)->body.first(sizeof(Greeting) - 1);
    EXPECT_EQ(check_greeting(**frame, Kind::welcome, "daemon").error().code, Errc::corrupt);
}

TEST(Protocol, CarriesResponses) {
    Buffer bytes;
    append_response(bytes, 12, {Outcome::failed, "payload", "the reason"});
    const auto frame = next_frame(bytes);
    ASSERT_TRUE(frame && *frame);
    EXPECT_EQ((*frame)->header.token, 12u);

    const auto response = read_response(**frame);

    ASSERT_TRUE(response);
    EXPECT_EQ(response->outcome, Outcome::failed);
    EXPECT_EQ(response->payload, "payload");
    EXPECT_EQ(response->reason, "the reason");
}

// A response that fits in no frame fails that request; it may not close the session of everybody's
// events.
TEST(Protocol, TurnsAResponseThatIsTooLargeIntoAFailure) {
    Buffer bytes;
    append_response(bytes, 1, {Outcome::handled, std::string(kEventBytesMax + 1, 'x'), {}});
    const auto frame = next_frame(bytes);
    ASSERT_TRUE(frame && *frame);

    const auto response = read_response(**frame);

    ASSERT_TRUE(response);
    EXPECT_EQ(response->outcome, Outcome::failed);
    EXPECT_EQ(response->reason, "the response is larger than an event may be");
}

// Lengths inside a body are the peer's word too.
TEST(Protocol, RefusesBrokenBodies) {
    Buffer bytes;
    append_response(bytes, 1, {Outcome::handled, "abcdefgh", {}});
    const std::uint32_t payload_bytes = 9;
    std::memcpy(bytes.data() + sizeof(FrameHeader) + 4, &payload_bytes, sizeof payload_bytes);
    const auto response = next_frame(bytes);
    ASSERT_TRUE(response && *response);
    EXPECT_FALSE(read_response(**response));

    bytes.clear();
    const AcknowledgementEntry entry{1, static_cast<Outcome>(9), {}};
    append_acknowledgements(bytes, {&entry, 1});
    const auto acknowledgement = next_frame(bytes);
    ASSERT_TRUE(acknowledgement && *acknowledgement);
    std::vector<Acknowledgement> read;
    EXPECT_FALSE(read_acknowledgements(**acknowledgement, 10, read));
}

// The largest event the interface allows must be refused or carried, never cut.
TEST(Protocol, LeavesTheBufferAsItWasWhenAnEventIsTooLarge) {
    Buffer bytes(24);
    Event event;
    event.payload.assign(kEventBytesMax + 1, 'x');

    const auto appended = append_event(bytes, Kind::publish, 1, event);

    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().code, Errc::invalid_argument);
    EXPECT_EQ(bytes.size(), 24u);
}

}  // namespace
}  // namespace crucible::runtime::protocol
