// tight: allocates, then forks when there is no more address space for what a fork needs to copy.
#include <sys/resource.h>
#include <sys/wait.h>

#include "ledger.h"

int main() {
    static Ledger ledger("tight");
    void* blocks[100];
    for (auto& block : blocks) block = ledger.take(100);
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = 1024 * 1024;  // less than there is
    setrlimit(RLIMIT_AS, &limit);
    if (fork() == 0) {
        // Through the slow way, too: another owner, and another flush.
        static Ledger other("other-tight");
        for (int i = 0; i < 50; ++i) ledger.give(blocks[i], 100);
        for (int i = 0; i < 50; ++i) blocks[i] = other.take(100);
        for (int i = 0; i < 100; ++i) free(blocks[i]);
        if (fork() == 0) {
            free(malloc(100));
            _exit(0);
        }
        int status = 0;
        if (wait(&status) < 0 || status != 0) _exit(4);
        _exit(0);
    }
    int status = 0;
    wait(&status);
    if (status != 0) Ledger::fail("the child ended badly");
    for (auto& block : blocks) ledger.give(block, 100);
    ledger.print();
    _exit(0);
}
