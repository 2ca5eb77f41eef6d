// crowd OWNERS THREADS: so many threads at once, each of which takes three blocks for each of so
// many owners and gives one of them. Prints how many were taken and given, and their bytes, by all
// and by the owner "owner-1".
#include <pthread.h>

#include "ledger.h"

namespace {

constexpr std::size_t kBytes = 40;

std::size_t owners = 0;
std::size_t threads = 0;
const crucible::AllocationOwner* named[1000];
pthread_barrier_t barrier;

void* work(void*) {
    // All begin before one of them goes on, and none ends before all have allocated.
    pthread_barrier_wait(&barrier);
    for (std::size_t i = 0; i < owners; ++i) {
        const crucible::AllocationScope scope(*named[i]);
        void* const block = malloc(kBytes);
        void* volatile kept = malloc(kBytes);
        kept = malloc(kBytes);
        (void)kept;
        free(block);
    }
    pthread_barrier_wait(&barrier);
    return nullptr;
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) return 2;
    owners = strtoull(arguments[1], nullptr, 10);
    threads = strtoull(arguments[2], nullptr, 10);
    if (owners > 1000) return 2;
    for (std::size_t i = 0; i < owners; ++i) {
        char name[64];
        snprintf(name, sizeof name, "owner-%zu", i);
        named[i] = new crucible::AllocationOwner(name);
    }
    // Before they begin: what the C library allocates for a thread is not to be told apart here.
    pthread_barrier_init(&barrier, nullptr, static_cast<unsigned>(threads));
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16 * 1024);
    auto* const handles = new pthread_t[threads];
    for (std::size_t i = 0; i < threads; ++i)
        if (pthread_create(&handles[i], &attributes, work, nullptr) != 0) Ledger::fail("no thread");
    for (std::size_t i = 0; i < threads; ++i) pthread_join(handles[i], nullptr);
    char line[100];
    const int length =
        snprintf(line, sizeof line, "%zu %zu\n", 3 * owners * threads, owners * threads);
    if (write(STDOUT_FILENO, line, static_cast<std::size_t>(length)) != length) return 3;
    _exit(0);
}
