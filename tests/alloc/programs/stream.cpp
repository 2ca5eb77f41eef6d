// stream SEED COUNT: allocates COUNT blocks of 1 to 700 bytes at two stacks in the scope "stream",
// and frees three of four again.
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>

#include "crucible/allocation.h"

namespace {
std::uint64_t state;
std::uint64_t next() {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return state >> 33;
}
void* volatile kept;
}  // namespace

extern "C" __attribute__((noinline)) void* allocate_small(std::size_t bytes) {
    kept = malloc(bytes);
    return kept;
}
extern "C" __attribute__((noinline)) void* allocate_any(std::size_t bytes) {
    kept = malloc(bytes);
    return kept;
}

int main(int count, char** arguments) {
    if (count != 3) return 2;
    state = strtoull(arguments[1], nullptr, 10) * 0x9e3779b97f4a7c15ULL;
    const long blocks = strtol(arguments[2], nullptr, 10);
    const crucible::AllocationScope scope(crucible::AllocationOwner("stream"));
    void* waiting[256] = {};
    for (long i = 0; i < blocks; ++i) {
        const std::uint64_t random = next();
        const std::size_t bytes = 1 + random % 700;
        void* const block = bytes < 100 ? allocate_small(bytes) : allocate_any(bytes);
        if (random / 700 % 4 == 0) continue;
        void*& place = waiting[random / 2800 % 256];
        free(place);
        place = block;
    }
    _exit(0);
}
