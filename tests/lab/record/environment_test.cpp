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
    const auto steal = read_steal_seconds();
    const auto pressure = read_cpu_pressure_seconds();
    const Environment environment = read_environment();
    const auto steal_later = read_steal_seconds();
    const auto pressure_later = read_cpu_pressure_seconds();
    EXPECT_EQ(steal.has_value(), steal_later.has_value());
    if (steal) {
        EXPECT_GE(*steal_later, *steal);
        EXPECT_LT(*steal_later - *steal, 10.0 * environment.cores);
    }
    if (pressure && pressure_later) {
        EXPECT_GE(*pressure_later, *pressure);
    }
}

}  // namespace
}  // namespace crucible::lab
