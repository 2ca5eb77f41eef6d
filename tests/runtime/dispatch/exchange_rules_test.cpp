// Where the exchange brings events when there are rules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exchange_fixture.h"

namespace crucible::runtime {
namespace {

using ::testing::ElementsAre;
using testing::event_of;
using testing::ExchangeFixture;
using testing::impatient;
using testing::once;

TEST(ExchangeRules, RulesDecideWhereEventsGo) {
    ExchangeFixture fixture({}, 3);
    fixture.use_rules(R"(
[[rule]]
id = "copy"
stop = false
type = "test.*"
deliver = ["gated-2"]

[[rule]]
id = "both"
category = "custom"
deliver = ["gated-0", "gated-2"]
)");

    ASSERT_TRUE(fixture.taken(event_of(1, "for two"), 5));
    ASSERT_TRUE(fixture.drain());

    EXPECT_THAT(fixture.service(0).payloads(), ElementsAre("for two"));
    EXPECT_TRUE(fixture.service(1).payloads().empty());
    EXPECT_THAT(fixture.service(2).payloads(), ElementsAre("for two"))
        << "once, though named twice";
    ASSERT_EQ(fixture.told().size(), 1u) << "one end for one event";
    EXPECT_EQ(fixture.told()[0].token, 5u);
    EXPECT_EQ(fixture.told()[0].outcome, Outcome::handled);
    EXPECT_EQ(fixture.exchange().stats().published, 1u);
    EXPECT_EQ(fixture.exchange().stats().handled, 1u);
}

// An event for several ends with the last of them, and as the worst.
TEST(ExchangeRules, AnEventForSeveralEndsAsTheWorst) {
    ExchangeFixture fixture(once(), 2);
    fixture.use_rules(R"(
[[rule]]
id = "all"
broadcast = "*"
)");
    fixture.service(0).close_gate();
    ASSERT_TRUE(fixture.taken(event_of(1, "fail"), 1));
    ASSERT_TRUE(fixture.service(1).wait_for_batches(1));
    EXPECT_TRUE(fixture.told().empty());

    fixture.service(0).open_gate();
    ASSERT_TRUE(fixture.drain());

    ASSERT_EQ(fixture.told().size(), 1u);
    EXPECT_EQ(fixture.told()[0].outcome, Outcome::failed);
    EXPECT_EQ(fixture.exchange().stats().failed, 1u);
    EXPECT_EQ(fixture.exchange().stats().queued, 0u);
}

// One letter, however many of its services failed, and not before all have ended: replayed, it goes
// to all of them, to each once.
TEST(ExchangeRules, AnEventForSeveralHasOneDeadLetter) {
    ExchangeFixture fixture(impatient(2), 3);
    fixture.use_rules(R"(
[[rule]]
id = "all"
broadcast = "gated-*"
)");
    fixture.service(2).close_gate();
    ASSERT_TRUE(fixture.taken(event_of(1, "fail"), 1));
    ASSERT_TRUE(fixture.service(0).wait_for_batches(2));
    ASSERT_TRUE(fixture.service(1).wait_for_batches(2));
    ASSERT_TRUE(fixture.service(2).wait_for_batches(1));
    EXPECT_EQ(fixture.exchange().report().dead_letters.held, 0u);
    fixture.service(2).open_gate();
    ASSERT_TRUE(fixture.drain());

    std::vector<std::uint64_t> numbers;
    fixture.exchange().read_dead_letters([&](const std::deque<DeadLetter>& letters) {
        for (const auto& letter : letters) {
            numbers.push_back(letter.number);
            EXPECT_EQ(letter.reason, "asked to fail");
            EXPECT_EQ(letter.attempts, 2u);
        }
    });
    ASSERT_EQ(numbers.size(), 1u);
    ASSERT_TRUE(fixture.exchange().replay(numbers[0]));
    ASSERT_TRUE(fixture.drain());
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(fixture.service(i).payloads().size(), 4u) << "two attempts, twice";
}

TEST(ExchangeRules, ARuleDropsWithItsReason) {
    ExchangeFixture fixture;
    fixture.use_rules(R"(
[[rule]]
id = "quiet"
type = "test.event"
drop = "not today"
)");

    const auto taken = fixture.take(event_of(1));

    ASSERT_TRUE(taken && *taken);
    EXPECT_EQ((*taken)->outcome, Outcome::rejected);
    EXPECT_EQ((*taken)->reason, "not today");
}

// A pool's members share the events, in turn where the rule says so.
TEST(ExchangeRules, APoolSharesTheLoad) {
    ExchangeFixture fixture({}, 2);
    fixture.use_rules(R"(
[[rule]]
id = "spread"
category = "custom"
pool = "custom"
strategy = "round_robin"
)");
    for (std::uint8_t i = 1; i <= 4; ++i) ASSERT_TRUE(fixture.taken(event_of(i)));
    ASSERT_TRUE(fixture.drain());

    EXPECT_EQ(fixture.service(0).payloads().size(), 2u);
    EXPECT_EQ(fixture.service(1).payloads().size(), 2u);
}

}  // namespace
}  // namespace crucible::runtime
