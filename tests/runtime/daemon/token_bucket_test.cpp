#include "runtime/daemon/token_bucket.h"

#include <gtest/gtest.h>

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;

/// How many events may come at `now`.
int take_all(TokenBucket& bucket, TimePoint now) {
    int taken = 0;
    for (; bucket.holds_one(now); ++taken) bucket.take();
    return taken;
}

// The burst at once, and from then on the rate, whatever the steps in which time is looked at.
TEST(TokenBucket, GivesTheBurstAndThenTheRate) {
    const TimePoint start{1h};
    TokenBucket bucket(1000, 50, start);
    EXPECT_EQ(take_all(bucket, start), 50);
    EXPECT_EQ(take_all(bucket, start), 0);
    int taken = 0;
    for (Duration passed = 0ms; passed <= 2s; passed += 333us)
        taken += take_all(bucket, start + passed);
    EXPECT_NEAR(taken, 2000, 1);
    EXPECT_EQ(take_all(bucket, start + 1h), 50) << "no more than the burst is saved up";
}

// Who waits until then finds that many: at an odd rate too, where the time is no whole number.
TEST(TokenBucket, SaysWhenTokensAreThere) {
    for (const double rate : {0.3, 7.0, 999.0, 3e6}) {
        const TimePoint start{1h};
        TokenBucket bucket(rate, 10, start);
        take_all(bucket, start);
        const TimePoint ready = bucket.when(5);
        EXPECT_GE(take_all(bucket, ready), 5) << rate;
        EXPECT_LE(ready - start, std::chrono::duration<double>(5.1 / rate)) << rate;
    }
}

TEST(TokenBucket, WaitsForNoMoreThanItsBurst) {
    const TimePoint start{1h};
    TokenBucket bucket(100, 2, start);
    EXPECT_EQ(bucket.when(1), start) << "there are some";
    take_all(bucket, start);
    EXPECT_EQ(bucket.when(1000), start + 20ms);
}

// A clock that is looked at late does not take tokens away.
TEST(TokenBucket, TimeDoesNotRunBackwards) {
    const TimePoint start{1h};
    TokenBucket bucket(100, 2, start);
    EXPECT_TRUE(bucket.holds_one(start - 1min));
    EXPECT_EQ(take_all(bucket, start), 2);
}

}  // namespace
}  // namespace crucible::runtime
