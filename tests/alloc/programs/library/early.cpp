// Linked to a program: allocates before main(), and in handlers of fork() that it registers before
// anybody else.
#include <pthread.h>

#include "../ledger.h"

namespace {

constexpr int kBlocks = 50;
constexpr int kHandlerOwners = 20;

Ledger& ledger() {
    static Ledger early("early");
    return early;
}

void* blocks[kBlocks];
[[gnu::tls_model("initial-exec")]] thread_local int touched = 0;
thread_local char large[50'000];

// Each call for an owner of whom there is nothing yet: the slow way through the tracker.
int handler_calls = 0;
void allocate_in_handler() {
    char name[16];
    snprintf(name, sizeof name, "handler-%d", handler_calls++ % kHandlerOwners);
    Ledger handler(name);
    for (std::size_t i = 0; i < 20; ++i) handler.give(handler.take(i * 100), i * 100);
    ledger().give(ledger().take(40), 40);
}

[[gnu::constructor]] void begin() {
    pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler);
    for (auto& block : blocks) block = ledger().take(300);
    for (int i = 0; i < 10; ++i) ledger().give(blocks[i], 300);
}

}  // namespace

/// Touches what the library keeps for each thread, and takes a block there.
extern "C" void early_touch() {
    large[static_cast<std::size_t>(++touched)] = 1;
    ledger().give(ledger().take(70), 70);
}

extern "C" void early_print(pid_t forked_from) {
    ledger().print(forked_from);
}
