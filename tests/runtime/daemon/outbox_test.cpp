#include "runtime/daemon/outbox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "runtime/daemon/event_frame.h"

namespace crucible::runtime {
namespace {

using protocol::Kind;

Event event_of(std::size_t payload_bytes) {
    Event event;
    event.type = "record.created";
    event.source = "client-7";
    event.payload.assign(payload_bytes, 'p');
    return event;
}

/// Keeps what is sent through it, as far as it is let.
class RecordingTransport final : public Transport {
public:
    Result<std::size_t> read(std::span<std::byte>) override { return 0; }
    Result<std::size_t> write(std::span<const std::byte> bytes) override {
        ++writes;
        if (closed) return std::unexpected(Error{Errc::closed, {}});
        const std::size_t count = std::min(bytes.size(), takes);
        takes -= count;
        sent.insert(sent.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
        return count;
    }
    std::byte* room_for(std::size_t bytes) noexcept override {
        if (memory.size() - added < bytes) return nullptr;
        return memory.data() + added;
    }
    void add(std::size_t bytes) noexcept override { added += bytes; }
    Result<> push() override {
        if (closed) return std::unexpected(Error{Errc::closed, {}});
        sent.insert(sent.end(), memory.begin() + static_cast<std::ptrdiff_t>(pushed),
                    memory.begin() + static_cast<std::ptrdiff_t>(added));
        pushed = added;
        return {};
    }
    int fd() const noexcept override { return -1; }
    std::string peer() const override { return "nobody"; }

    /// Tokens of the whole frames that were sent.
    std::vector<std::uint64_t> tokens() const {
        std::vector<std::uint64_t> result;
        std::span<const std::byte> rest(sent);
        for (;;) {
            const auto frame = protocol::next_frame(rest);
            EXPECT_TRUE(frame);
            if (!frame || !*frame) return result;
            if ((*frame)->header.kind != Kind::goodbye) result.push_back((*frame)->header.token);
            rest = rest.subspan((*frame)->bytes);
        }
    }

    protocol::Buffer memory;  ///< of its own, for what is added
    std::size_t added = 0;
    std::size_t pushed = 0;
    std::size_t takes = SIZE_MAX;  ///< bytes, before it is full
    bool closed = false;
    int writes = 0;
    protocol::Buffer sent;
};

class OutboxTest : public ::testing::Test {
protected:
    static constexpr std::size_t kBytesMax = 1u << 20;
    static constexpr std::uint64_t kUnlimited = UINT64_MAX;

    Result<> put(std::uint64_t token, std::size_t payload_bytes = 100) {
        return outbox_.put(Kind::publish, event_of(payload_bytes), token, /*urgent=*/false);
    }
    static std::vector<std::uint64_t> up_to(std::uint64_t count) {
        std::vector<std::uint64_t> tokens(count);
        for (std::uint64_t i = 0; i < count; ++i) tokens[i] = i;
        return tokens;
    }

    RecordingTransport transport_;
    std::atomic<std::uint64_t> ended_ = 0;
    int woken_ = 0;
    Outbox outbox_{transport_, kBytesMax, kUnlimited, ended_, [this] { ++woken_; }};
};

/// Whoever has credit for so many of its events, and a little of the next.
class CreditedOutbox : public OutboxTest {
protected:
    static constexpr std::size_t kPayload = 1'000;
    static std::uint64_t bytes_of(std::uint64_t events) {
        return events * protocol::event_frame_size(event_of(kPayload))->frame;
    }
    void start(std::uint64_t events) {
        credited_.emplace(transport_, kBytesMax, bytes_of(events) - 1, ended_, [] {});
    }
    Result<> put(std::uint64_t token, bool urgent = true) {
        return credited_->put(Kind::publish, event_of(kPayload), token, urgent);
    }
    std::optional<Outbox> credited_;
};

TEST_F(CreditedOutbox, HoldsWhatThereIsNoCreditFor) {
    start(3);
    for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(put(i));
    EXPECT_EQ(transport_.tokens(), up_to(3));
    EXPECT_EQ(credited_->put_events(), 10u) << "held is published";
    EXPECT_TRUE(credited_->may_sleep()) << "credit comes by itself";
    credited_->raise_credit(bytes_of(5) + 1);
    EXPECT_EQ(transport_.tokens(), up_to(6)) << "one that has begun to fit is let through";
    credited_->raise_credit(bytes_of(2));
    credited_->raise_credit(bytes_of(6));
    EXPECT_EQ(transport_.tokens(), up_to(6)) << "it is never taken back";
    credited_->raise_credit(kUnlimited);
    EXPECT_EQ(transport_.tokens(), up_to(10));
    ASSERT_TRUE(put(10));
    EXPECT_EQ(transport_.tokens(), up_to(11));
}

TEST_F(CreditedOutbox, KeepsTheOrderOfWhatIsHeld) {
    start(1);
    transport_.memory.resize(4u << 20);  // events could go straight into it
    std::uint64_t put_so_far = 0;
    for (std::uint64_t credit = 2; credit < 100; ++credit) {
        for (int i = 0; i < 3; ++i) ASSERT_TRUE(put(put_so_far++));
        credited_->raise_credit(bytes_of(credit));
    }
    credited_->raise_credit(kUnlimited);
    credited_->send_due();
    EXPECT_EQ(transport_.tokens(), up_to(put_so_far));
}

// What has no credit counts like all that waits.
TEST_F(CreditedOutbox, RefusesWhatIsTooMuch) {
    start(1);
    std::uint64_t accepted = 0;
    Result<> last = {};
    while ((last = put(accepted))) ++accepted;
    EXPECT_EQ(last.error().code, Errc::overloaded);
    EXPECT_LE(bytes_of(accepted - 1), kBytesMax);
    EXPECT_GT(bytes_of(accepted), kBytesMax);
    credited_->raise_credit(bytes_of(accepted / 2));
    ASSERT_TRUE(put(accepted)) << "there is room again";
    credited_->raise_credit(kUnlimited);
    EXPECT_EQ(transport_.tokens(), up_to(accepted + 1));
}

// It is no event.
TEST_F(CreditedOutbox, SaysGoodbyeWithoutCredit) {
    start(1);
    ASSERT_TRUE(put(0));
    credited_->put_goodbye();
    EXPECT_EQ(transport_.sent.size(), bytes_of(1) + sizeof(protocol::FrameHeader));
}

TEST_F(CreditedOutbox, LosesWhatIsHeldWhenItEnds) {
    start(1);
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(put(i));
    credited_->put_goodbye();
    EXPECT_EQ(transport_.tokens(), up_to(1));
    EXPECT_EQ(transport_.sent.size(), bytes_of(1)) << "the goodbye stands behind them";
    transport_.closed = true;
    credited_->raise_credit(kUnlimited);
    EXPECT_EQ(transport_.tokens(), up_to(1));
    EXPECT_EQ(put(3).error().code, Errc::closed);
}

TEST_F(OutboxTest, SendsAtOnceWhatIsAlone) {
    ASSERT_TRUE(put(0));
    EXPECT_EQ(transport_.tokens(), up_to(1));
    ended_ = 1;
    ASSERT_TRUE(put(1));
    EXPECT_EQ(transport_.tokens(), up_to(2));
}

// One write for many events where others are in flight; none stays behind.
TEST_F(OutboxTest, SendsManyTogether) {
    constexpr std::uint64_t kEvents = 2'000;
    for (std::uint64_t i = 0; i < kEvents; ++i) ASSERT_TRUE(put(i));
    EXPECT_LT(transport_.writes, 200);
    EXPECT_EQ(outbox_.put_events(), kEvents);
    const TimePoint limit = base::monotonic_now() + std::chrono::seconds(30);
    while (outbox_.holds_some() && base::monotonic_now() < limit) outbox_.send_due();
    EXPECT_EQ(transport_.tokens(), up_to(kEvents));
}

TEST_F(OutboxTest, SendsAtOnceWhatIsUrgent) {
    ASSERT_TRUE(put(0));
    ASSERT_TRUE(put(1));
    ASSERT_TRUE(outbox_.put(Kind::request, event_of(10), 2, /*urgent=*/true));
    EXPECT_EQ(transport_.tokens(), up_to(3));
}

// Into the transport's memory as long as there is some, then through a batch, then again; always in
// order.
TEST_F(OutboxTest, WritesIntoTheTransportsMemory) {
    transport_.memory.resize(64u << 10);
    transport_.takes = 0;
    std::uint64_t events = 0;
    while (!outbox_.waits_for_room()) ASSERT_TRUE(put(events++));
    EXPECT_EQ(transport_.pushed, transport_.added) << "what is in front was pushed";
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(put(events++));
    const auto whole = transport_.tokens().size();
    EXPECT_LT(whole, events);
    transport_.memory.resize(1u << 20);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(put(events++));
    EXPECT_EQ(transport_.tokens().size(), whole) << "nothing passes what waits";
    transport_.takes = SIZE_MAX;
    outbox_.go_on();
    EXPECT_EQ(transport_.tokens(), up_to(events));
    const int writes = transport_.writes;
    ended_ = events;
    ASSERT_TRUE(put(events++));
    EXPECT_EQ(transport_.writes, writes) << "through memory again";
    EXPECT_EQ(transport_.tokens(), up_to(events));
}

TEST_F(OutboxTest, RefusesWhatIsTooMuch) {
    transport_.takes = 0;
    std::uint64_t accepted = 0;
    Result<> last = {};
    while ((last = put(accepted, 10'000))) ++accepted;
    EXPECT_EQ(last.error().code, Errc::overloaded);
    EXPECT_EQ(outbox_.put_events(), accepted);
    EXPECT_GT(accepted, 90u);
    EXPECT_LE(accepted * 10'000, kBytesMax);
    transport_.takes = SIZE_MAX;
    outbox_.go_on();
    EXPECT_EQ(transport_.tokens(), up_to(accepted));
    EXPECT_TRUE(put(accepted, 10'000));
}

// One that is larger than all that may wait is let through alone: it could never be else.
TEST_F(OutboxTest, TakesOneThatIsTooLargeAlone) {
    EXPECT_TRUE(put(0, 2 * kBytesMax));
    EXPECT_EQ(transport_.tokens(), up_to(1));
}

TEST_F(OutboxTest, SaysWhichEventsDidNotLeave) {
    transport_.closed = true;
    const auto lost = put(0);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, Errc::closed);
    EXPECT_EQ(outbox_.put_events(), 0u);
    EXPECT_EQ(put(1).error().code, Errc::closed);
}

TEST_F(OutboxTest, WakesWhoSleeps) {
    // With so many in flight the next ones are held, however much time goes by.
    std::uint64_t token = 0;
    while (token < 100)
        ASSERT_TRUE(outbox_.put(Kind::publish, event_of(1), token++, /*urgent=*/true));
    ASSERT_TRUE(put(token++));
    EXPECT_EQ(woken_, 0) << "nobody sleeps";
    EXPECT_FALSE(outbox_.may_sleep()) << "one is held";
    ASSERT_TRUE(outbox_.put(Kind::publish, event_of(1), token++, /*urgent=*/true));
    ASSERT_TRUE(outbox_.may_sleep());
    ASSERT_TRUE(put(token++));
    EXPECT_EQ(woken_, 1);
    ASSERT_TRUE(put(token++));
    EXPECT_EQ(woken_, 1) << "it is awake";
    EXPECT_EQ(transport_.tokens(), up_to(token - 2));
}

// The I/O thread has to know, to wait for room.
TEST_F(OutboxTest, WakesWhoSleepsWhenTheTransportIsFull) {
    transport_.takes = 10;
    ASSERT_TRUE(outbox_.may_sleep());
    ASSERT_TRUE(put(0));
    EXPECT_TRUE(outbox_.waits_for_room());
    EXPECT_EQ(woken_, 1);
}

TEST_F(OutboxTest, SaysGoodbyeBehindWhatWaits) {
    ASSERT_TRUE(put(0));
    ASSERT_TRUE(put(1));
    outbox_.put_goodbye();
    EXPECT_EQ(transport_.tokens(), up_to(2));
    const std::size_t frame = sizeof(protocol::FrameHeader);
    const auto last = protocol::next_frame(std::span(transport_.sent).last(frame));
    ASSERT_TRUE(last && *last);
    EXPECT_EQ((*last)->header.kind, Kind::goodbye);
}

}  // namespace
}  // namespace crucible::runtime
