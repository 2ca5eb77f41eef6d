#include "runtime/route/dead_letters.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;

Event event_of(std::uint8_t number, std::size_t payload_bytes = 8) {
    Event event;
    event.id.bytes[15] = number;
    event.category = Category::database;
    event.type = "record.created";
    event.source = "client-1";
    event.payload.assign(payload_bytes, 'x');
    event.deadline = WallTime(5s);
    return event;
}

const Death kDeath{.reason = "no such table",
                   .attempts = 4,
                   .first_failed = WallTime(1s),
                   .last_failed = WallTime(9s)};

std::vector<std::uint64_t> numbers_of(const DeadLetters& letters) {
    std::vector<std::uint64_t> numbers;
    for (const auto& letter : letters.letters()) numbers.push_back(letter.number);
    return numbers;
}

void expect_balanced(const DeadLetters& letters) {
    const auto& stats = letters.stats();
    EXPECT_EQ(stats.added, stats.taken + stats.dropped + stats.held);
    EXPECT_EQ(stats.held, letters.letters().size());
    std::size_t bytes = 0;
    for (const auto& letter : letters.letters()) bytes += letter.bytes();
    EXPECT_EQ(stats.bytes, bytes);
}

// Everything that an operator asks: which event, why, how often, since when; and the event itself,
// whole, to be published again.
TEST(DeadLetters, KeepsWhatIsNeededToUnderstandAndReplay) {
    DeadLetters letters({});
    ASSERT_TRUE(letters.add(event_of(7), kDeath));

    const auto letter = letters.take(0);

    ASSERT_TRUE(letter);
    EXPECT_EQ(letter->id, event_of(7).id);
    EXPECT_EQ(letter->category, Category::database);
    EXPECT_EQ(letter->type, "record.created");
    EXPECT_EQ(letter->source, "client-1");
    EXPECT_EQ(letter->reason, "no such table");
    EXPECT_EQ(letter->attempts, 4u);
    EXPECT_EQ(letter->first_failed, WallTime(1s));
    EXPECT_EQ(letter->last_failed, WallTime(9s));
    EXPECT_EQ(*letter->event(), event_of(7));
    expect_balanced(letters);
}

// Taken once: two operators that replay the same letter would publish the event twice.
TEST(DeadLetters, TakesEachOnce) {
    DeadLetters letters({});
    for (std::uint8_t i = 0; i < 4; ++i) ASSERT_EQ(letters.add(event_of(i), kDeath), i);

    EXPECT_EQ(letters.take(2)->id, event_of(2).id);
    EXPECT_EQ(letters.take(2), std::nullopt);
    EXPECT_EQ(letters.take(9), std::nullopt);
    EXPECT_EQ(letters.take_oldest()->id, event_of(0).id);
    EXPECT_EQ(numbers_of(letters), (std::vector<std::uint64_t>{1, 3}));
    EXPECT_EQ(letters.stats().taken, 2u);
    expect_balanced(letters);
    letters.take_oldest();
    letters.take_oldest();
    EXPECT_EQ(letters.take_oldest(), std::nullopt);
    EXPECT_EQ(letters.stats().bytes, 0u);
}

TEST(DeadLetters, DropsTheOldestForWantOfPlaces) {
    DeadLetters letters({.events_max = 2});
    for (std::uint8_t i = 0; i < 5; ++i) ASSERT_TRUE(letters.add(event_of(i), kDeath));

    EXPECT_EQ(numbers_of(letters), (std::vector<std::uint64_t>{3, 4}));
    EXPECT_EQ(letters.stats().dropped, 3u);
    expect_balanced(letters);
}

// Ten thousand letters of 10 MiB would be 100 GiB: bytes are bounded too, and one large one pushes
// several out.
TEST(DeadLetters, DropsTheOldestForWantOfBytes) {
    DeadLetters one({});
    ASSERT_TRUE(one.add(event_of(0), kDeath));
    const std::size_t bytes = one.stats().bytes;
    DeadLetters letters({.events_max = 100, .bytes_max = 4 * bytes});
    for (std::uint8_t i = 0; i < 4; ++i) ASSERT_TRUE(letters.add(event_of(i), kDeath));
    EXPECT_EQ(letters.stats().dropped, 0u);
    ASSERT_TRUE(letters.add(event_of(4, bytes), kDeath));

    EXPECT_EQ(numbers_of(letters), (std::vector<std::uint64_t>{2, 3, 4}));
    EXPECT_EQ(letters.stats().dropped, 2u);
    expect_balanced(letters);
}

// One that does not fit at all may not empty the queue for nothing.
TEST(DeadLetters, RefusesALetterLargerThanTheQueue) {
    DeadLetters letters({.events_max = 100, .bytes_max = 2000});
    ASSERT_TRUE(letters.add(event_of(0), kDeath));

    EXPECT_EQ(letters.add(event_of(1, 5000), kDeath).error().code, Errc::overloaded);
    EXPECT_EQ(letters.add(event_of(2, kEventBytesMax + 1), kDeath).error().code,
              Errc::invalid_argument);

    EXPECT_EQ(numbers_of(letters), (std::vector<std::uint64_t>{0}));
    EXPECT_EQ(letters.stats().dropped, 2u);
    expect_balanced(letters);
}

// A reason is a line for people; a service may put a whole payload into it.
TEST(DeadLetters, CutsLongReasons) {
    DeadLetters letters({});
    const std::string reason(5000, 'r');
    ASSERT_TRUE(letters.add(event_of(0), {.reason = reason}));
    EXPECT_EQ(letters.letters()[0].reason, reason.substr(0, 1024));
}

}  // namespace
}  // namespace crucible::runtime
