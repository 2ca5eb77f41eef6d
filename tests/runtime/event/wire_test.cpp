#include "runtime/event/wire.h"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "runtime/event/sample_events.h"

namespace crucible::runtime {
namespace {

std::vector<std::byte> encoded(const Event& event) {
    std::vector<std::byte> bytes;
    const auto result = encode_event(event, bytes);
    EXPECT_TRUE(result) << result.error().message;
    return bytes;
}

/// Why `bytes` are refused; nothing when they are accepted.
std::optional<Errc> refusal(std::span<const std::byte> bytes) {
    Event arrived;
    const auto result = decode_event(bytes, arrived);
    return result ? std::nullopt : std::optional(result.error().code);
}

std::optional<Errc> encoding_refusal(const Event& event) {
    std::vector<std::byte> out;
    const auto result = encode_event(event, out);
    return result ? std::nullopt : std::optional(result.error().code);
}

Event with_payload_of(std::size_t size) {
    Event event;
    event.payload.assign(size, 'x');
    return event;
}

// Whatever an event holds arrives unchanged, also where the receiver's event still holds the one
// before.
TEST(Wire, EveryEventArrivesAsItWasSent) {
    base::Rng random(1);
    Event arrived;
    for (int i = 0; i < 5000; ++i) {
        const Event event = random_event(random);
        ASSERT_TRUE(decode_event(encoded(event), arrived));
        ASSERT_EQ(arrived, event) << "event " << i;
    }
}

// The daemon gathers frames in one buffer: an event is appended, and must be readable at any
// address.
TEST(Wire, IsAppendedAndReadableAtAnyAlignment) {
    base::Rng random(2);
    const Event event = random_event(random);
    for (std::size_t offset = 1; offset < 9; ++offset) {
        std::vector<std::byte> bytes(offset, std::byte{0x5a});
        ASSERT_TRUE(encode_event(event, bytes));
        EXPECT_EQ(bytes.front(), std::byte{0x5a});
        Event arrived;
        ASSERT_TRUE(decode_event(std::span(bytes).subspan(offset), arrived));
        EXPECT_EQ(arrived, event);
    }
}

// A connection that breaks in mid-event leaves a prefix; even one that lacks nothing but padding is
// not whole. Each is copied to memory of its exact size, so that AddressSanitizer sees any read
// past its end.
TEST(Wire, EveryPrefixIsCorrupt) {
    base::Rng random(3);
    for (int i = 0; i < 40; ++i) {
        const auto bytes = encoded(random_event(random));
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const std::vector<std::byte> prefix(bytes.begin(),
                                                bytes.begin() + static_cast<std::ptrdiff_t>(size));
            Event arrived;
            const auto result = decode_event(prefix, arrived);
            ASSERT_FALSE(result) << size << " of " << bytes.size() << " bytes were accepted";
            ASSERT_EQ(result.error().code, Errc::corrupt);
        }
    }
}

// Damaged bytes are refused, or are another valid event (a changed letter of a payload): never
// undefined behaviour, and nothing is half written.
TEST(Wire, DamageIsRefusedOrGivesAValidEvent) {
    base::Rng random(4);
    int refused = 0;
    for (int i = 0; i < 20'000; ++i) {
        auto bytes = encoded(random_event(random));
        for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips)
            bytes[random.below(bytes.size())] ^= static_cast<std::byte>(1u << random.below(8));
        Event arrived;
        if (const auto result = decode_event(bytes, arrived); !result) {
            ++refused;
            ASSERT_EQ(result.error().code, Errc::corrupt);
            ASSERT_EQ(arrived, Event{});
        } else {
            Event again;
            ASSERT_TRUE(decode_event(encoded(arrived), again));
            ASSERT_EQ(again, arrived);
        }
    }
    EXPECT_GT(refused, 1000);
}

TEST(Wire, NoiseIsCorrupt) {
    base::Rng random(5);
    for (int i = 0; i < 20'000; ++i) {
        const std::string noise = random_bytes(random, 200);
        Event arrived;
        const auto result = decode_event(std::as_bytes(std::span(noise)), arrived);
        ASSERT_FALSE(result);
        ASSERT_EQ(result.error().code, Errc::corrupt);
    }
}

// A category or priority of a newer peer must not become an index past the end of a table.
TEST(Wire, UnknownEnumeratorsAreCorrupt) {
    Event event;
    event.category = static_cast<Category>(kCategoryCount);
    EXPECT_EQ(refusal(encoded(event)), Errc::corrupt);
    event.category = Category::custom;
    event.priority = static_cast<Priority>(kPriorityCount);
    EXPECT_EQ(refusal(encoded(event)), Errc::corrupt);
}

// The limit is on the encoded event: the largest that fits passes, one byte more does not.
TEST(Wire, TenMebibytesIsTheLimit) {
    const std::size_t overhead = encoded(with_payload_of(1u << 20)).size() - (1u << 20);
    Event event = with_payload_of(kEventBytesMax - overhead);
    const auto bytes = encoded(event);
    ASSERT_EQ(bytes.size(), kEventBytesMax);
    Event arrived;
    ASSERT_TRUE(decode_event(bytes, arrived));
    EXPECT_EQ(arrived, event);

    event.payload += 'x';
    std::vector<std::byte> out(3);
    const auto result = encode_event(event, out);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::invalid_argument);
    EXPECT_EQ(out.size(), 3u);
    EXPECT_EQ(encoding_refusal(with_payload_of(kEventBytesMax + 1)), Errc::invalid_argument);
    const std::vector<std::byte> larger(kEventBytesMax + 4);
    EXPECT_EQ(refusal(larger), Errc::invalid_argument);
}

TEST(Wire, TooManyTargetsAreRefused) {
    Event event;
    event.targets.assign(kTargetsMax, "a");
    Event arrived;
    ASSERT_TRUE(decode_event(encoded(event), arrived));
    EXPECT_EQ(arrived, event);
    event.targets.emplace_back("a");
    EXPECT_EQ(encoding_refusal(event), Errc::invalid_argument);
}

std::uint32_t read_word(const std::vector<std::byte>& bytes, std::size_t position) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data() + position, sizeof word);
    return word;
}

/// An event whose kTargetsMax targets all refer to one text of that size.
std::vector<std::byte> naming_one_text(std::uint32_t text_bytes) {
    Event event;
    event.targets.assign(kTargetsMax, "");
    event.targets.front().assign(text_bytes, 'x');
    auto bytes = encoded(event);
    // The vector of targets: its length, then the distance from each entry to its string.
    std::size_t vector = 0;
    while (read_word(bytes, vector) != kTargetsMax ||
           read_word(bytes, vector + 4 + read_word(bytes, vector + 4)) != text_bytes)
        vector += 4;
    const std::size_t text = vector + 4 + read_word(bytes, vector + 4);
    for (std::size_t i = 0; i < kTargetsMax; ++i) {
        const std::size_t entry = vector + 4 + 4 * i;
        const auto distance = static_cast<std::uint32_t>(text - entry);
        std::memcpy(bytes.data() + entry, &distance, sizeof distance);
    }
    return bytes;
}

// A hostile peer lets every target refer to one long string: 1,024 targets of 1 MB in a message of
// 1 MB. Such a buffer is valid FlatBuffers; unpacking it would take 1 GB.
TEST(Wire, AStringNamedManyTimesDoesNotMultiply) {
    Event arrived;
    const auto result = decode_event(naming_one_text(1'000'000), arrived);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::corrupt);
}

// Whatever was decoded can be sent on: the texts alone fit here, but not with what belongs to each.
TEST(Wire, WhatDecodesCanBeEncoded) {
    Event arrived;
    ASSERT_TRUE(decode_event(naming_one_text(10'220), arrived));
    EXPECT_TRUE(encoded_bytes(arrived));
    ASSERT_LT(10'236 * kTargetsMax, kEventBytesMax);
    const auto result = decode_event(naming_one_text(10'236), arrived);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::corrupt);
}

// Steady traffic must not allocate per event: the receiver's strings keep their memory.
TEST(Wire, DecodingReusesTheEventsMemory) {
    Event arrived;
    ASSERT_TRUE(decode_event(encoded(with_payload_of(4096)), arrived));
    const char* before = arrived.payload.data();
    ASSERT_TRUE(decode_event(encoded(with_payload_of(4000)), arrived));
    EXPECT_EQ(arrived.payload.data(), before);
    EXPECT_EQ(arrived.payload.size(), 4000u);
}

}  // namespace
}  // namespace crucible::runtime
