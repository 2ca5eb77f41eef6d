// threads MODE: threads that begin and end in that way, and what they leave to each other.
#include <pthread.h>

#include "ledger.h"

namespace {

constexpr std::uintptr_t kInTurn = 2000;
constexpr std::size_t kAtOnce = 64;
constexpr std::size_t kBlocks = 10;

Ledger ledger("threads");

pthread_t start(void* (*work)(void*), std::uintptr_t number, bool detached = false) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    if (detached) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, work, reinterpret_cast<void*>(number)) != 0)
        Ledger::fail("no thread");
    pthread_attr_destroy(&attributes);
    return thread;
}

void* join(pthread_t thread) {
    void* result = nullptr;
    pthread_join(thread, &result);
    return result;
}

void in_turn(void* (*work)(void*), std::uintptr_t count) {
    for (std::uintptr_t i = 0; i < count; ++i) join(start(work, i));
}

/// Takes ten, gives nine, and leaves the last.
void* churn_once(void* number) {
    void* blocks[kBlocks];
    const std::size_t bytes = reinterpret_cast<std::uintptr_t>(number) % 3000;
    for (auto& block : blocks) block = ledger.take(bytes);
    for (std::size_t i = 1; i < kBlocks; ++i) ledger.give(blocks[i], bytes);
    return blocks[0];
}

void churn() {
    for (std::uintptr_t i = 0; i < kInTurn; ++i) ledger.give(join(start(churn_once, i)), i % 3000);
}

std::atomic<void*> handed[256];
pthread_barrier_t barrier;

/// Each block's size, so that whoever gets it knows.
void* take_marked(std::size_t bytes) {
    void* const block = ledger.take(bytes);
    memcpy(block, &bytes, sizeof bytes);
    return block;
}
void give_marked(void* block) {
    std::size_t bytes = 0;
    if (block == nullptr) return;
    memcpy(&bytes, block, sizeof bytes);
    ledger.give(block, bytes);
}

void* exchange(void* number) {
    const std::uintptr_t own = reinterpret_cast<std::uintptr_t>(number);
    pthread_barrier_wait(&barrier);
    for (std::uintptr_t i = 0; i < 500; ++i)
        give_marked(handed[(own * 7 + i * 13) % 256].exchange(take_marked(8 + (own * i) % 900)));
    return nullptr;
}

void at_once() {
    pthread_barrier_init(&barrier, nullptr, kAtOnce);
    pthread_t threads[kAtOnce];
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < kAtOnce; ++i) threads[i] = start(exchange, i);
        for (auto& thread : threads) join(thread);
    }
    for (auto& block : handed) give_marked(block.exchange(nullptr));
}

// Destructors of thread-specific values, for as many rounds as there are.
pthread_key_t key;
struct Rounds {
    int seen = 0;
    int first = 1;  ///< the round in which it begins to allocate
};
pthread_key_t held_key;

void at_end(void* value) {
    Rounds& rounds = *static_cast<Rounds*>(value);
    ++rounds.seen;
    if (rounds.seen >= rounds.first) {
        void* const block = ledger.take(100);
        ledger.give(ledger.take(3000), 3000);
        ledger.give(ledger.change(block, 100, 200), 200);
    }
    if (rounds.seen < 4) pthread_setspecific(key, value);
}
void give_held(void* block) {
    ledger.give(block, 77);
}

void* with_specific(void*) {
    thread_local Rounds rounds;
    pthread_setspecific(key, &rounds);
    pthread_setspecific(held_key, ledger.take(77));
    return nullptr;
}
/// Allocates in no other place than a destructor.
void* with_late_specific(void* number) {
    thread_local Rounds rounds;
    rounds.first = static_cast<int>(reinterpret_cast<std::uintptr_t>(number) % 4) + 1;
    pthread_setspecific(key, &rounds);
    return nullptr;
}

struct Local {
    void* block = nullptr;
    ~Local() {
        if (block == nullptr) return;
        ledger.give(block, 50);
        ledger.give(ledger.take(60), 60);
    }
};
thread_local Local local;

void* with_local(void*) {
    local.block = ledger.take(50);
    return nullptr;
}

std::atomic<std::uintptr_t> done = 0;
void detached() {
    const auto work = [](void* number) -> void* {
        ledger.give(churn_once(number), reinterpret_cast<std::uintptr_t>(number) % 3000);
        done += 1;
        return nullptr;
    };
    for (std::uintptr_t i = 0; i < 300; ++i) {
        start(work, i, true);
        while (done + 16 <= i) sched_yield();
    }
    while (done < 300) sched_yield();
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) return 2;
    const char* const mode = arguments[1];
    pthread_key_create(&key, at_end);
    pthread_key_create(&held_key, give_held);
    if (strcmp(mode, "churn") == 0) churn();
    if (strcmp(mode, "at_once") == 0) at_once();
    if (strcmp(mode, "specific") == 0) in_turn(with_specific, 200);
    if (strcmp(mode, "late") == 0) in_turn(with_late_specific, 1000);
    if (strcmp(mode, "local") == 0) in_turn(with_local, 200);
    if (strcmp(mode, "detached") == 0) detached();
    ledger.print();
    _exit(0);
}
