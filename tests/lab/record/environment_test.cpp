#include "lab/record/environment.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <thread>

namespace crucible::lab {
namespace {

// Every fact is of this machine: compared with another source where there is one, else with what is
// possible.
TEST(Environment, DescribesThisMachine) {
    const int slack = ::prctl(PR_GET_TIMERSLACK);
    const Environment environment = read_environment();
    EXPECT_FALSE(environment.cpu_model.empty());
    EXPECT_GE(environment.cores, 1u);
    EXPECT_LE(environment.cores, static_cast<std::uint32_t>(::sysconf(_SC_NPROCESSORS_ONLN)));
    EXPECT_GT(environment.memory_bytes, std::uint64_t{64} << 20);
    EXPECT_TRUE(environment.kernel.starts_with("Linux ")) << environment.kernel;
    EXPECT_EQ(environment.os.find('"'), std::string::npos) << environment.os;
    EXPECT_GE(environment.load_average_1m, 0);
    // A sleep never ends before its time, and half of them never sleep longer than almost all.
    EXPECT_GT(environment.wakeup_p50, Duration::zero());
    EXPECT_GE(environment.wakeup_p99, environment.wakeup_p50);
    // Reading it changes nothing for the thread that asked.
    EXPECT_EQ(::prctl(PR_GET_TIMERSLACK), slack);
}

// Both count up from boot; a field mistaken for another (idle for steal) would exceed all cores'
// time since then.
TEST(Environment, CountersAreTotalsSinceBoot) {
    const Environment first = read_environment();
    const Environment second = read_environment();
    EXPECT_EQ(first.steal_seconds.has_value(), second.steal_seconds.has_value());
    if (first.steal_seconds) {
        EXPECT_GE(*second.steal_seconds, *first.steal_seconds);
        EXPECT_LT(*second.steal_seconds - *first.steal_seconds, 10.0 * second.cores);
    }
    if (first.cpu_pressure_seconds && second.cpu_pressure_seconds) {
        EXPECT_GE(*second.cpu_pressure_seconds, *first.cpu_pressure_seconds);
    }
}

}  // namespace
}  // namespace crucible::lab
