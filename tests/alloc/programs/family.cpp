// family: what each function of the malloc family answers; with a tracker and without it is to be
// the same. family MISUSE: ends as the C library ends such a program. family counts: a ledger of
// what succeeded.
#include <errno.h>
#include <malloc.h>
#include <stdint.h>

#include <initializer_list>

#include "ledger.h"

extern "C" void* __libc_malloc(size_t bytes);

namespace {

constexpr int kUntouched = 4711;
constexpr std::size_t kHuge = PTRDIFF_MAX;

/// Given, aligned so and writable to its last usable byte; or what errno says.
void say(const char* what, void* block, std::size_t bytes, std::size_t alignment = 16) {
    const int error = errno;
    char line[200];
    const char* verdict = "none";
    if (block != nullptr) {
        const std::size_t usable = malloc_usable_size(block);
        verdict = "given";
        if (usable < bytes) verdict = "too small";
        if (reinterpret_cast<std::uintptr_t>(block) % alignment != 0) verdict = "not aligned";
        memset(block, 0x77, usable);
    }
    errno = kUntouched;
    free(block);
    const char* const freed = errno == kUntouched ? "kept" : "lost";
    const int length =
        snprintf(line, sizeof line, "%s: %s, errno %d, %s\n", what, verdict, error, freed);
    write(STDOUT_FILENO, line, static_cast<std::size_t>(length));
    errno = kUntouched;
}

void say_number(const char* what, long number) {
    char line[200];
    const int length = snprintf(line, sizeof line, "%s: %ld, errno %d\n", what, number, errno);
    write(STDOUT_FILENO, line, static_cast<std::size_t>(length));
    errno = kUntouched;
}

template <class Allocate>
void say_all(const char* what, Allocate allocate) {
    for (const std::size_t bytes :
         {std::size_t{0}, std::size_t{1}, std::size_t{24}, std::size_t{1000}, std::size_t{200'000},
          std::size_t{1} << 45, std::size_t{1} << 46, (std::size_t{1} << 46) + 1,
          std::size_t{1} << 47, kHuge - 4096, kHuge, kHuge + 1, SIZE_MAX - 4096, SIZE_MAX})
        say(what, allocate(bytes), bytes);
}

void plain() {
    say_all("malloc", [](std::size_t bytes) { return malloc(bytes); });
    say_all("realloc null", [](std::size_t bytes) { return realloc(nullptr, bytes); });
    say_all("calloc", [](std::size_t bytes) { return calloc(1, bytes); });
    say_all("valloc", [](std::size_t bytes) { return valloc(bytes); });
    say_all("pvalloc", [](std::size_t bytes) { return pvalloc(bytes); });
    say_all("reallocarray null", [](std::size_t bytes) { return reallocarray(nullptr, bytes, 1); });
    say("calloc overflow", calloc(SIZE_MAX / 2, 3), 0);
    say("calloc overflow", calloc(std::size_t{1} << 33, std::size_t{1} << 33), 0);
    say("calloc zero", calloc(0, 100), 0);
    say("calloc zero", calloc(100, 0), 0);
    say_number("usable of nothing", static_cast<long>(malloc_usable_size(nullptr)));
    free(nullptr);
    say_number("free of nothing", 0);
}

void aligned() {
    for (std::size_t alignment = 1; alignment <= 64 * 1024; alignment *= 2) {
        for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{100},
                                        std::size_t{5000}, std::size_t{300'000}}) {
            void* block = nullptr;
            say("memalign", memalign(alignment, bytes), bytes, alignment);
            say("aligned_alloc", aligned_alloc(alignment, bytes), bytes, alignment);
            const int error = posix_memalign(&block, alignment, bytes);
            say_number("posix_memalign", error);
            say("posix_memalign", block, bytes, alignment);
        }
    }
    for (const std::size_t odd :
         {std::size_t{0}, std::size_t{3}, std::size_t{12}, std::size_t{24}, std::size_t{48},
          std::size_t{100}, std::size_t{5000}, std::size_t{1} << 46, (std::size_t{1} << 46) + 1,
          std::size_t{1} << 62, std::size_t{1} << 63, (std::size_t{1} << 63) + 1, SIZE_MAX}) {
        void* block = &block;
        say("memalign odd", memalign(odd, 100), 100);
        say("aligned_alloc odd", aligned_alloc(odd, 100), 100);
        const int error = posix_memalign(&block, odd, 100);
        say_number("posix_memalign odd", error);
        if (error != 0) say_number("block untouched", block == &block);
        if (error == 0) say("posix_memalign odd", block, 100);
    }
    for (const std::size_t bytes : {std::size_t{1} << 46, kHuge, SIZE_MAX}) {
        void* block = nullptr;
        say("memalign huge", memalign(64, bytes), bytes);
        const int error = posix_memalign(&block, 64, bytes);
        say_number("posix_memalign huge", error);
    }
}

bool is_filled(const void* block, int value, std::size_t bytes) {
    const auto* const content = static_cast<const unsigned char*>(block);
    for (std::size_t i = 0; i < bytes; ++i)
        if (content[i] != value) return false;
    return true;
}

void contents() {
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{100}, std::size_t{3000},
                                    std::size_t{100'000}, std::size_t{400'000}}) {
        // What was there before is not there any more.
        void* const dirty = malloc(bytes);
        memset(dirty, 0xff, malloc_usable_size(dirty));
        free(dirty);
        void* const clean = calloc(bytes, 1);
        say_number("calloc is zero", is_filled(clean, 0, bytes));
        free(clean);
        for (std::size_t alignment = 16; alignment <= 8192; alignment *= 8) {
            void* block = memalign(alignment, bytes);
            memset(block, 0x33, bytes);
            block = realloc(block, bytes * 3);
            say_number("realloc keeps all", is_filled(block, 0x33, bytes));
            block = realloc(block, bytes / 2 + 1);
            say_number("realloc keeps some", is_filled(block, 0x33, bytes / 2 + 1));
            errno = kUntouched;
            say("realloc huge", realloc(block, kHuge), 0);
            say("reallocarray overflow", reallocarray(block, SIZE_MAX / 2, 3), 0);
            say_number("kept all the same", is_filled(block, 0x33, bytes / 2 + 1));
            say("realloc zero", realloc(block, 0), 0);
        }
    }
    // The same size again stays where it is and as it is.
    void* block = malloc(100);
    memset(block, 0x44, 100);
    block = realloc(block, 100);
    say_number("realloc same", is_filled(block, 0x44, 100));
    say("realloc same", block, 100);
    // Not the tracker's.
    block = __libc_malloc(100);
    memset(block, 0x55, malloc_usable_size(block));
    block = realloc(block, 1000);
    say_number("foreign realloc", is_filled(block, 0x55, 100));
    say("foreign realloc", block, 1000);
    say("foreign", __libc_malloc(100), 100);
}

/// Of what fails nothing is counted; of what gives no new block, the free.
void counts() {
    Ledger ledger("family");
    void* const block = ledger.take(100);
    void* const other = ledger.take(50);
    const crucible::AllocationOwner owner("family");
    {
        const crucible::AllocationScope scope(owner);
        void* aligned_block = nullptr;
        malloc(SIZE_MAX);
        malloc(kHuge);
        calloc(SIZE_MAX / 2, 3);
        realloc(block, kHuge);
        realloc(block, std::size_t{1} << 45);
        realloc(nullptr, kHuge);
        reallocarray(block, SIZE_MAX / 2, 3);
        memalign(64, kHuge);
        memalign(SIZE_MAX, 1);
        posix_memalign(&aligned_block, 3, 10);
        posix_memalign(&aligned_block, 64, kHuge);
        pvalloc(SIZE_MAX);
        free(nullptr);
    }
    ledger.give(block, 100);
    realloc(other, 0);
    ledger.give(nullptr, 50);
    ledger.print();
}

// Volatile, for no compiler to see what is done here.
void* volatile victim;

void misuse(const char* how) {
    victim = malloc(100);
    void* const keep = malloc(100);
    memset(victim, 0, 100);
    if (strcmp(how, "invalid") == 0) free(static_cast<char*>(victim) + 8);
    if (strcmp(how, "inside") == 0) free(static_cast<char*>(victim) + 48);
    if (strcmp(how, "stack") == 0) {
        alignas(16) char local[64] = {};
        victim = local + 32;
        free(victim);
    }
    if (strcmp(how, "invalid_realloc") == 0) victim = realloc(static_cast<char*>(victim) + 48, 10);
    if (strcmp(how, "twice") == 0) {
        free(victim);
        free(victim);
    }
    if (strcmp(how, "twice_later") == 0) {
        free(victim);
        free(keep);
        free(victim);
    }
    if (strcmp(how, "twice_large") == 0) {
        void* const large = malloc(20'000);
        void* const barrier = malloc(100);
        free(large);
        free(large);
        free(barrier);
    }
    if (strcmp(how, "realloc_freed") == 0) {
        free(victim);
        victim = realloc(victim, 5000);
    }
}

}  // namespace

int main(int count, char** arguments) {
    errno = kUntouched;
    if (count > 1 && strcmp(arguments[1], "counts") == 0) {
        counts();
    } else if (count > 1) {
        misuse(arguments[1]);
    } else {
        plain();
        aligned();
        contents();
    }
    _exit(0);
}
