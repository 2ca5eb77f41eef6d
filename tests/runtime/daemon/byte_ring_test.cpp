#include "runtime/daemon/byte_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <semaphore>
#include <thread>
#include <vector>

#include "base/rng.h"

namespace crucible::runtime {
namespace {

using Bytes = std::vector<std::byte>;

/// Bytes `from`, `from` + 1, … of a sequence in which neighbours differ.
Bytes sequence_bytes(std::size_t from, std::size_t count) {
    Bytes bytes(count);
    for (std::size_t i = 0; i < count; ++i)
        bytes[i] = static_cast<std::byte>((from + i) * 131 >> 3);
    return bytes;
}

class ByteRingTest : public ::testing::Test {
protected:
    Bytes read(std::size_t most) {
        Bytes bytes(most);
        const auto count = reader_.read(bytes);
        EXPECT_TRUE(count) << count.error().message;
        bytes.resize(count.value_or(0));
        return bytes;
    }

    RingHeader header_;
    std::array<std::byte, 64> data_{};
    RingWriter writer_{header_, data_};
    RingReader reader_{header_, data_};
};

TEST_F(ByteRingTest, GoesAroundItsEnd) {
    for (std::size_t at = 0; at < 1'000; at += 40) {
        const auto bytes = sequence_bytes(at, 40);
        EXPECT_EQ(writer_.write(bytes), 40u);
        EXPECT_EQ(read(64), bytes) << at;
    }
}

TEST_F(ByteRingTest, TakesAsMuchAsThereIsRoomFor) {
    EXPECT_EQ(writer_.write(sequence_bytes(0, 100)), 64u);
    EXPECT_EQ(writer_.write(sequence_bytes(64, 36)), 0u);
    EXPECT_EQ(read(10), sequence_bytes(0, 10));
    EXPECT_EQ(writer_.write(sequence_bytes(64, 36)), 10u);
    EXPECT_EQ(read(100), sequence_bytes(10, 64));
    EXPECT_TRUE(read(100).empty());
}

// The reader's index comes from another process: a writer that believed it would write over what
// was not read, or outside of the ring.
TEST_F(ByteRingTest, BelievesNoReader) {
    ASSERT_EQ(writer_.write(sequence_bytes(0, 50)), 50u);
    ASSERT_EQ(read(30).size(), 30u);
    ASSERT_EQ(writer_.write(sequence_bytes(50, 10)), 10u);
    for (const std::uint64_t index : {29ull, 61ull, 1ull << 40, ~0ull}) {
        header_.read.store(index);
        const auto written = writer_.write(sequence_bytes(60, 1));
        ASSERT_FALSE(written) << index;
        EXPECT_EQ(written.error().code, Errc::corrupt);
        EXPECT_EQ(written.error().message, "shared memory: the reader's index is impossible");
    }
    header_.read.store(60);
    EXPECT_EQ(writer_.write(sequence_bytes(60, 64)), 64u);
}

TEST_F(ByteRingTest, BelievesNoWriter) {
    ASSERT_EQ(writer_.write(sequence_bytes(0, 50)), 50u);
    ASSERT_EQ(read(30).size(), 30u);
    Bytes room(64);
    for (const std::uint64_t index : {49ull, 29ull, 95ull, 1ull << 40, ~0ull}) {
        header_.written.store(index);
        const auto count = reader_.read(room);
        ASSERT_FALSE(count) << index;
        EXPECT_EQ(count.error().code, Errc::corrupt);
        EXPECT_EQ(count.error().message, "shared memory: the writer's index is impossible");
        // Who waits has to find that out.
        EXPECT_TRUE(reader_.has_bytes_or_waits());
    }
    header_.written.store(94);
    EXPECT_EQ(reader_.read(room), 64u);
}

TEST_F(ByteRingTest, RingsOnceForAReaderThatWaits) {
    ASSERT_EQ(writer_.write(sequence_bytes(0, 8)), 8u);
    EXPECT_FALSE(writer_.may_ring()) << "nobody waits";
    EXPECT_TRUE(reader_.has_bytes_or_waits());
    EXPECT_FALSE(writer_.may_ring()) << "it found something, and does not wait";
    ASSERT_EQ(read(8).size(), 8u);
    EXPECT_FALSE(reader_.has_bytes_or_waits());
    ASSERT_EQ(writer_.write(sequence_bytes(8, 8)), 8u);
    EXPECT_TRUE(writer_.may_ring());
    EXPECT_FALSE(writer_.may_ring());
}

// A writer that were woken for the first byte of room would write as little, and sleep again.
TEST_F(ByteRingTest, RingsForAWriterOnceHalfIsFree) {
    ASSERT_EQ(writer_.write(sequence_bytes(0, 64)), 64u);
    EXPECT_FALSE(writer_.has_room());
    ASSERT_EQ(read(31).size(), 31u);
    EXPECT_FALSE(reader_.may_ring());
    ASSERT_EQ(read(1).size(), 1u);
    EXPECT_TRUE(reader_.may_ring());
    EXPECT_FALSE(reader_.may_ring());
    EXPECT_TRUE(writer_.has_room());
    EXPECT_FALSE(reader_.may_ring()) << "it found room, and does not wait";
}

// Two threads that sleep whenever they may: a lost wake-up would leave one of them asleep for good.
// Both use the same mapping, so that ThreadSanitizer sees what is not ordered.
TEST_F(ByteRingTest, LosesNoWakeUp) {
    constexpr std::size_t kBytes = 1u << 16;
    constexpr auto kLimit = std::chrono::seconds(30);
    const auto bytes = sequence_bytes(0, kBytes);
    std::counting_semaphore<> for_reader(0);
    std::counting_semaphore<> for_writer(0);
    std::jthread writing([&] {
        base::Rng random(1);
        for (std::size_t at = 0; at < kBytes;) {
            const auto some = std::span(bytes).subspan(
                at, std::min<std::size_t>(1 + random.below(48), kBytes - at));
            const auto count = writer_.write(some);
            ASSERT_TRUE(count);
            at += *count;
            if (writer_.may_ring()) for_reader.release();
            if (*count == some.size() || writer_.has_room()) continue;
            ASSERT_TRUE(for_writer.try_acquire_for(kLimit)) << "nobody woke the writer at " << at;
        }
    });
    base::Rng random(2);
    std::array<std::byte, 64> room;
    for (std::size_t at = 0; at < kBytes;) {
        const auto count = reader_.read(std::span(room).first(1 + random.below(room.size())));
        ASSERT_TRUE(count);
        ASSERT_TRUE(std::equal(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(*count),
                               bytes.begin() + static_cast<std::ptrdiff_t>(at)));
        at += *count;
        if (reader_.may_ring()) for_writer.release();
        if (*count > 0 || reader_.has_bytes_or_waits()) continue;
        ASSERT_TRUE(for_reader.try_acquire_for(kLimit)) << "nobody woke the reader at " << at;
    }
}

}  // namespace
}  // namespace crucible::runtime
