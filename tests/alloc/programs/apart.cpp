// apart THREADS: each thread takes 1,000,000 bytes for "queue", then 2,000,000 for "measurer",
// which is set apart; gives back the queue's; takes 600,000 for "store". All do each step before
// one of them does the next. Then it forks, and the child takes 5,000,000 bytes for "queue".
// apart slow: one thread. In each of 2,000 steps it takes 96 bytes for "measurer" and 64 for
// "queue"; in each of 2,000 more as many for "measurer", and gives 64 of the queue's back. Then it
// would set "queue" apart, which has allocated.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>

#include "crucible/allocation.h"

namespace {

constexpr std::size_t kBlocks = 10;

const crucible::AllocationOwner kQueue("queue");
const crucible::AllocationOwner kMeasurer("measurer", crucible::kApart);
const crucible::AllocationOwner kStore("store");

pthread_barrier_t barrier;

struct Blocks {
    void* blocks[kBlocks];

    void take(const crucible::AllocationOwner& owner, std::size_t bytes) {
        const crucible::AllocationScope scope(owner);
        for (auto& block : blocks) block = malloc(bytes / kBlocks);
    }
    void give() {
        for (auto* block : blocks) free(block);
    }
};

void* work(void*) {
    Blocks queue;
    Blocks measurer;
    Blocks store;
    pthread_barrier_wait(&barrier);
    queue.take(kQueue, 1'000'000);
    pthread_barrier_wait(&barrier);
    measurer.take(kMeasurer, 2'000'000);
    pthread_barrier_wait(&barrier);
    queue.give();
    pthread_barrier_wait(&barrier);
    store.take(kStore, 600'000);
    pthread_barrier_wait(&barrier);
    return nullptr;
}

constexpr std::size_t kSteps = 2000;

void take_slowly() {
    static void* blocks[kSteps];
    const auto measure = [] {
        const crucible::AllocationScope scope(kMeasurer);
        (void)malloc(96);
    };
    for (auto& block : blocks) {
        measure();
        const crucible::AllocationScope scope(kQueue);
        block = malloc(64);
    }
    for (auto* block : blocks) {
        measure();
        free(block);
    }
    const crucible::AllocationOwner late("queue", crucible::kApart);
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) return 2;
    if (strcmp(arguments[1], "slow") == 0) {
        take_slowly();
        _exit(0);
    }
    const std::size_t threads = strtoull(arguments[1], nullptr, 10);
    if (threads < 1 || threads > 16) return 2;
    pthread_barrier_init(&barrier, nullptr, static_cast<unsigned>(threads));
    pthread_t handles[16];
    for (std::size_t i = 1; i < threads; ++i)
        if (pthread_create(&handles[i], nullptr, work, nullptr) != 0) return 3;
    work(nullptr);
    for (std::size_t i = 1; i < threads; ++i) pthread_join(handles[i], nullptr);
    const pid_t child = fork();
    if (child == 0) {
        Blocks more;
        more.take(kQueue, 5'000'000);
        _exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) return 4;
    _exit(0);
}
