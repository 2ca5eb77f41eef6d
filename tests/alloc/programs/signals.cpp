// signals MODE: a signal handler allocates and frees while the program is in the tracker. glibc's
// malloc is not safe in signal handlers, so that the handler comes between its calls (raised,
// after each), or at any time while the program makes none (timer).
#include <signal.h>
#include <sys/time.h>

#include "ledger.h"

namespace {

constexpr int kOwners = 100;

Ledger ledger("signals");
Ledger in_handler("handler");
const crucible::AllocationOwner* owners[kOwners];
std::atomic<int> handled = 0;
void* held[16];

void handler(int) {
    const int number = handled.fetch_add(1);
    // Also of owners of whom nothing is kept yet: rows are made here.
    const crucible::AllocationScope scope(*owners[number % kOwners]);
    free(malloc(10));
    for (std::size_t i = 0; i < 10; ++i) in_handler.give(in_handler.take(i * 300), i * 300);
    void*& kept = held[number % 16];
    if (kept != nullptr) in_handler.give(kept, 5000);
    kept = in_handler.take(5000);
}

void raised() {
    for (int i = 0; i < 3000; ++i) {
        // The first time for this owner in some of the rounds; beyond the flush distance in others.
        const std::size_t bytes = static_cast<std::size_t>(i * 37 % 9000);
        void* const block = ledger.take(bytes);
        raise(SIGALRM);
        const crucible::AllocationScope scope(*owners[(i * 7) % kOwners]);
        raise(SIGALRM);
        void* const changed = ledger.change(block, bytes, bytes / 2 + 1);
        raise(SIGALRM);
        ledger.give(changed, bytes / 2 + 1);
        raise(SIGALRM);
    }
}

void timer() {
    const itimerval often{{0, 50}, {0, 50}};
    setitimer(ITIMER_REAL, &often, nullptr);
    // The tracker's lock, and the thread's owner.
    while (handled < 1000) {
        char name[16];
        for (int i = 0; i < 20; ++i) {
            snprintf(name, sizeof name, "owner-%d", i * 5);
            const crucible::AllocationOwner owner(name);
            if (owner.number() != owners[i * 5]->number()) Ledger::fail("another number");
            const crucible::AllocationScope scope(owner);
            if (crucible::allocations_tracked() &&
                crucible::alloc::this_thread()->owner != owner.number())
                Ledger::fail("the handler left its scope");
        }
    }
    const itimerval never{};
    setitimer(ITIMER_REAL, &never, nullptr);
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) return 2;
    for (int i = 0; i < kOwners; ++i) {
        char name[16];
        snprintf(name, sizeof name, "owner-%d", i);
        owners[i] = new crucible::AllocationOwner(name);
    }
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, nullptr);
    if (strcmp(arguments[1], "raised") == 0) raised();
    if (strcmp(arguments[1], "timer") == 0) timer();
    ledger.print();
    in_handler.print();
    _exit(0);
}
