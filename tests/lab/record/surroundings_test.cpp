#include "lab/record/surroundings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

MachineReading reading(Duration at, double busy, double own, double steal) {
    return {.at = TimePoint(at),
            .wall_offset = 1000s,
            .busy_seconds = busy,
            .own_seconds = own,
            .steal_seconds = steal};
}

// Two seconds in which all cores together were busy for 3 s, 2 s of it with the trial: the rest is
// half a core of others.
TEST(Surroundings, OthersAreWhatTheTrialDidNotUse) {
    const auto between = surroundings_between(reading(10s, 100, 40, 1), reading(12s, 103, 42, 1.2));
    EXPECT_EQ(between.wall, 2s);
    EXPECT_DOUBLE_EQ(between.other_cores.value(), 0.5);
    EXPECT_NEAR(between.stolen_cores.value(), 0.1, 1e-12);
    EXPECT_EQ(between.clock_step, 0s);
    EXPECT_FALSE(between.pressure.has_value());
}

// Clock ticks are dealt out differently to cores and to processes; less than none is none.
TEST(Surroundings, OthersAreNeverNegative) {
    const auto between = surroundings_between(reading(0s, 10, 5, 0), reading(1s, 11, 6.02, 0));
    EXPECT_EQ(between.other_cores, 0.0);
}

// A server whose processes nobody named uses CPU that is not its neighbours'.
TEST(Surroundings, WithoutRootsOthersAreNotKnown) {
    auto last = read_machine({});
    EXPECT_FALSE(last.own_seconds.has_value());
    EXPECT_FALSE(surroundings_between(reading(0s, 0, 0, 0), last).other_cores.has_value());
}

// Somebody sets the clock back by three seconds in mid-trial.
TEST(Surroundings, SeesTheWallClockStep) {
    auto last = reading(12s, 1, 1, 0);
    last.wall_offset = 997s;
    EXPECT_EQ(surroundings_between(reading(10s, 0, 0, 0), last).clock_step, -3s);
}

// What children use is the trial's own, while they run and once they were waited for: else every
// client process would count as a neighbour.
TEST(Surroundings, ChildrenBelongToTheTrial) {
    const std::array<pid_t, 1> roots{::getpid()};
    const auto first = read_machine(roots);
    auto child = base::Process::start(
        {.arguments = {"/bin/sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"}});
    ASSERT_TRUE(child) << child.error().message;
    const auto running_until = base::monotonic_now() + 50ms;
    while (base::monotonic_now() < running_until) {
    }
    ASSERT_TRUE(child->wait(60s));
    const auto last = read_machine(roots);
    ASSERT_TRUE(first.own_seconds && last.own_seconds);
    // A loop of 200,000 in a shell takes more than 50 ms on any machine; so do we.
    EXPECT_GE(*last.own_seconds - *first.own_seconds, 0.08);
    EXPECT_GE(*last.busy_seconds - *first.busy_seconds, 0.05);
}

// The identity is that of a machine and nothing that changes from round to round.
TEST(Surroundings, TheMachineIsTheSameTwice) {
    EXPECT_EQ(machine_identity(), machine_identity());
    EXPECT_NE(machine_identity().find("cores"), std::string::npos);
}

// Of a system that is kept on one core the others' are somebody else's.
TEST(Surroundings, CountSingleCores) {
    const auto root = base::TempDir::make("surroundings");
    ASSERT_TRUE(root);
    std::filesystem::create_directory(root->path() / "proc");
    std::ofstream(root->path() / "proc/stat") << "cpu  600 30 300 9000 1 2 3 4 0 0\n"
                                                 "cpu0 500 10 200 4000 1 1 1 2 0 0\n"
                                                 "cpu1 100 20 100 5000 0 1 2 2 0 0\n"
                                                 "intr 12 0 0\n";
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    EXPECT_DOUBLE_EQ(read_busy_seconds({0}, root->path()).value_or(0), 710 / ticks);
    EXPECT_DOUBLE_EQ(read_busy_seconds({0, 1}, root->path()).value_or(0), 930 / ticks);
    EXPECT_FALSE(read_busy_seconds({1, 2}, root->path()));
}

}  // namespace
}  // namespace crucible::lab
