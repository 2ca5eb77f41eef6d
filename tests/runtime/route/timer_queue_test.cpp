#include "runtime/route/timer_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/start_time.h"
#include "property.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;

std::string take_all(TimerQueue<char>& queue, TimePoint now) {
    std::string out;
    while (const auto item = queue.take_due(now)) out += *item;
    return out;
}

TEST(TimerQueue, GivesTheEarliestFirstAndNoneTooEarly) {
    TimerQueue<char> queue(10);
    for (const auto& [due, item] : {std::pair{3s, 'c'}, {1s, 'a'}, {2s, 'b'}, {9s, 'd'}})
        ASSERT_TRUE(queue.push(kStart + due, char{item}));

    EXPECT_EQ(queue.next_due(), kStart + 1s);
    EXPECT_EQ(take_all(queue, kStart + 1s - 1ns), "");
    EXPECT_EQ(take_all(queue, kStart + 1s), "a");
    EXPECT_EQ(take_all(queue, kStart + 5s), "bc");
    EXPECT_EQ(queue.next_due(), kStart + 9s);
    EXPECT_EQ(take_all(queue, kStart + 9s), "d");
    EXPECT_EQ(queue.next_due(), std::nullopt);
    EXPECT_TRUE(queue.empty());
}

// Events of one source that are scheduled for one moment keep their order; a heap alone does not.
TEST(TimerQueue, KeepsTheOrderOfWhatIsDueAtOnce) {
    TimerQueue<char> queue(100);
    std::string order;
    for (char item = 'a'; item <= 'z'; ++item) {
        ASSERT_TRUE(queue.push(kStart, char{item}));
        order += item;
    }
    EXPECT_EQ(take_all(queue, kStart), order);
}

// Refused is not taken: the caller still has the event to reject.
TEST(TimerQueue, RefusesWhatDoesNotFitAndDoesNotTakeIt) {
    TimerQueue<std::unique_ptr<int>> queue(1);
    ASSERT_TRUE(queue.push(kStart, std::make_unique<int>(1)));
    auto second = std::make_unique<int>(2);

    const auto pushed = queue.push(kStart, std::move(second));

    ASSERT_FALSE(pushed);
    EXPECT_EQ(pushed.error().code, Errc::overloaded);
    ASSERT_NE(second, nullptr);
    EXPECT_EQ(**queue.take_due(kStart), 1);
    EXPECT_TRUE(queue.push(kStart, std::move(second)));
}

// Against an ordered map, through random pushes and takes.
TEST(TimerQueue, AgreesWithAnOrderedMap) {
    ASSERT_TRUE(rc::check("timer queue", [] {
        TimerQueue<int> queue(8);
        std::multimap<TimePoint, int> reference;
        const auto steps = *rc::gen::container<std::vector<std::pair<bool, int>>>(
            rc::gen::pair(rc::gen::arbitrary<bool>(), rc::gen::inRange(0, 10)));
        int next = 0;
        for (const auto& [push, second] : steps) {
            const TimePoint time = kStart + std::chrono::seconds(second);
            if (push) {
                const bool room = reference.size() < 8;
                RC_ASSERT(queue.push(time, int{next}).has_value() == room);
                if (room) reference.emplace(time, next);
                ++next;
                continue;
            }
            const auto got = queue.take_due(time);
            const bool due = !reference.empty() && reference.begin()->first <= time;
            RC_ASSERT(got.has_value() == due);
            if (!due) continue;
            RC_ASSERT(*got == reference.begin()->second);
            reference.erase(reference.begin());
        }
    }));
}

}  // namespace
}  // namespace crucible::runtime
