#include "runtime/daemon/event_frame.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace crucible::runtime::protocol {
namespace {

Event sample() {
    Event event;
    event.id.bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    event.category = Category::database;
    event.priority = Priority::high;
    event.type = "record.created";
    event.source = "client-7";
    event.targets = {"database-1", "", "database-2"};
    event.payload = std::string(300, 'p');
    return event;
}

Buffer frame_of(const Event& event) {
    Buffer bytes;
    EXPECT_TRUE(append_event(bytes, Kind::publish, 42, event));
    return bytes;
}

std::span<const std::byte> body_of(const Buffer& bytes) {
    const auto frame = next_frame(bytes);
    EXPECT_TRUE(frame && *frame);
    EXPECT_EQ((*frame)->bytes, bytes.size());
    return (*frame)->body;
}

// Routing sees what the event says without decoding it, and decoding gives the event.
TEST(EventFrame, SaysWhatRoutingNeedsAheadOfTheEvent) {
    const auto event = sample();
    const auto bytes = frame_of(event);
    std::vector<std::string_view> names;
    const auto body = read_event(body_of(bytes), names);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->id, event.id);
    EXPECT_EQ(body->view.category, Category::database);
    EXPECT_EQ(body->view.priority, Priority::high);
    EXPECT_EQ(body->view.type, "record.created");
    EXPECT_EQ(body->view.source, "client-7");
    EXPECT_EQ(body->view.payload_bytes, 300u);
    ASSERT_EQ(body->view.targets.size(), 3u);
    EXPECT_EQ(body->view.targets[0], "database-1");
    EXPECT_EQ(body->view.targets[1], "");
    EXPECT_EQ(body->view.targets[2], "database-2");
    // FlatBuffers reads words where they lie.
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(body->encoded.data()) % kAlignment, 0u);
    Event decoded;
    ASSERT_TRUE(decode_body(*body, decoded));
    EXPECT_EQ(decoded, event);
}

// Wherever it is written: no byte of what was there before goes out.
TEST(EventFrame, IsTheSameInAnyMemory) {
    Event event = sample();
    for (std::size_t payload = 0; payload < 20; ++payload) {
        event.payload.assign(payload, 'p');
        event.content_type.assign(payload % 5, 'c');
        event.type.assign(payload % 7, 't');
        if (payload % 2 == 0) event.targets.clear();
        const auto size = event_frame_size(event);
        ASSERT_TRUE(size);
        Buffer clean(size->frame + 1, std::byte{0});
        Buffer dirty(size->frame + 1, std::byte{0xff});
        write_event_frame(*size, Kind::publish, 42, event, clean.data());
        write_event_frame(*size, Kind::publish, 42, event, dirty.data());
        EXPECT_EQ(dirty.back(), std::byte{0xff}) << "not a byte more";
        clean.pop_back();
        dirty.pop_back();
        EXPECT_EQ(clean, dirty) << payload;
        EXPECT_EQ(clean, frame_of(event));
    }
}

// Where the sender may still change the body, what was read stays as it was read.
TEST(EventFrame, CopiesWhatMayStillChange) {
    const auto event = sample();
    auto bytes = frame_of(event);
    std::vector<std::string_view> names;
    Buffer copy;
    const auto body = read_event(body_of(bytes), names, &copy);
    ASSERT_TRUE(body);
    std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
    EXPECT_EQ(body->view.type, "record.created");
    EXPECT_EQ(body->view.source, "client-7");
    ASSERT_EQ(body->view.targets.size(), 3u);
    EXPECT_EQ(body->view.targets[0], "database-1");
    EXPECT_EQ(body->view.targets[2], "database-2");
}

// A body cut anywhere within the head or its texts is refused and read no further.
TEST(EventFrame, RefusesAHeadThatIsCut) {
    const auto bytes = frame_of(sample());
    const auto body = body_of(bytes);
    std::vector<std::string_view> names;
    const std::size_t encoded_at = body.size() - read_event(body, names)->encoded.size();
    for (std::size_t size = 0; size < encoded_at; ++size) {
        const std::vector<std::byte> cut(body.begin(),
                                         body.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(read_event(cut, names)) << size;
    }
}

// Every single byte of the head set to 0xff: refused, or read within the body; run under
// AddressSanitizer this shows that no length is believed.
TEST(EventFrame, BelievesNoLength) {
    const auto bytes = frame_of(sample());
    const auto body = body_of(bytes);
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < sizeof(EventHead) + 60; ++i) {
        std::vector<std::byte> broken(body.begin(), body.end());
        broken[i] = std::byte{0xff};
        const auto read = read_event(broken, names);
        if (!read) continue;
        Event event;
        (void)decode_body(*read, event);
        for (std::size_t t = 0; t < read->view.targets.size(); ++t)
            EXPECT_LE(read->view.targets[t].size(), broken.size());
    }
}

// An event is routed by its head. One that says something else must not reach a service that its
// head chose: who may publish to one service could else reach any.
TEST(EventFrame, RefusesAnEventThatIsNotTheOneAnnounced) {
    const auto announced = frame_of(sample());
    const auto change = [&](auto set) {
        auto other = sample();
        set(other);
        const auto bytes = frame_of(other);
        std::vector<std::string_view> names;
        std::vector<std::string_view> other_names;
        auto body = read_event(body_of(announced), names);
        const auto hidden = read_event(body_of(bytes), other_names);
        body->encoded = hidden->encoded;
        Event event;
        return decode_body(*body, event).has_value();
    };
    EXPECT_TRUE(change([](Event&) {}));
    EXPECT_FALSE(change([](Event& event) { event.category = Category::system; }));
    EXPECT_FALSE(change([](Event& event) { event.priority = Priority::critical; }));
    EXPECT_FALSE(change([](Event& event) { event.type = "record.deleted"; }));
    EXPECT_FALSE(change([](Event& event) { event.source = "client-8"; }));
    EXPECT_FALSE(change([](Event& event) { event.payload += 'x'; }));
    EXPECT_FALSE(change([](Event& event) { event.targets.pop_back(); }));
    EXPECT_FALSE(change([](Event& event) { event.targets[1] = "x"; }));
    EXPECT_FALSE(change([](Event& event) { event.id.bytes[0] = 99; }));
}

// Lengths of texts are two bytes: what does not fit is refused, not cut.
TEST(EventFrame, RefusesTextsThatAreTooLong) {
    Buffer bytes(24);
    auto event = sample();
    event.source.assign(65'536, 's');
    const auto appended = append_event(bytes, Kind::publish, 1, event);
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().message, "source of 65536 bytes: at most 65535 are allowed");
    EXPECT_EQ(bytes.size(), 24u);
    event.source.assign(65'535, 's');
    EXPECT_TRUE(append_event(bytes, Kind::publish, 1, event));
}

// It counts for nothing in the limits of queues, and so has one of its own.
TEST(EventFrame, AContentTypeIsShort) {
    Event event;
    event.content_type.assign(kContentTypeBytesMax + 1, 'x');
    protocol::Buffer out;
    const auto refused = protocol::append_event(out, protocol::Kind::publish, 1, event);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::invalid_argument);
    EXPECT_EQ(refused.error().message, "content type of 256 bytes: at most 255 are allowed");
    EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace crucible::runtime::protocol
