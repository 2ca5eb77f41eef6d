// endless FILE THREADS: one half of them allocates and the other frees, until killed. In the file,
// which is shared memory, each counts its calls before and after them: what was counted of it lies
// between.
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "ledger.h"

namespace {

constexpr std::size_t kThreadsMax = 16;
constexpr std::size_t kSlots = 16;  // so few that next to nothing is live

struct Call {
    std::atomic<std::uint64_t> allocations = 0, bytes = 0, frees = 0, freed = 0;
};
struct alignas(128) Shared {
    Call begun;
    Call done;
};
Shared* shared = nullptr;
std::atomic<void*> slots[kThreadsMax / 2][kSlots];

void give(Shared& own, void* block) {
    if (block == nullptr) return;
    std::uint64_t bytes = 0;
    memcpy(&bytes, block, sizeof bytes);
    own.begun.freed += bytes;
    own.begun.frees += 1;
    free(block);
    own.done.freed += bytes;
    own.done.frees += 1;
}

void* work(void* number) {
    const crucible::AllocationOwner owner("endless");
    const crucible::AllocationScope scope(owner);
    const auto own_number = reinterpret_cast<std::uintptr_t>(number);
    Shared& own = shared[own_number];
    std::uint64_t random = own_number * 77 + 1;
    auto* const shelf = slots[own_number / 2];
    while (own_number % 2 != 0) {
        for (std::size_t i = 0; i < kSlots; ++i) give(own, shelf[i].exchange(nullptr));
        sched_yield();
    }
    for (std::size_t i = 0;; i = (i + 1) % kSlots) {
        random = random * 6364136223846793005 + 1442695040888963407;
        const std::uint64_t bytes = 8 + (random >> 40) % 3000;
        own.begun.bytes += bytes;
        own.begun.allocations += 1;
        void* const block = malloc(bytes);
        own.done.bytes += bytes;
        own.done.allocations += 1;
        memcpy(block, &bytes, sizeof bytes);
        void* empty = nullptr;
        while (!shelf[i].compare_exchange_strong(empty, block)) {
            empty = nullptr;
            sched_yield();
        }
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) return 2;
    const int file = open(arguments[1], O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, kThreadsMax * sizeof(Shared)) != 0) return 3;
    void* const memory =
        mmap(nullptr, kThreadsMax * sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) return 3;
    shared = static_cast<Shared*>(memory);
    pthread_t thread;
    const std::uintptr_t threads = strtoull(arguments[2], nullptr, 10);
    if (threads < 1 || threads > kThreadsMax) return 2;
    for (std::uintptr_t i = 1; i < threads; ++i)
        pthread_create(&thread, nullptr, work, reinterpret_cast<void*>(i));
    work(nullptr);
}
