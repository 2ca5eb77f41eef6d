#include "base/planted_fault.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace crucible::base {
namespace {

using namespace std::chrono_literals;

PlantedFault planted(std::string_view text) {
    const auto plan = parse_fault(text);
    EXPECT_TRUE(plan) << plan.error().message;
    return PlantedFault(*plan);
}

Duration thread_cpu_now() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

long minor_faults_now() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
}

// Processor time, not wall time: a busy machine must not make it shorter.
TEST(PlantedFault, ComputesForItsTime) {
    auto fault = planted("cpu:3ms");
    const Duration before = thread_cpu_now();
    fault.strike();
    EXPECT_GE(thread_cpu_now() - before, 3ms);
}

// Two threads that hold one mutex for 2 ms of processor time each, ten times, take 40 ms at least,
// however many cores there are.
TEST(PlantedFault, HoldsOneMutexOfTheProcess) {
    std::atomic<int> ready = 0;
    const auto hold = [&ready] {
        auto fault = planted("mutex:2ms");
        ++ready;
        while (ready < 2) std::this_thread::yield();
        for (int i = 0; i < 10; ++i) fault.strike();
    };
    const auto before = std::chrono::steady_clock::now();
    std::thread one(hold);
    std::thread other(hold);
    one.join();
    other.join();
    EXPECT_GE(std::chrono::steady_clock::now() - before, 40ms);
}

// 64 pages of 4 KiB are given back and touched: 64 faults each time.
TEST(PlantedFault, ReallyFaults) {
    auto fault = planted("pages:256KiB");
    fault.strike();
    const long before = minor_faults_now();
    fault.strike();
    fault.strike();
    EXPECT_GE(minor_faults_now() - before, 128);
}

TEST(PlantedFault, WaitsForAPeerThatTakesItsTime) {
    auto fault = planted("wait:5ms");
    const auto before = std::chrono::steady_clock::now();
    fault.strike();
    fault.strike();
    EXPECT_GE(std::chrono::steady_clock::now() - before, 10ms);
}

TEST(PlantedFault, FlushesAndReadsItsFiles) {
    auto flushed = planted("fsync:4KiB");
    flushed.strike();
    auto mapped = planted("map:1MiB");
    mapped.strike();
}

TEST(PlantedFault, StrikesWhereItIsToldAndNowhereElse) {
    ::setenv("CRUCIBLE_PLANTED_FAULT", "service:cpu:3ms", 1);
    auto here = PlantedFault::of_place("service");
    auto elsewhere = PlantedFault::of_place("injector");
    ::unsetenv("CRUCIBLE_PLANTED_FAULT");
    auto nowhere = PlantedFault::of_place("service");
    const Duration before = thread_cpu_now();
    elsewhere.strike();
    nowhere.strike();
    EXPECT_LT(thread_cpu_now() - before, 3ms);
    here.strike();
    EXPECT_GE(thread_cpu_now() - before, 3ms);
}

TEST(PlantedFault, RefusesWhatIsNone) {
    for (const char* text : {"", "cpu", "cpu:", "cpu:0s", "cpu:2s", "cpu:4KiB", "fsync:2ms",
                             "pages:0B", "map:2GiB", "map:100B", "disk:4KiB", "wait:-1ms"}) {
        const auto plan = parse_fault(text);
        ASSERT_FALSE(plan) << text;
        EXPECT_EQ(plan.error().code, Errc::invalid_argument);
    }
    for (const char* text : {"service", "service:cpu", "cpu:3ms", "servce:cpu:3ms", ":cpu:3ms"}) {
        ::setenv("CRUCIBLE_PLANTED_FAULT", text, 1);
        EXPECT_EXIT(static_cast<void>(PlantedFault::of_place("service")),
                    ::testing::ExitedWithCode(2), "PLACE:FAULT");
        ::unsetenv("CRUCIBLE_PLANTED_FAULT");
    }
}

}  // namespace
}  // namespace crucible::base
