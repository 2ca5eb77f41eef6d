#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "children.h"
#include "lab/run/trial.h"
#include "trials.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

Plan steady_plan(double rate, std::uint64_t events, std::uint32_t clients = 2) {
    Plan plan;
    plan.clients = clients;
    plan.workload.payload = PayloadSizes::fixed(512);
    plan.phases = {steady_phase(*base::Rate::per_second(rate), events)};
    return plan;
}

// The real systems with their real services, open and closed loop: every event sent is handled,
// and each is charged for its own processes.
TEST(RealSystemTrial, EveryEventIsHandled) {
    for (const auto* target : {"router:", "coordinator:", "daemon:"}) {
        auto plan = steady_plan(500, 200);
        plan.phases.push_back(maximum_phase(100ms));
        TrialOptions options;
        bool had_data = false;
        options.before_stop = [&](System& system) {
            had_data = std::filesystem::exists(*system.data_directory() + "/crucible.db");
        };
        const auto result = run(target, plan, options);
        ASSERT_FALSE(result.failure) << target << ": " << result.failure->message;
        ASSERT_EQ(result.phases.size(), 2u);
        for (const auto& phase : result.phases) {
            EXPECT_EQ(phase.delivery.handled, phase.delivery.sent) << target;
            EXPECT_EQ(phase.delivery.lost, 0u) << target;
            EXPECT_GT(phase.delivery.sent, 0u) << target;
            EXPECT_GT(phase.usage.cpu, 0ns) << target;
            EXPECT_EQ(phase.usage_system.cpu > 0ns, std::string_view(target) == "daemon:");
            EXPECT_LE(phase.usage_system.cpu, phase.usage.cpu);
        }
        EXPECT_EQ(result.phases[0].delivery.sent, 200u) << target;
        EXPECT_TRUE(had_data) << target;
        for (const auto* name : {"conservation", "clock_sanity", "no_duplicates", "littles_law"}) {
            const auto check = std::ranges::find(result.checks, name, &Check::name);
            EXPECT_TRUE(check->passed) << target << ": " << name << ": " << check->detail;
        }
        EXPECT_TRUE(children().empty());
    }
}

// Events that are wrong on purpose end as they must in every system, and count as handled then;
// null: takes everything, and is not judged.
TEST(RealSystemTrial, FaultyEventsEndAsTheyMust) {
    auto plan = steady_plan(1000, 1000);
    plan.workload.faults = *Faults::parse("malformed=2%,failing=3%,duplicates=2%");
    plan.phases.push_back(maximum_phase(100ms));
    for (const auto* target : {"router:", "coordinator:", "daemon:", "null:"}) {
        const auto result = run(target, plan);
        ASSERT_FALSE(result.failure) << target << ": " << result.failure->message;
        const auto check = std::ranges::find(result.checks, "faults_as_expected", &Check::name);
        EXPECT_TRUE(check->passed) << target << ": " << check->detail;
        EXPECT_EQ(check->detail.contains("no faulty event"), std::string_view(target) == "null:");
        for (const auto& phase : result.phases)
            EXPECT_EQ(phase.delivery.handled, phase.delivery.sent) << target;
        if (std::string_view(target) == "null:") continue;
        const auto& faults = result.phases[0].faults;
        EXPECT_EQ(faults[1].sent + faults[2].sent + faults[3].sent, 70u) << target;
        EXPECT_GT(faults[1].as_expected, 0u);
        EXPECT_GT(faults[2].as_expected, 0u);
        EXPECT_GT(faults[3].as_expected, 0u);
    }
}

// The daemon is killed in mid-run: the trial names it and ends; what was measured is kept, and lost
// are exactly the events that were accepted and never answered.
TEST(RealSystemTrial, KilledDaemonIsAFailureWithAPartialResult) {
    TrialOptions options;
    pid_t killed = 0;
    options.on_progress = [&](const TrialProgress& progress) {
        if (progress.handled < 100 || killed != 0) return;
        killed = child_called("crucibled");
        ASSERT_NE(killed, 0);
        ::kill(killed, SIGKILL);
    };
    const auto result = run("daemon:?work=none", steady_plan(2000, 120'000), options);
    ASSERT_TRUE(result.failure);
    EXPECT_TRUE(result.failure->message.starts_with("crucibled (pid " + std::to_string(killed) +
                                                    ") was killed by signal 9 (Killed)"))
        << result.failure->message;
    EXPECT_FALSE(result.valid());
    ASSERT_EQ(result.phases.size(), 1u);
    const auto& delivery = result.phases[0].delivery;
    EXPECT_GE(delivery.handled, 100u);
    EXPECT_LT(delivery.sent, 120'000u);
    EXPECT_EQ(delivery.lost, delivery.sent - delivery.handled - delivery.rejected);
    // Each client was refused at most the one send at which it saw the daemon gone.
    EXPECT_LE(delivery.rejected, 2u);
    EXPECT_EQ(result.phases[0].latency.count(), delivery.handled);
    EXPECT_TRUE(children().empty());
}

// The daemon is stopped for 200 ms in mid-run: every event that was due meanwhile waited, and the
// injector, which was not stopped, kept its schedule.
TEST(RealSystemTrial, NothingIsOmittedWhenTheDaemonStalls) {
    TrialOptions options;
    bool stalled = false;
    options.on_progress = [&](const TrialProgress& progress) {
        if (progress.handled < 1000 || stalled) return;
        stalled = true;
        const pid_t daemon = child_called("crucibled");
        ASSERT_NE(daemon, 0);
        ::kill(daemon, SIGSTOP);
        base::SteadyClock clock;
        clock.sleep_until(clock.now() + 200ms);  // the stall itself
        ::kill(daemon, SIGCONT);
    };
    const auto result = run("daemon:?work=none", steady_plan(5000, 10'000), options);
    ASSERT_FALSE(result.failure) << result.failure->message;
    ASSERT_TRUE(stalled);
    const auto& phase = result.phases[0];
    EXPECT_EQ(phase.delivery.handled, 10'000u);
    EXPECT_GE(phase.latency.max(), 198ms);
    // 1,000 events were due in it; half of them waited at least 100 ms.
    EXPECT_GE(phase.latency.quantile(1 - 0.045), 100ms);
    EXPECT_FALSE(phase.saturated);
}

}  // namespace
}  // namespace crucible::lab
