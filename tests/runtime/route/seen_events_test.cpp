#include "runtime/route/seen_events.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <map>
#include <thread>
#include <vector>

#include "base/start_time.h"
#include "property.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;

constexpr HashKey kKey{1, 2};

Uuid id_of(std::uint32_t number) {
    Uuid id;
    for (std::size_t i = 0; i < 4; ++i)
        id.bytes[15 - i] = static_cast<std::uint8_t>(number >> (8 * i));
    return id;
}

bool is_first(SeenEvents& seen, std::uint32_t number, TimePoint now = kStart) {
    return seen.see(id_of(number), now).first;
}

// What it is for: the second of two is answered like the first, and before that it is known to be
// under way.
TEST(SeenEvents, RemembersTheOutcome) {
    SeenEvents seen({.events_max = 10, .window = 1min}, kKey);
    EXPECT_TRUE(is_first(seen, 1));
    EXPECT_FALSE(is_first(seen, 1));
    EXPECT_EQ(seen.see(id_of(1), kStart).outcome, std::nullopt);
    for (const Outcome outcome :
         {Outcome::handled, Outcome::rejected, Outcome::failed, Outcome::expired}) {
        seen.conclude(id_of(1), outcome);
        EXPECT_EQ(seen.see(id_of(1), kStart).outcome, outcome);
    }
    EXPECT_TRUE(is_first(seen, 2));
    EXPECT_EQ(seen.stats().repeated, 6u);
}

// From when it was first seen, not from when it was last: a client that repeats for ever may not
// hold a place for ever.
TEST(SeenEvents, ForgetsAfterItsTime) {
    SeenEvents seen({.events_max = 10, .window = 1min}, kKey);
    EXPECT_TRUE(is_first(seen, 1, kStart));
    EXPECT_FALSE(is_first(seen, 1, kStart + 1min - 1ns));
    EXPECT_TRUE(is_first(seen, 1, kStart + 1min));
    EXPECT_EQ(seen.stats().held, 1u);
    EXPECT_EQ(seen.stats().left_early, 0u);
}

// A full window is no error and no refusal: the oldest leaves, and whoever reads the counter knows
// that the window is shorter than was asked for.
TEST(SeenEvents, LetsTheOldestLeaveForWantOfRoom) {
    SeenEvents seen({.events_max = 3, .window = 1min}, kKey);
    for (std::uint32_t number : {1, 2, 3, 4}) EXPECT_TRUE(is_first(seen, number));
    EXPECT_EQ(seen.stats().left_early, 1u);
    for (std::uint32_t number : {2, 3, 4}) EXPECT_FALSE(is_first(seen, number));
    EXPECT_TRUE(is_first(seen, 1));
    EXPECT_TRUE(is_first(seen, 2));
    EXPECT_EQ(seen.stats().left_early, 3u);
    EXPECT_EQ(seen.stats().held, 3u);
}

// An event that found the queue full was never handled: its next try is no repetition.
TEST(SeenEvents, ForgetsWhatWasNotAccepted) {
    SeenEvents seen({.events_max = 3, .window = 1min}, kKey);
    EXPECT_TRUE(is_first(seen, 1));
    EXPECT_TRUE(is_first(seen, 2));
    seen.forget(id_of(1));
    EXPECT_TRUE(is_first(seen, 1));
    EXPECT_FALSE(is_first(seen, 2));
    seen.forget(id_of(7));
    EXPECT_EQ(seen.stats().held, 2u);
}

// While the queue is full thousands are not accepted; they may not push out those that were.
TEST(SeenEvents, LosesNothingToAFloodThatIsNotAccepted) {
    SeenEvents seen({.events_max = 3, .window = 1min}, kKey);
    EXPECT_TRUE(is_first(seen, 1));
    for (std::uint32_t number = 100; number < 1100; ++number) {
        EXPECT_TRUE(is_first(seen, number));
        seen.forget(id_of(number));
    }
    EXPECT_FALSE(is_first(seen, 1));
    EXPECT_EQ(seen.stats().left_early, 0u);
}

// Bounded and known in advance: an entry of 32 bytes and two to four slots of 4 for each event.
TEST(SeenEvents, AccountsForItsMemory) {
    SeenEvents seen({.events_max = 1000, .window = 1min}, kKey);
    const std::size_t before = seen.bytes_used();
    EXPECT_EQ(before, sizeof seen + 1000 * 32 + 2048 * 4);
    for (std::uint32_t number = 0; number < 5000; ++number) is_first(seen, number);
    EXPECT_EQ(seen.bytes_used(), before);
    EXPECT_EQ(seen.capacity(), 1000u);
}

// A thread may come with a time from before that of another: ids leave in the order in which they
// came, so that the earlier one stays with the later.
TEST(SeenEvents, AllowsForTimesOutOfOrder) {
    SeenEvents seen({.events_max = 10, .window = 1min}, kKey);
    EXPECT_TRUE(is_first(seen, 1, kStart + 2s));
    EXPECT_TRUE(is_first(seen, 2, kStart));
    EXPECT_FALSE(is_first(seen, 2, kStart + 1min));
    EXPECT_TRUE(is_first(seen, 2, kStart + 1min + 2s));
}

/// The window by its definition, over a map and a list.
class ReferenceWindow {
public:
    ReferenceWindow(std::size_t events_max, Duration window)
        : events_max_(events_max), window_(window) {}

    SeenEvents::Sighting see(std::uint32_t id, TimePoint now) {
        while (!order_.empty() && now - order_.front().second >= window_) leave();
        const auto found = outcomes_.find(id);
        if (found != outcomes_.end()) return {false, found->second};
        if (order_.size() == events_max_) {
            if (outcomes_.contains(order_.front().first)) ++left_early;
            leave();
        }
        order_.emplace_back(id, now);
        outcomes_[id] = std::nullopt;
        return {true, std::nullopt};
    }
    void conclude(std::uint32_t id, Outcome outcome) {
        if (outcomes_.contains(id)) outcomes_[id] = outcome;
    }
    void forget(std::uint32_t id) {
        if (outcomes_.erase(id) == 0) return;
        if (order_.back().first == id) return order_.pop_back();
        for (auto& [held, seen_at] : order_) {
            if (held == id) held = kNobody;
        }
    }
    std::size_t held() const { return outcomes_.size(); }

    std::uint64_t left_early = 0;

private:
    static constexpr std::uint32_t kNobody = 0xffffffff;
    void leave() {
        outcomes_.erase(order_.front().first);
        order_.pop_front();
    }

    std::size_t events_max_;
    Duration window_;
    std::map<std::uint32_t, std::optional<Outcome>> outcomes_;
    std::deque<std::pair<std::uint32_t, TimePoint>> order_;
};

// Exact: after any history of calls each answer is that of the definition. Few ids and small
// tables, so that they repeat, leave and collide all the time.
TEST(SeenEvents, AgreesWithItsDefinition) {
    ASSERT_TRUE(rc::check("seen events", [] {
        const auto events_max = *rc::gen::inRange<std::size_t>(1, 20);
        const Duration window(*rc::gen::inRange(1, 200));
        SeenEvents seen({.events_max = events_max, .window = window},
                        {*rc::gen::arbitrary<std::uint64_t>(), 0});
        ReferenceWindow reference(events_max, window);
        TimePoint now = kStart;
        const auto steps = *rc::gen::container<std::vector<std::uint32_t>>(
            400, rc::gen::inRange<std::uint32_t>(0, 30 * 8 * 4));
        for (const std::uint32_t step : steps) {
            const std::uint32_t id = step % 30;
            const std::uint32_t action = step / 30 % 8;
            now += Duration(action == 7 ? 40 : 1);
            if (action < 4 || action == 7) {
                const auto got = seen.see(id_of(id), now);
                const auto expected = reference.see(id, now);
                RC_ASSERT(got.first == expected.first);
                RC_ASSERT(got.outcome == expected.outcome);
            } else if (action < 6) {
                const auto outcome = static_cast<Outcome>(step / 240);
                seen.conclude(id_of(id), outcome);
                reference.conclude(id, outcome);
            } else {
                seen.forget(id_of(id));
                reference.forget(id);
            }
            RC_ASSERT(seen.stats().held == reference.held());
            RC_ASSERT(seen.stats().left_early == reference.left_early);
        }
    }));
}

// Two threads publish the same event at once: exactly one of them is the first.
TEST(SeenEvents, HasOneFirstBetweenThreads) {
    SeenEvents seen({.events_max = 5000, .window = 1min}, kKey);
    std::atomic<int> firsts = 0;
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 4; ++thread) {
            threads.emplace_back([&] {
                for (std::uint32_t number = 0; number < 5000; ++number) {
                    if (is_first(seen, number)) firsts.fetch_add(1);
                    seen.conclude(id_of(number), Outcome::handled);
                }
            });
        }
    }
    EXPECT_EQ(firsts.load(), 5000);
}

}  // namespace
}  // namespace crucible::runtime
