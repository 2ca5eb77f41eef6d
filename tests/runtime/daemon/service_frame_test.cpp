#include "runtime/daemon/service_frame.h"

#include <gtest/gtest.h>

namespace crucible::runtime {
namespace {

protocol::Frame frame_in(const protocol::Buffer& bytes) {
    const auto frame = protocol::next_frame(bytes);
    EXPECT_TRUE(frame && *frame);
    return **frame;
}

/// The one frame's settlements, written and read again.
std::vector<protocol::Settlement> settlements_in(const protocol::Buffer& bytes) {
    std::vector<protocol::Settlement> settlements;
    const auto frame = frame_in(bytes);
    EXPECT_EQ(frame.header.kind, protocol::Kind::settle);
    EXPECT_EQ(frame.bytes, bytes.size());
    EXPECT_TRUE(protocol::read_settlements(frame, settlements));
    return settlements;
}

protocol::Buffer settle_all(const std::vector<std::pair<std::uint64_t, HandleResult>>& results) {
    protocol::Buffer out;
    protocol::SettlementWriter writer;
    for (const auto& [delivery, result] : results) writer.add(out, delivery, result);
    writer.finish(out);
    return out;
}

TEST(ServiceFrame, ASubscriptionArrivesAsItWasSent) {
    protocol::Buffer out;
    protocol::append_subscription(out, {"billing-2", {Category::filesystem, Category::custom}, 7});
    EXPECT_EQ(out.size() % protocol::kAlignment, 0u);
    const auto read = protocol::read_subscription(frame_in(out));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->name, "billing-2");
    EXPECT_EQ(read->categories, (std::vector<Category>{Category::filesystem, Category::custom}));
    EXPECT_EQ(read->credits, 7u);
}

TEST(ServiceFrame, RefusesABrokenSubscription) {
    protocol::Buffer out;
    protocol::append_subscription(out, {"billing", {Category::custom}, 7});
    auto frame = frame_in(out);
    frame.body = frame.body.first(7);
    EXPECT_EQ(protocol::read_subscription(frame).error().code, Errc::corrupt);
    out[sizeof(protocol::FrameHeader)] = std::byte{0x80};  // the bit of an eighth category
    EXPECT_EQ(protocol::read_subscription(frame_in(out)).error().message,
              "a subscription to an unknown category");
}

// Deliveries that follow each other and ended alike are one entry, however many.
TEST(ServiceFrame, JoinsWhatEndedAlike) {
    const HandleResult not_now{.outcome = Outcome::failed, .not_now = true};
    const auto bytes =
        settle_all({{5, {}}, {6, {}}, {7, {}}, {9, {}}, {10, not_now}, {11, not_now}});
    const auto read = settlements_in(bytes);
    ASSERT_EQ(read.size(), 3u);
    EXPECT_EQ(read[0].delivery, 5u);
    EXPECT_EQ(read[0].count, 3u);
    EXPECT_EQ(read[1].delivery, 9u);
    EXPECT_EQ(read[1].count, 1u);
    EXPECT_EQ(read[2].delivery, 10u);
    EXPECT_EQ(read[2].count, 2u);
    const auto result = protocol::result_of(read[2]);
    EXPECT_EQ(result.outcome, Outcome::failed);
    EXPECT_TRUE(result.not_now);
    EXPECT_EQ(result.reason, "not now");
}

TEST(ServiceFrame, SaysThatARepeatWouldFailLikewise) {
    const HandleResult for_good{
        .outcome = Outcome::failed, .reason = "no such account", .for_good = true};
    const auto bytes = settle_all({{1, for_good}, {2, {.outcome = Outcome::failed}}});
    const auto read = settlements_in(bytes);
    ASSERT_EQ(read.size(), 2u);
    const auto result = protocol::result_of(read[0]);
    EXPECT_EQ(result.outcome, Outcome::failed);
    EXPECT_TRUE(result.for_good);
    EXPECT_FALSE(result.not_now);
    EXPECT_EQ(result.reason, "no such account");
    EXPECT_FALSE(protocol::result_of(read[1]).for_good);
}

TEST(ServiceFrame, ResponsesAndReasonsStandAlone) {
    const auto bytes = settle_all({{1, {Outcome::handled, "42", {}}},
                                   {2, {}},
                                   {3, {Outcome::rejected, {}, "no amount"}},
                                   {4, {Outcome::rejected, {}, {}}}});
    const auto read = settlements_in(bytes);
    ASSERT_EQ(read.size(), 4u);
    EXPECT_EQ(protocol::result_of(read[0]).response, "42");
    EXPECT_EQ(read[1].response, "");
    EXPECT_EQ(read[2].reason, "no amount");
    EXPECT_EQ(protocol::result_of(read[2]).outcome, Outcome::rejected);
    EXPECT_FALSE(protocol::result_of(read[2]).not_now);
    EXPECT_EQ(read[3].reason, "");
}

TEST(ServiceFrame, ALongFrameIsEndedAndAnotherBegun) {
    const HandleResult large{Outcome::handled, std::string(200'000, 'x'), {}};
    const auto bytes = settle_all({{1, large}, {2, large}, {3, large}});
    const auto first = frame_in(bytes);
    EXPECT_LT(first.bytes, bytes.size());
    std::vector<protocol::Settlement> settlements;
    ASSERT_TRUE(protocol::read_settlements(first, settlements));
    EXPECT_EQ(settlements.size(), 2u);
    const auto second = protocol::next_frame(std::span(bytes).subspan(first.bytes));
    ASSERT_TRUE(second && *second);
    ASSERT_TRUE(protocol::read_settlements(**second, settlements));
    EXPECT_EQ(settlements.size(), 3u);
    EXPECT_EQ(settlements[2].delivery, 3u);
}

TEST(ServiceFrame, AResponseThatIsTooLargeFails) {
    const auto bytes =
        settle_all({{1, {Outcome::handled, std::string(kEventBytesMax + 1, 'x'), {}}}});
    const auto result = protocol::result_of(settlements_in(bytes).front());
    EXPECT_EQ(result.outcome, Outcome::failed);
    EXPECT_EQ(result.reason, "the response is larger than an event may be");
}

TEST(ServiceFrame, RefusesBrokenSettlements) {
    const auto good = settle_all({{1, {Outcome::handled, "42", {}}}});
    std::vector<protocol::Settlement> settlements;
    const auto refused = [&](std::size_t at, unsigned value) {
        auto bytes = good;
        bytes[sizeof(protocol::FrameHeader) + at] = static_cast<std::byte>(value);
        settlements.clear();
        const auto read = protocol::read_settlements(frame_in(bytes), settlements);
        return !read && read.error().code == Errc::corrupt;
    };
    EXPECT_TRUE(refused(8, 0));     // no delivery
    EXPECT_TRUE(refused(8, 2));     // one response for two
    EXPECT_TRUE(refused(12, 6));    // an unknown end
    EXPECT_TRUE(refused(16, 200));  // a response beyond the frame
    EXPECT_TRUE(refused(19, 255));  // one of gigabytes
    EXPECT_FALSE(refused(12, 3));
    auto frame = frame_in(good);
    frame.body = frame.body.first(frame.body.size() - 9);
    EXPECT_EQ(protocol::read_settlements(frame, settlements).error().message,
              "settlements of a broken length");
}

}  // namespace
}  // namespace crucible::runtime
