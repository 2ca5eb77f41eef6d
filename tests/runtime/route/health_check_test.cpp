#include "runtime/route/health_check.h"

#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"
#include "base/start_time.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;

/// One check of that result; the new health, when it changed.
std::optional<Health> check(HealthCheck& checks, CheckResult result) {
    const auto number = checks.begin(checks.wakes_at());
    EXPECT_TRUE(number);
    return checks.finish(*number, result);
}

/// The health after each of the results: p passed, d degraded, f failed.
std::string course(HealthCheck& checks, std::string_view results) {
    std::string out;
    for (const char c : results) {
        check(checks, c == 'p'   ? CheckResult::passed
                      : c == 'd' ? CheckResult::degraded
                                 : CheckResult::failed);
        out += (out.empty() ? "" : " ") + std::string(to_string(checks.health()));
    }
    return out;
}

// One good answer may be luck.
TEST(HealthCheck, BecomesHealthyAfterRise) {
    HealthCheck checks({.rise = 3, .fall = 2}, kStart);
    EXPECT_EQ(checks.health(), Health::starting);
    EXPECT_EQ(course(checks, "ppfppp"), "starting starting starting starting starting healthy");
}

// One bad answer makes others preferred, and takes nothing away yet.
TEST(HealthCheck, BecomesUnhealthyAfterFall) {
    HealthCheck checks({.rise = 1, .fall = 3}, kStart);
    EXPECT_EQ(course(checks, "pffpfff"),
              "healthy degraded degraded healthy degraded degraded unhealthy");
}

// Recovery needs nobody: what answers again comes back, through `degraded` even when one passed
// check would do, since the registry knows no way straight from unhealthy to healthy.
TEST(HealthCheck, ComesBackByItself) {
    HealthCheck once({.rise = 1, .fall = 1}, kStart);
    EXPECT_EQ(course(once, "fpp"), "unhealthy degraded healthy");
    HealthCheck thrice({.rise = 3, .fall = 1}, kStart);
    EXPECT_EQ(course(thrice, "fppp"), "unhealthy degraded degraded healthy");
}

// It works, with less than all of itself.
TEST(HealthCheck, IsDegradedWhenItSaysSo) {
    HealthCheck checks({.rise = 2, .fall = 2}, kStart);
    EXPECT_EQ(course(checks, "dppdpfdf"),
              "degraded degraded healthy degraded degraded degraded degraded degraded");
}

// Only changes are told.
TEST(HealthCheck, TellsChanges) {
    HealthCheck checks({.rise = 1, .fall = 1}, kStart);
    EXPECT_EQ(check(checks, CheckResult::passed), Health::healthy);
    EXPECT_EQ(check(checks, CheckResult::passed), std::nullopt);
    EXPECT_EQ(check(checks, CheckResult::failed), Health::unhealthy);
}

TEST(HealthCheck, IsDueOnceAnInterval) {
    HealthCheck checks({.interval = 5s, .timeout = 1s}, kStart);
    EXPECT_EQ(checks.wakes_at(), kStart);
    EXPECT_EQ(checks.begin(kStart - 1ns), std::nullopt);
    const auto first = checks.begin(kStart);
    ASSERT_TRUE(first);
    EXPECT_EQ(checks.begin(kStart), std::nullopt);
    checks.finish(*first, CheckResult::passed);
    EXPECT_EQ(checks.wakes_at(), kStart + 5s);
    // After a stall of a minute one check is made, not twelve.
    ASSERT_TRUE(checks.begin(kStart + 60s));
    checks.expire(kStart + 61s);
    EXPECT_EQ(checks.wakes_at(), kStart + 65s);
}

// An instance that hangs answers nothing: silence is a failure, and an answer after that is too
// late to be one of the next check.
TEST(HealthCheck, CountsSilenceAsFailure) {
    HealthCheck checks({.interval = 5s, .timeout = 1s, .rise = 1, .fall = 1}, kStart);
    const auto hangs = checks.begin(kStart);
    ASSERT_TRUE(hangs);
    EXPECT_EQ(checks.wakes_at(), kStart + 1s);
    EXPECT_EQ(checks.expire(kStart + 1s - 1ns), std::nullopt);
    EXPECT_EQ(checks.expire(kStart + 1s), Health::unhealthy);
    EXPECT_EQ(checks.finish(*hangs, CheckResult::passed), std::nullopt);
    EXPECT_EQ(checks.health(), Health::unhealthy);
    const auto next = checks.begin(kStart + 5s);
    ASSERT_TRUE(next);
    EXPECT_EQ(checks.finish(*hangs, CheckResult::passed), std::nullopt);
    EXPECT_EQ(checks.finish(*next, CheckResult::passed), Health::degraded);
}

// Whatever the results: every change is one that the health registry accepts, as it is told them.
TEST(HealthCheck, ChangesOnlyAsTheRegistryAllows) {
    base::Rng random(3);
    int changes = 0;
    for (int round = 0; round < 200; ++round) {
        HealthCheck checks({.rise = 1 + static_cast<std::uint32_t>(random.below(3)),
                            .fall = 1 + static_cast<std::uint32_t>(random.below(3))},
                           kStart);
        for (int i = 0; i < 50; ++i) {
            const Health before = checks.health();
            const auto now = check(checks, static_cast<CheckResult>(random.below(3)));
            if (!now) continue;
            ++changes;
            ASSERT_TRUE(may_follow(before, *now)) << to_string(before) << to_string(*now);
        }
    }
    EXPECT_GT(changes, 2000);
}

}  // namespace
}  // namespace crucible::runtime
