#include "runtime/daemon/numbered_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/rng.h"

namespace crucible::runtime {
namespace {

// One event that is scheduled for tomorrow must not make its client remember all that came after.
TEST(NumberedQueue, WhatStaysDoesNotKeepWhatHasGone) {
    NumberedQueue<int> queue(1);
    queue.push(7);
    std::size_t most = 0;
    for (std::uint64_t number = 2; number <= 100'000; ++number) {
        queue.push(0);
        ASSERT_NE(queue.find(number), nullptr);
        queue.erase(number);
        most = std::max(most, queue.places());
    }
    EXPECT_EQ(most, NumberedQueue<int>::kSweepMin);
    ASSERT_NE(queue.find(1), nullptr);
    EXPECT_EQ(*queue.find(1), 7);
    queue.erase(1);
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.places(), 0u);
    EXPECT_EQ(queue.next_number(), 100'001u);
}

// Whatever goes in whatever order: what is left is found by its number, and nothing else.
TEST(NumberedQueue, FindsWhatIsLeft) {
    NumberedQueue<std::string> queue;
    std::map<std::uint64_t, std::string> left;
    base::Rng random(1);
    for (std::uint64_t number = 0; number < 20'000; ++number) {
        queue.push(std::to_string(number));
        left.emplace(number, std::to_string(number));
        if (number % 10 == 0) continue;
        // Of the last, so that those left lie apart.
        const std::uint64_t back = 1 + random.below(std::min<std::uint64_t>(left.size(), 50));
        const auto goes = std::prev(left.end(), static_cast<std::ptrdiff_t>(back));
        queue.erase(goes->first);
        EXPECT_EQ(queue.find(goes->first), nullptr);
        left.erase(goes);
        ASSERT_LE(queue.places(), 2 * left.size() + NumberedQueue<std::string>::kSweepMin);
    }
    for (std::uint64_t number = 0; number < 20'010; ++number) {
        const auto expected = left.find(number);
        const std::string* found = queue.find(number);
        ASSERT_EQ(found != nullptr, expected != left.end()) << number;
        if (found != nullptr) {
            EXPECT_EQ(*found, expected->second);
        }
        const auto next = left.lower_bound(number);
        const auto* from = queue.from(number);
        ASSERT_EQ(from != nullptr, next != left.end()) << number;
        if (from != nullptr) {
            EXPECT_EQ(from->number, next->first);
        }
    }
}

}  // namespace
}  // namespace crucible::runtime
