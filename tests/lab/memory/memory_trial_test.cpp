#include "lab/memory/memory_trial.h"

#include <gtest/gtest.h>

#include <chrono>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/// Of one client and two phases.
MemoryTrial watched(const MemoryTrialOptions& watch) {
    Plan plan;
    plan.clients = 1;
    plan.workload.payload = PayloadSizes::fixed(64);
    plan.phases.assign(2, steady_phase(*base::Rate::per_second(2000), 40));
    auto trial =
        run_memory_trial(*parse_target("synthetic:"), {}, plan, {}, CRUCIBLE_ALLOC_TRACKER, watch);
    EXPECT_TRUE(trial) << trial.error().message;
    return trial ? *std::move(trial) : MemoryTrial{};
}

// A trial that counts has three divisions of what its processes allocated. One of many phases has
// the owners, which are few, and would grow with its length by all else.
TEST(MemoryTrial, KeepsDetailsOfEachMomentUnlessTold) {
    for (const bool keeps : {true, false}) {
        const auto trial = watched({.keeps_details = keeps});
        ASSERT_EQ(trial.processes.size(), 1U);
        ASSERT_EQ(trial.processes[0].quiet.size(), 3U);
        for (const auto& moment : trial.processes[0].quiet) {
            EXPECT_EQ(moment.rows.empty(), !keeps);
            EXPECT_EQ(moment.classes.empty(), !keeps);
            bool has_classes = false;
            bool has_harness = false;
            for (const auto& owner : moment.owners) {
                has_classes |= !owner.classes.empty();
                has_harness |=
                    owner.name == "harness" && owner.apart && owner.counts.live_bytes() > 0;
            }
            EXPECT_EQ(has_classes, keeps);
            EXPECT_TRUE(has_harness);
            EXPECT_FALSE(moment.threads.empty());
        }
    }
}

#endif

}  // namespace
}  // namespace crucible::lab
