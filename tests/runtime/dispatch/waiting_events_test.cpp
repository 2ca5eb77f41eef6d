#include "runtime/dispatch/waiting_events.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace crucible::runtime {
namespace {

void push(WaitingEvents& waiting, Priority priority, std::uint64_t token) {
    auto task = std::make_unique<Task>();
    task->event.priority = priority;
    task->token = token;
    waiting.push(std::move(task));
}

std::vector<std::uint64_t> take_all(WaitingEvents& waiting) {
    std::vector<std::uint64_t> tokens;
    while (const TaskPtr task = waiting.take()) tokens.push_back(task->token);
    return tokens;
}

// An operator's critical event may not wait behind a backlog of logs, whenever it came.
TEST(WaitingEvents, TakesTheHighestPriorityFirst) {
    WaitingEvents waiting;
    push(waiting, Priority::low, 4);
    push(waiting, Priority::normal, 3);
    push(waiting, Priority::high, 2);
    push(waiting, Priority::critical, 1);

    EXPECT_EQ(take_all(waiting), (std::vector<std::uint64_t>{1, 2, 3, 4}));
    EXPECT_TRUE(waiting.empty());
}

// "create, modify, delete" of one file is only right in that order.
TEST(WaitingEvents, KeepsTheOrderWithinAPriority) {
    WaitingEvents waiting;
    for (std::uint64_t token = 0; token < 100; ++token) push(waiting, Priority::normal, token);

    const auto tokens = take_all(waiting);

    ASSERT_EQ(tokens.size(), 100u);
    for (std::uint64_t token = 0; token < 100; ++token) EXPECT_EQ(tokens[token], token);
}

// Under a flood of critical events a low one is taken after exactly kPassesMax of them, and again
// after as many.
TEST(WaitingEvents, LetsALowPriorityThroughAFlood) {
    WaitingEvents waiting;
    push(waiting, Priority::low, 1000);
    push(waiting, Priority::low, 1001);
    for (std::uint64_t token = 0; token < 100; ++token) push(waiting, Priority::critical, token);

    const auto tokens = take_all(waiting);

    ASSERT_EQ(tokens.size(), 102u);
    EXPECT_EQ(tokens[WaitingEvents::kPassesMax], 1000u);
    EXPECT_EQ(tokens[2 * WaitingEvents::kPassesMax + 1], 1001u);
}

// All three lower priorities starve together in a flood; the highest of them goes first, then the
// others at once.
TEST(WaitingEvents, LetsStarvedPrioritiesThroughInTheirOrder) {
    WaitingEvents waiting;
    push(waiting, Priority::low, 1003);
    push(waiting, Priority::normal, 1002);
    push(waiting, Priority::high, 1001);
    for (std::uint64_t token = 0; token < 40; ++token) push(waiting, Priority::critical, token);

    const auto tokens = take_all(waiting);

    const std::vector<std::uint64_t> starved(tokens.begin() + WaitingEvents::kPassesMax,
                                             tokens.begin() + WaitingEvents::kPassesMax + 3);
    EXPECT_EQ(starved, (std::vector<std::uint64_t>{1001, 1002, 1003}));
}

// A long queue is packed behind its first events, and nobody can tell: the order is that of
// pushing, what is given back comes first, and what is shed is the oldest.
TEST(WaitingEvents, KeepsTheOrderOfAQueueThatIsPacked) {
    constexpr std::uint64_t count = WaitingEvents::kUnpackedMax + 1000;
    WaitingEvents waiting;
    for (std::uint64_t token = 0; token < count; ++token) push(waiting, Priority::low, token);

    TaskPtr first = waiting.take();
    EXPECT_EQ(first->token, 0u);
    EXPECT_EQ(waiting.take_below(Priority::critical)->token, 1u);
    waiting.push_front(std::move(first));
    EXPECT_EQ(waiting.take()->token, 0u);
    // There is room among the first again, and yet it belongs behind those that are packed.
    push(waiting, Priority::low, count);
    for (std::uint64_t token = 2; token < count - 1; ++token)
        ASSERT_EQ(waiting.take()->token, token);
    EXPECT_EQ(waiting.take_below(Priority::critical)->token, count - 1);
    EXPECT_EQ(waiting.take()->token, count);
    EXPECT_EQ(waiting.take(), nullptr);
    EXPECT_TRUE(waiting.empty());
}

}  // namespace
}  // namespace crucible::runtime
