#include "runtime/route/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace crucible::runtime {
namespace {

/// Instances 0, 1, 2, … with these weights.
std::vector<Pool::Member> weighted(std::vector<std::uint32_t> weights) {
    std::vector<Pool::Member> members;
    for (std::size_t i = 0; i < weights.size(); ++i) members.push_back({i, weights[i], 0});
    return members;
}

std::vector<Pool::Member> ranked(std::vector<std::int32_t> priorities) {
    std::vector<Pool::Member> members;
    for (std::size_t i = 0; i < priorities.size(); ++i) members.push_back({i, 1, priorities[i]});
    return members;
}

/// "abc…": who was chosen, with a dash for nobody.
std::string picks(Pool& pool, Strategy strategy, const InstanceStates& states, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
        const auto chosen = pool.pick(strategy, "client-1", states);
        out += chosen ? static_cast<char>('a' + *chosen) : '-';
    }
    return out;
}

// Everyone in turn.
TEST(Pool, TakesTurns) {
    Pool pool(weighted({1, 1, 1}));
    const InstanceStates states(3);

    EXPECT_EQ(picks(pool, Strategy::round_robin, states, 7), "abcabca");
}

// Counting on and skipping would give c the turns of b, two for every one of a.
TEST(Pool, LeavesNoDoubleShareToTheNeighbourOfOneThatIsOut) {
    Pool pool(weighted({1, 1, 1, 1}));
    InstanceStates states(4);
    states.set_health(1, Health::unhealthy);

    EXPECT_EQ(picks(pool, Strategy::round_robin, states, 9), "acdacdacd");
    states.set_health(1, Health::healthy);
    EXPECT_EQ(picks(pool, Strategy::round_robin, states, 4), "abcd");
}

// The sequence that nginx's authors give for 5, 1, 1: spread, not aaaaabc.
TEST(Pool, SpreadsWeightsAsNginxDoes) {
    Pool pool(weighted({5, 1, 1}));
    const InstanceStates states(3);

    EXPECT_EQ(picks(pool, Strategy::weighted, states, 14), "aabacaaaabacaa");
}

// Exact shares over whole cycles, whatever the weights.
TEST(Pool, GivesExactlyTheWeights) {
    const std::vector<std::uint32_t> weights{7, 3, 1, 12};
    Pool pool(weighted(weights));
    const InstanceStates states(4);
    std::map<char, std::uint32_t> counts;
    for (const char c : picks(pool, Strategy::weighted, states, 23 * 5)) ++counts[c];

    for (std::size_t i = 0; i < weights.size(); ++i)
        EXPECT_EQ(counts[static_cast<char>('a' + i)], 5 * weights[i]);
}

// Who is out gets nothing, and does not come back with a backlog of turns.
TEST(Pool, LeavesWeightsOfThoseOutAside) {
    Pool pool(weighted({2, 1, 1}));
    InstanceStates states(3);
    states.set_admitted(0, false);
    EXPECT_EQ(picks(pool, Strategy::weighted, states, 6), "bcbcbc");
    states.set_admitted(0, true);
    std::map<char, int> counts;
    for (const char c : picks(pool, Strategy::weighted, states, 8)) ++counts[c];
    EXPECT_EQ(counts['a'], 4);
}

// The least loaded; and equals take turns, so that an idle pool does not use its first member only.
TEST(Pool, TakesWhoHasTheFewestInFlight) {
    Pool pool(weighted({1, 1, 1}));
    InstanceStates states(3);
    EXPECT_EQ(picks(pool, Strategy::least_in_flight, states, 3), "abc");
    states.begin(0);
    states.begin(0);
    states.begin(1);
    EXPECT_EQ(picks(pool, Strategy::least_in_flight, states, 2), "cc");
    states.begin(2);
    states.begin(2);
    EXPECT_EQ(picks(pool, Strategy::least_in_flight, states, 2), "bb");
    states.end(0);
    states.end(0);
    EXPECT_EQ(picks(pool, Strategy::least_in_flight, states, 1), "a");
}

// Degraded ones help only when no healthy one is left; unhealthy ones never.
TEST(Pool, PrefersHealthyToDegraded) {
    Pool pool(weighted({1, 1, 1, 1}));
    InstanceStates states(4);
    states.set_health(0, Health::degraded);
    states.set_health(3, Health::unhealthy);
    EXPECT_EQ(picks(pool, Strategy::health, states, 4), "bcbc");
    states.set_health(1, Health::degraded);
    states.set_health(2, Health::stopped);
    EXPECT_EQ(picks(pool, Strategy::health, states, 4), "abab");
}

// The stand-by takes over, and gives back.
TEST(Pool, TakesTheHighestPriorityThatIsAvailable) {
    Pool pool(ranked({1, 5, 1, 5}));
    InstanceStates states(4);
    EXPECT_EQ(picks(pool, Strategy::priority, states, 4), "bdbd");
    states.set_health(1, Health::unhealthy);
    EXPECT_EQ(picks(pool, Strategy::priority, states, 2), "dd");
    states.set_admitted(3, false);
    EXPECT_EQ(picks(pool, Strategy::priority, states, 3), "aca");
    states.set_admitted(3, true);
    EXPECT_EQ(picks(pool, Strategy::priority, states, 2), "dd");
}

// One source stays with one instance; when that is out, the sources of the others do not move, and
// its own come back with it.
TEST(Pool, MovesOnlyTheSourcesOfOneThatIsOut) {
    Pool pool(weighted({1, 1, 1, 1}));
    InstanceStates states(4);
    std::map<std::string, std::size_t> home;
    std::map<std::size_t, int> sources_of;
    for (int i = 0; i < 400; ++i) {
        const std::string source = "client-" + std::to_string(i);
        home[source] = *pool.pick(Strategy::by_source, source, states);
        ++sources_of[home[source]];
    }
    for (std::size_t i = 0; i < 4; ++i) EXPECT_GT(sources_of[i], 70) << i;
    states.set_health(2, Health::unhealthy);
    for (const auto& [source, instance] : home) {
        const auto now = pool.pick(Strategy::by_source, source, states);
        ASSERT_TRUE(now);
        if (instance == 2) {
            EXPECT_NE(*now, 2u);
        } else {
            EXPECT_EQ(*now, instance);
        }
    }
    states.set_health(2, Health::healthy);
    for (const auto& [source, instance] : home)
        EXPECT_EQ(pool.pick(Strategy::by_source, source, states), instance);
}

// Stated: nobody, and the caller decides. None of the strategies makes one up.
TEST(Pool, PicksNobodyWhenNobodyIsAvailable) {
    Pool pool(weighted({1, 1}));
    InstanceStates states(2);
    states.set_health(0, Health::starting);
    states.set_admitted(1, false);
    for (std::size_t i = 0; i < kStrategyCount; ++i)
        EXPECT_EQ(picks(pool, static_cast<Strategy>(i), states, 2), "--") << i;
}

// Threads that choose at once share the turns out exactly: each pick is somebody's and nobody
// else's.
TEST(Pool, SharesTurnsExactlyBetweenThreads) {
    for (const Strategy strategy : {Strategy::round_robin, Strategy::weighted}) {
        Pool pool(weighted({1, 1, 2}));
        const InstanceStates states(3);
        std::array<std::atomic<int>, 3> counts{};
        {
            std::vector<std::jthread> threads;
            for (int thread = 0; thread < 4; ++thread) {
                threads.emplace_back([&] {
                    for (int i = 0; i < 3000; ++i)
                        counts[*pool.pick(strategy, "", states)].fetch_add(1);
                });
            }
        }
        const bool by_weight = strategy == Strategy::weighted;
        EXPECT_EQ(counts[0], by_weight ? 3000 : 4000);
        EXPECT_EQ(counts[1], by_weight ? 3000 : 4000);
        EXPECT_EQ(counts[2], by_weight ? 6000 : 4000);
    }
}

}  // namespace
}  // namespace crucible::runtime
