#include "runtime/route/retry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;

/// 1,000 draws of the delay after so many attempts.
std::vector<Duration> draws(const RetryPolicy& policy, std::uint32_t attempts,
                            std::optional<Duration> remaining = {}) {
    base::Rng random(11);
    std::vector<Duration> delays;
    for (int i = 0; i < 1000; ++i) delays.push_back(*policy.delay(attempts, remaining, random));
    return delays;
}

/// The bound of the formula: no draw reaches it, and a thousand come near.
void expect_bound(const std::vector<Duration>& delays, Duration bound) {
    const auto [least, most] = std::ranges::minmax(delays);
    EXPECT_GE(least, Duration::zero());
    EXPECT_LT(most, bound);
    EXPECT_GT(most, bound - bound / 100);
    EXPECT_LT(least, bound / 100);
}

// AWS's formula, number by number: the draws are those of the generator below the bound.
TEST(RetryPolicy, DrawsFromTheWholeOfTheBackoff) {
    const RetryPolicy policy{.attempts_max = 10, .base = 100ms, .cap = 10s};
    base::Rng random(5);
    base::Rng same(5);
    for (std::uint32_t attempts = 1; attempts < 10; ++attempts) {
        const Duration bound = std::min<Duration>(10s, 100ms * (1 << (attempts - 1)));
        EXPECT_EQ(policy.delay(attempts, {}, random),
                  Duration(same.below(static_cast<std::uint64_t>(bound.count()))));
    }
}

TEST(RetryPolicy, DoublesUpToItsCap) {
    const RetryPolicy policy{.attempts_max = 100, .base = 100ms, .cap = 1s};
    expect_bound(draws(policy, 1), 100ms);
    expect_bound(draws(policy, 2), 200ms);
    expect_bound(draws(policy, 4), 800ms);
    expect_bound(draws(policy, 5), 1s);
    // 2^98 does not fit any integer; and a cap near the end of time can be doubled into.
    expect_bound(draws(policy, 99), 1s);
    const RetryPolicy endless{.attempts_max = 1000, .base = 1ns, .cap = Duration::max()};
    expect_bound(draws(endless, 999), Duration::max());
    expect_bound(draws({.attempts_max = 9, .base = 1s, .cap = 10ms}, 1), 10ms);
}

TEST(RetryPolicy, EndsAfterItsAttempts) {
    base::Rng random(1);
    const RetryPolicy policy{.attempts_max = 3};
    EXPECT_TRUE(policy.delay(1, {}, random));
    EXPECT_TRUE(policy.delay(2, {}, random));
    EXPECT_EQ(policy.delay(3, {}, random), std::nullopt);
    EXPECT_EQ(policy.delay(4, {}, random), std::nullopt);
}

// An attempt after the deadline would only find that out: the delay is drawn from what is left.
TEST(RetryPolicy, NeverEndsAfterTheDeadline) {
    const RetryPolicy policy{.attempts_max = 9, .base = 1s, .cap = 10s};
    expect_bound(draws(policy, 3, 700ms), 700ms);
    expect_bound(draws(policy, 3, 1h), 4s);
    base::Rng random(1);
    EXPECT_EQ(policy.delay(3, 0ns, random), std::nullopt);
    EXPECT_EQ(policy.delay(3, -1s, random), std::nullopt);
    EXPECT_EQ(policy.delay(3, 1ns, random), 0ns);
}

}  // namespace
}  // namespace crucible::runtime
