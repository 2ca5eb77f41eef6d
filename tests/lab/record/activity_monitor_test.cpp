#include "lab/record/activity_monitor.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// What samples take is not what these tests are about.
constexpr double kAny = 1;

/// Threads of this process that each wait in their own way, until it ends.
class Waiting {
public:
    Waiting() {
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets_.data()) != 0) return;
        held_.lock();
        start("t-lock", [this] { const std::lock_guard lock(held_); });
        start("t-peer", [this] {
            char byte = 0;
            [[maybe_unused]] const auto got = ::recv(sockets_[0], &byte, 1, 0);
        });
        start("t-idle", [this] {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return ended_; });
        });
        start("t-busy", [this] {
            while (!stop_.load(std::memory_order_relaxed)) {
            }
        });
        while (started_.load() < 4) ::sched_yield();
    }
    ~Waiting() {
        held_.unlock();
        ::shutdown(sockets_[0], SHUT_RDWR);
        stop_ = true;
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
        }
        changed_.notify_all();
        for (auto& thread : threads_) thread.join();
        ::close(sockets_[0]);
        ::close(sockets_[1]);
    }

private:
    template <typename Work>
    void start(const char* name, Work work) {
        threads_.emplace_back([this, name, work] {
            ::pthread_setname_np(::pthread_self(), name);
            ++started_;
            work();
        });
    }

    std::array<int, 2> sockets_{-1, -1};
    std::mutex held_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool ended_ = false;
    std::atomic<bool> stop_ = false;
    std::atomic<int> started_ = 0;
    std::vector<std::thread> threads_;
};

ActivityReport watched(ActivityRole role, Duration length) {
    const auto now = base::monotonic_now();
    auto monitor = ActivityMonitor::start({{::getpid(), role}}, {.interval = 5ms,
                                                                 .core_share = kAny,
                                                                 .from = now,
                                                                 .until = now + length,
                                                                 .own = {::getpid()}});
    EXPECT_TRUE(monitor) << monitor.error().message;
    if (!monitor) return {};
    ::poll(nullptr, 0, static_cast<int>(length / 1ms) + 20);
    return (*monitor)->stop();
}

const ThreadActivity* thread_called(const ActivityReport& report, const std::string& name) {
    const auto found = std::ranges::find(report.threads, name, &ThreadActivity::name);
    return found == report.threads.end() ? nullptr : &*found;
}

/// Share of its samples in which it did that.
double share_in(const ActivityReport& report, const std::string& name, Activity activity) {
    const auto* thread = thread_called(report, name);
    if (thread == nullptr || thread->samples == 0) return -1;
    return static_cast<double>(thread->seen[static_cast<std::size_t>(activity)]) /
           static_cast<double>(thread->samples);
}

// Real threads in each kind of wait. The first sample may see one on its way there.
TEST(ActivityMonitor, SeesWhatThreadsWaitFor) {
    const Waiting threads;
    const auto report = watched(ActivityRole::system, 300ms);
    ASSERT_GE(report.samples, 10U);
    EXPECT_EQ(report.why_blind, "");
    EXPECT_GE(share_in(report, "t-lock", Activity::lock), 0.8);
    EXPECT_GE(share_in(report, "t-peer", Activity::peer), 0.8);
    EXPECT_GE(share_in(report, "t-idle", Activity::idle), 0.8);
    EXPECT_GE(share_in(report, "t-busy", Activity::running), 0.8);
    const auto& system = report.system();
    EXPECT_GE(system.present[static_cast<std::size_t>(Activity::lock)], 0.8);
    EXPECT_GE(system.mean[static_cast<std::size_t>(Activity::peer)], 0.8);
    EXPECT_EQ(report.injector().threads, 0U);
    EXPECT_GT(report.fault_cost, Duration::zero());
    EXPECT_GT(report.cost.cpu, Duration::zero());
}

// What is on other cores takes nothing from a system that is kept on one.
TEST(ActivityMonitor, LooksAtTheCoresThatTheSystemMayUse) {
    const auto free = watched(ActivityRole::system, 60ms);
    EXPECT_GE(free.cores, 1);
    EXPECT_TRUE(free.neighbour_cores);
    EXPECT_EQ(free.injector_on_cores, 1);
    cpu_set_t usual;
    ASSERT_EQ(::sched_getaffinity(0, sizeof usual, &usual), 0);
    int first = 0;
    while (!CPU_ISSET(first, &usual)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    const auto kept = watched(ActivityRole::system, 60ms);
    ASSERT_EQ(::sched_setaffinity(0, sizeof usual, &usual), 0);
    EXPECT_EQ(kept.cores, 1);
    ASSERT_TRUE(kept.neighbour_cores);
    EXPECT_LE(*kept.neighbour_cores, 1.5);
}

// Shares of the threads that there were descriptors for would be shares of nobody knows what.
TEST(ActivityMonitor, SaysWhenItCannotFollowThemAll) {
    const Waiting threads;
    // UBSan looks through a pipe at a type it meets for the first time, and calls the object
    // broken when it gets none: it is to have met them all before descriptors run out.
    ASSERT_EQ(watched(ActivityRole::system, 20ms).why_blind, "");
    rlimit usual{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
    const int next = ::dup(STDERR_FILENO);
    ::close(next);
    auto scarce = usual;
    scarce.rlim_cur = static_cast<rlim_t>(next) + 7;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &scarce), 0);
    const auto report = watched(ActivityRole::system, 100ms);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
    EXPECT_TRUE(report.why_blind.starts_with("some threads are not followed: "))
        << report.why_blind;
}

// In a client with the system inside, the main thread and the one that sends are not the system's.
TEST(ActivityMonitor, TellsTheInjectorsThreadsFromTheSystems) {
    const Waiting threads;
    std::atomic<bool> named = false;
    std::atomic<bool> stop = false;
    std::thread sender([&named, &stop] {
        ::pthread_setname_np(::pthread_self(), kLoadThread);
        named = true;
        while (!stop.load()) ::poll(nullptr, 0, 1);
    });
    while (!named.load()) ::sched_yield();
    const auto report = watched(ActivityRole::embedding, 200ms);
    stop = true;
    sender.join();
    EXPECT_EQ(report.injector().threads, 2U);
    ASSERT_NE(thread_called(report, kLoadThread), nullptr);
    EXPECT_EQ(thread_called(report, kLoadThread)->side, ActivitySide::injector);
    ASSERT_NE(thread_called(report, "t-busy"), nullptr);
    EXPECT_EQ(thread_called(report, "t-busy")->side, ActivitySide::system);
}

// No rule asks what the injector's threads wait for, so they are not looked at each time.
TEST(ActivityMonitor, LooksAtTheInjectorNowAndThen) {
    const Waiting threads;
    const auto system = watched(ActivityRole::system, 200ms);
    ASSERT_NE(thread_called(system, "t-lock"), nullptr);
    EXPECT_EQ(thread_called(system, "t-lock")->samples, system.samples);
    EXPECT_EQ(system.system().samples, system.samples);
    const auto injector = watched(ActivityRole::injector, 200ms);
    const auto few =
        (injector.samples + ActivityMonitor::kCountedEvery - 1) / ActivityMonitor::kCountedEvery;
    ASSERT_NE(thread_called(injector, "t-lock"), nullptr);
    EXPECT_EQ(thread_called(injector, "t-lock")->samples, few);
    EXPECT_EQ(injector.injector().samples, few);
    // Shares are of these samples, not of all.
    EXPECT_EQ(injector.injector().present[static_cast<std::size_t>(Activity::running)], 1);
    EXPECT_GT(injector.injector().cpu_cores, 0);
}

// A trial of ten times the length is not looked at ten times as often.
TEST(ActivityMonitor, TakesNoMoreSamplesThanAreOfUse) {
    const auto now = base::monotonic_now();
    auto monitor =
        ActivityMonitor::start({{::getpid(), ActivityRole::system}}, {.interval = 1ms,
                                                                      .samples_max = 4,
                                                                      .core_share = kAny,
                                                                      .from = now,
                                                                      .until = now + 200ms,
                                                                      .own = {}});
    ASSERT_TRUE(monitor) << monitor.error().message;
    ::poll(nullptr, 0, 220);
    const auto& report = (*monitor)->stop();
    EXPECT_LE(report.samples, 4U);
    EXPECT_GT(report.interval, 1ms);
    EXPECT_LE(report.interval, 50ms);
}

// As many threads as before are not the same ones: one has ended, and another has begun.
TEST(ActivityMonitor, FindsAThreadInThePlaceOfAnother) {
    std::atomic<bool> first_ends = false;
    std::atomic<bool> second_ends = false;
    const auto named = [](const char* name, std::atomic<bool>& ends) {
        return std::thread([name, &ends] {
            ::pthread_setname_np(::pthread_self(), name);
            while (!ends.load()) ::poll(nullptr, 0, 1);
        });
    };
    auto first = named("t-first", first_ends);
    const auto now = base::monotonic_now();
    auto monitor =
        ActivityMonitor::start({{::getpid(), ActivityRole::system}}, {.interval = 5ms,
                                                                      .core_share = kAny,
                                                                      .from = now,
                                                                      .until = now + 500ms,
                                                                      .own = {::getpid()}});
    ASSERT_TRUE(monitor) << monitor.error().message;
    ::poll(nullptr, 0, 50);
    first_ends = true;
    first.join();
    auto second = named("t-second", second_ends);
    ::poll(nullptr, 0, 470);
    const auto& report = (*monitor)->stop();
    second_ends = true;
    second.join();
    EXPECT_EQ(thread_called(report, "t-first"), nullptr);
    EXPECT_NE(thread_called(report, "t-second"), nullptr);
}

// What happened before and after the load would dilute every share.
TEST(ActivityMonitor, SamplesNothingOutsideItsStretch) {
    const auto now = base::monotonic_now();
    auto monitor = ActivityMonitor::start({{::getpid(), ActivityRole::system}},
                                          {.from = now + 1h, .until = now + 2h, .own = {}});
    ASSERT_TRUE(monitor);
    EXPECT_EQ((*monitor)->stop().samples, 0U);
}

TEST(ActivityMonitor, RefusesWhatCannotBe) {
    EXPECT_EQ(ActivityMonitor::start({}, {}).error().code, Errc::invalid_argument);
    EXPECT_EQ(ActivityMonitor::start({{::getpid(), ActivityRole::system}}, {.interval = 1us})
                  .error()
                  .code,
              Errc::invalid_argument);
    EXPECT_EQ(ActivityMonitor::start({{::getpid(), ActivityRole::system}}, {.samples_max = 0})
                  .error()
                  .code,
              Errc::invalid_argument);
    EXPECT_EQ(ActivityMonitor::start({{1 << 22, ActivityRole::system}}, {}).error().code,
              Errc::not_found);
}

}  // namespace
}  // namespace crucible::lab
