#include "lab/record/thread_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

namespace crucible::lab {
namespace {

void stay_on(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ASSERT_EQ(::pthread_setaffinity_np(::pthread_self(), sizeof set, &set), 0);
}

int some_cpu() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    EXPECT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &allowed)) ++cpu;
    return cpu;
}

// It waits no more, though the scheduler's counters are those of a thread that does: whoever took
// it for waiting would find a slow peer where there is no core.
TEST(ThreadWatch, TellsAThreadWithoutACoreFromOneThatWaits) {
    std::array<int, 2> sockets{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets.data()), 0);
    std::atomic<bool> stop = false;
    std::atomic<pid_t> waiter_id = 0;
    const int cpu = some_cpu();
    // Beside the other it hardly ever has the core.
    std::thread waiter([&] {
        stay_on(cpu);
        const sched_param none{};
        EXPECT_EQ(::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &none), 0);
        waiter_id = ::gettid();
        char byte = 0;
        EXPECT_EQ(::recv(sockets[0], &byte, 1, 0), 1);
        while (!stop.load(std::memory_order_relaxed)) {
        }
    });
    while (waiter_id.load() == 0) ::sched_yield();
    const base::UniqueFd process(::open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto watch = ThreadWatch::open(process.get(), waiter_id.load());
    ASSERT_TRUE(watch) << watch.error().message;
    while (watch->sample(process.get()) != Activity::peer) ::sched_yield();

    std::atomic<bool> busy = false;
    std::thread other([&] {
        stay_on(cpu);
        busy = true;
        while (!stop.load(std::memory_order_relaxed)) {
        }
    });
    while (!busy.load()) ::sched_yield();
    EXPECT_EQ(::send(sockets[1], "x", 1, 0), 1);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(watch->sample(process.get()), Activity::running);
    stop = true;
    other.join();
    waiter.join();
    for (const int socket : sockets) ::close(socket);
}

TEST(ThreadWatch, CountsTheTimeOfAThread) {
    const base::UniqueFd process(::open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto watch = ThreadWatch::open(process.get(), ::gettid());
    ASSERT_TRUE(watch) << watch.error().message;
    while (watch->cpu() < std::chrono::milliseconds(5)) ASSERT_TRUE(watch->count());
}

TEST(ThreadWatch, SaysThatThereIsNoSuchThread) {
    const base::UniqueFd process(::open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    EXPECT_EQ(ThreadWatch::open(process.get(), 1 << 22).error().code, Errc::not_found);
}

}  // namespace
}  // namespace crucible::lab
