#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string_view>

#include "lab/record/activity.h"
#include "trials.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

const ThreadActivity* find_thread(const ActivityReport& report, std::string_view name) {
    const auto found = std::ranges::find(report.threads, name, &ThreadActivity::name);
    return found == report.threads.end() ? nullptr : &*found;
}

// Of a system that lives in its clients, its workers are its own and the sender is not.
TEST(TrialActivity, TellsAnEmbeddedSystemFromItsClient) {
    const Plan plan{.clients = 1, .phases = {steady(500, 250, 100ms)}};
    const auto result = run("coordinator:?workers=2", plan, {.activity = true});
    ASSERT_EQ(result.phases.size(), 1U);
    const auto& activity = result.phases[0].activity;
    ASSERT_TRUE(activity);
    EXPECT_GE(activity->samples, 5U);
    EXPECT_GE(activity->system().threads, 2U);
    ASSERT_NE(find_thread(*activity, "worker-0"), nullptr);
    EXPECT_EQ(find_thread(*activity, "worker-0")->side, ActivitySide::system);
    ASSERT_NE(find_thread(*activity, "load"), nullptr);
    EXPECT_EQ(find_thread(*activity, "load")->side, ActivitySide::injector);
    EXPECT_FALSE(result.phases[0].limits.empty());
}

// A daemon's threads are the system's, all those of its clients are not.
TEST(TrialActivity, TellsADaemonFromItsClients) {
    const Plan plan{.clients = 1, .phases = {steady(500, 250, 100ms)}};
    const auto result = run("daemon:", plan, {.activity = true});
    ASSERT_EQ(result.phases.size(), 1U);
    const auto& activity = result.phases[0].activity;
    ASSERT_TRUE(activity);
    ASSERT_NE(find_thread(*activity, "worker-0"), nullptr);
    EXPECT_EQ(find_thread(*activity, "worker-0")->side, ActivitySide::system);
    ASSERT_NE(find_thread(*activity, "daemon-client"), nullptr);
    EXPECT_EQ(find_thread(*activity, "daemon-client")->side, ActivitySide::injector);
}

// It costs something: whoever does not ask does not pay.
TEST(TrialActivity, IsThereOnlyWhereItIsAskedFor) {
    const Plan plan{.clients = 1, .phases = {steady(500, 50)}};
    const auto result = run("null:", plan);
    ASSERT_EQ(result.phases.size(), 1U);
    EXPECT_FALSE(result.phases[0].activity);
    EXPECT_TRUE(result.phases[0].limits.empty());
}

// Whoever asks what is in use of the machine's limits pays for one reading of it, not for samples.
TEST(TrialActivity, IsNotTakenWhereLimitsAloneAreAskedFor) {
    const Plan plan{.clients = 1, .phases = {steady(500, 250)}};
    const auto result = run("coordinator:", plan, {.limits = true});
    ASSERT_EQ(result.phases.size(), 1U);
    EXPECT_FALSE(result.phases[0].activity);
    EXPECT_FALSE(result.phases[0].limits.empty());
}

TEST(TrialActivity, IsOfThePhasesThatAreNamed) {
    const Plan plan{.clients = 1, .phases = {steady(500, 100), steady(500, 100), steady(500, 100)}};
    const auto result = run("coordinator:", plan, {.activity = true, .activity_phases = {0, 2}});
    ASSERT_EQ(result.phases.size(), 3U);
    EXPECT_TRUE(result.phases[0].activity);
    EXPECT_FALSE(result.phases[1].activity);
    EXPECT_TRUE(result.phases[1].limits.empty());
    EXPECT_TRUE(result.phases[2].activity);
}

}  // namespace
}  // namespace crucible::lab
