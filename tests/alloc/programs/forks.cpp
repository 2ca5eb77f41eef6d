// forks MODE: forks, spawns or executes in that way; each process prints its ledgers at its end.
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#include "ledger.h"

namespace {

constexpr int kBlocks = 400;
constexpr int kThreads = 7;

Ledger ledger("forks");
Ledger noise("noise");
void* blocks[kBlocks];
std::atomic<bool> stop = false;
std::atomic<int> running = 0;

std::size_t bytes_of(int i) {
    return i % 50 == 0 ? 5000 : static_cast<std::size_t>(i % 300);
}

void take(int from, int to) {
    for (int i = from; i < to; ++i) blocks[i] = ledger.take(bytes_of(i));
}
void give(int from, int to) {
    for (int i = from; i < to; ++i) ledger.give(blocks[i], bytes_of(i));
}

/// Until all children have ended, each well.
void reap() {
    int status = 0;
    while (wait(&status) > 0)
        if (status != 0) Ledger::fail("a child ended badly");
}

void* in_thread(void* (*work)(void*), void* argument) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, work, argument) != 0) Ledger::fail("no thread");
    void* result = nullptr;
    pthread_join(thread, &result);
    return result;
}

void single() {
    take(0, 300);
    give(0, 100);
    const pid_t parent = getpid();
    if (fork() == 0) {
        give(100, 200);  // the parent's
        take(300, 400);
        ledger.print(parent);
        _exit(0);
    }
    give(150, 300);
    take(0, 50);
    reap();
    ledger.print();
}

/// Each process has a child, five times.
void nested() {
    pid_t parent = 0;
    int from = 0;
    take(from, from + 20);
    for (int depth = 0; depth < 5; ++depth) {
        const pid_t own = getpid();
        if (fork() != 0) break;
        parent = own;
        give(from, from + 7);
        from += 20;
        take(from, from + 20);
    }
    give(from + 10, from + 20);
    reap();
    ledger.print(parent);
}

void hundred() {
    const pid_t parent = getpid();
    take(0, 100);
    for (int i = 0; i < 100; ++i) {
        if (fork() == 0) {
            give(i, i + 1);
            take(100 + i, 200 + i);
            ledger.print(parent);
            _exit(0);
        }
        reap();
        give(i, i + 1);
        blocks[i] = ledger.take(bytes_of(i));
    }
    ledger.print();
}

/// Threads that hold memory and rest while one of them forks; the child goes on with its own.
void threads() {
    const pid_t parent = getpid();
    static pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 3);
    const auto rest = [](void* begin) -> void* {
        const int from = static_cast<int>(reinterpret_cast<std::intptr_t>(begin));
        take(from, from + 50);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        give(from, from + 50);
        return nullptr;
    };
    pthread_t others[2];
    for (std::intptr_t i = 0; i < 2; ++i)
        pthread_create(&others[i], nullptr, rest, reinterpret_cast<void*>(i * 50));
    pthread_barrier_wait(&barrier);
    take(100, 150);
    // Not from the first thread.
    const auto fork_in_thread = [](void* forked_from) -> void* {
        take(150, 200);
        if (fork() != 0) return nullptr;
        give(0, 180);
        const auto work = [](void*) -> void* {
            take(200, 300);
            return nullptr;
        };
        in_thread(work, nullptr);
        ledger.print(static_cast<pid_t>(reinterpret_cast<std::intptr_t>(forked_from)));
        _exit(0);
    };
    in_thread(fork_in_thread, reinterpret_cast<void*>(static_cast<std::intptr_t>(parent)));
    pthread_barrier_wait(&barrier);
    for (auto& other : others) pthread_join(other, nullptr);
    reap();
    ledger.print();
}

/// While other threads allocate, give memory to each other, and end.
void busy() {
    const pid_t parent = getpid();
    static std::atomic<void*> shared[16];
    const auto allocate = [](void*) -> void* {
        running += 1;
        while (!stop) {
            void* held[16];
            for (std::size_t i = 0; i < 16; ++i) held[i] = noise.take((i + 1) * 60);
            // What it frees is mostly another's.
            for (std::size_t i = 0; i < 16; ++i)
                noise.give(shared[i].exchange(held[i]), (i + 1) * 60);
        }
        return nullptr;
    };
    for (std::size_t i = 0; i < 16; ++i) shared[i] = noise.take((i + 1) * 60);
    pthread_t others[kThreads];
    for (auto& other : others) pthread_create(&other, nullptr, allocate, nullptr);
    while (running < kThreads) sched_yield();
    take(0, 100);
    for (int i = 0; i < 20; ++i) {
        if (fork() == 0) {
            give(i, 100);
            take(100, 200);
            // A thread of its own takes over what one of the parent's left.
            const auto work = [](void*) -> void* {
                give(100, 150);
                return nullptr;
            };
            in_thread(work, nullptr);
            ledger.print(parent);
            _exit(0);
        }
        give(i, i + 1);
        reap();
    }
    stop = true;
    for (auto& other : others) pthread_join(other, nullptr);
    for (std::size_t i = 0; i < 16; ++i) noise.give(shared[i], (i + 1) * 60);
    ledger.print();
    noise.print();
}

void spawn(char* self) {
    take(0, 100);
    char leaf[] = "leaf";
    char* arguments[] = {self, leaf, nullptr};
    pid_t child = 0;
    if (posix_spawn(&child, self, nullptr, nullptr, arguments, environ) != 0)
        Ledger::fail("posix_spawn");
    reap();
    give(0, 20);
    const pid_t forked = vfork();
    if (forked == 0) {
        execv(self, arguments);
        _exit(4);
    }
    reap();
    give(20, 40);
    char command[4200];
    snprintf(command, sizeof command, "%s leaf", self);
    if (system(command) != 0) Ledger::fail("system");
    // Without another program: the child is in the parent's memory until it ends.
    if (vfork() == 0) _exit(0);
    reap();
    give(40, 60);
    ledger.print();
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) return 2;
    char self[4096]{};
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) return 2;
    const char* const mode = arguments[1];
    if (strcmp(mode, "single") == 0) single();
    if (strcmp(mode, "nested") == 0) nested();
    if (strcmp(mode, "hundred") == 0) hundred();
    if (strcmp(mode, "threads") == 0) threads();
    if (strcmp(mode, "busy") == 0) busy();
    if (strcmp(mode, "spawn") == 0) spawn(self);
    if (strcmp(mode, "execute") == 0) {
        take(0, 100);
        give(0, 10);
        ledger.print();
        execl(self, self, "leaf", nullptr);
        return 4;
    }
    if (strcmp(mode, "leaf") == 0) {
        take(0, 30);
        give(0, 10);
        ledger.print();
    }
    _exit(0);
}
