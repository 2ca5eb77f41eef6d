#include <gtest/gtest.h>

#include "crucible/allocation.h"
#include "random_rules.h"
#include "runtime/route/rule_book.h"
#include "runtime/route/seen_events.h"
#include "runtime/route/timer_queue.h"

namespace crucible::runtime {
namespace {

class NoAllocation : public ::testing::Test {
protected:
    void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "a sanitizer has a malloc of its own, which has to come first";
#endif
    }

    /// By this thread.
    static std::uint64_t allocation_count() {
        return thread_allocations().allocations;
    }
};

// The counter counts: else every test below would pass.
TEST_F(NoAllocation, IsNoticedWhenThereIsOne) {
    const std::uint64_t before = allocation_count();
    EXPECT_FALSE(std::string(100 + before, 'x').empty());
    EXPECT_EQ(allocation_count(), before + 1);
}

// On the way of every event nothing may allocate: a lock and a cache miss in the allocator would be
// most of what routing costs.
TEST_F(NoAllocation, HappensForAnEvent) {
    RuleSet rules;
    for (std::size_t i = 0; i < kStrategyCount; ++i) {
        rules.rules.push_back({.id = "rule-" + std::to_string(i),
                               .stop = false,
                               .action = ToPool{"database", static_cast<Strategy>(i)}});
    }
    Filter& filter = rules.rules[0].filter;
    filter.type = *Pattern::parse("a type that is too long for a small string.*");
    filter.source = *Pattern::parse("client-*");
    filter.targets = {"a name that is too long for a small string"};
    rules.rules[1].conditions.health["database-1"] = {Health::healthy};
    rules.rules[2].conditions.time = TimeWindow{};
    RuleBook book(testing::three_instances());
    ASSERT_TRUE(book.replace(rules));
    RuleReader reader(book);
    const InstanceStates states(3);
    SeenEvents seen({.events_max = 2}, {});
    TimerQueue<std::uint64_t> timers(4);
    Event event;
    event.type = "a type that is too long for a small string.created";
    event.source = "client-that is too long for a small string";
    event.targets = {"a name that is too long for a small string"};
    static_cast<void>(reader.table());

    const std::uint64_t before = allocation_count();
    std::size_t picked = 0;
    const RuleTable& table = reader.table();
    const Decision decision = table.route(view_of(event), {.instances = &states});
    for (const auto rank : decision.ranks()) {
        const Delivery& delivery = table.delivery(rank);
        picked += table.pool(*delivery.pool).pick(delivery.strategy, event.source, states) ? 1 : 0;
    }
    for (std::uint8_t i = 0; i < 9; ++i) {
        event.id.bytes[0] = i;
        seen.see(event.id, TimePoint());
        seen.conclude(event.id, Outcome::handled);
        seen.forget(event.id);
        static_cast<void>(timers.push(TimePoint(), i));
    }
    while (timers.take_due(TimePoint())) continue;
    EXPECT_EQ(allocation_count(), before);

    EXPECT_EQ(picked, kStrategyCount);
}

}  // namespace
}  // namespace crucible::runtime
