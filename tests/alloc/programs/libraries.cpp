// libraries MODE: with a library that allocates before main().
#include <pthread.h>
#include <sys/wait.h>

#include "ledger.h"

extern "C" void early_touch();
extern "C" void early_print(pid_t forked_from);

namespace {

Ledger ledger("libraries");

void in_thread(void* (*work)(void*), void* argument) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, work, argument) != 0) Ledger::fail("no thread");
    pthread_join(thread, nullptr);
}

void early() {
    early_touch();
    const auto touch = [](void*) -> void* {
        early_touch();
        return nullptr;
    };
    for (int i = 0; i < 20; ++i) in_thread(touch, nullptr);
    early_print(0);
}

void forks() {
    const pid_t parent = getpid();
    void* const block = ledger.take(100);
    for (int i = 0; i < 10; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            ledger.give(block, 100);
            ledger.print(parent);
            early_print(parent);
            _exit(0);
        }
        int status = 0;
        if (waitpid(child, &status, 0) != child || status != 0) Ledger::fail("a child ended badly");
    }
    early_print(0);
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) return 2;
    if (strcmp(arguments[1], "early") == 0) early();
    if (strcmp(arguments[1], "forks") == 0) forks();
    ledger.print();
    _exit(0);
}
