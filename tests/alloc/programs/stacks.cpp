// stacks WHAT: allocates in the scope "stacks" in ways that make stacks hard to follow; prints
// nothing, and exits with 0 when all went well.
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <new>

#include "crucible/allocation.h"

#pragma GCC optimize("no-omit-frame-pointer")
#define CALLED extern "C" __attribute__((noinline, noclone, used))

namespace {
/// After a call: it is not the last thing that its function does.
[[gnu::always_inline]] inline void stay() {
    asm volatile("" ::: "memory");
}
void* volatile kept;
void* blocks[1000];
int block_count = 0;
void check(bool condition, int line) {
    if (condition) return;
    dprintf(2, "stacks: line %d\n", line);
    _exit(3);
}
#define CHECK(condition) check(condition, __LINE__)

/// What the library allocates for these is not the scope's.
struct Aside {
    const crucible::AllocationScope scope{crucible::AllocationOwner("aside")};
};
void start(pthread_t& thread, void* (*begin)(void*), size_t stack_bytes = 0) {
    const Aside aside;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (stack_bytes != 0) CHECK(pthread_attr_setstacksize(&attributes, stack_bytes) == 0);
    CHECK(pthread_create(&thread, &attributes, begin, nullptr) == 0);
}
}  // namespace

CALLED void* innermost(size_t bytes) {
    void* const block = malloc(bytes);
    stay();
    return block;
}
CALLED void* middle(size_t bytes) {
    void* const block = innermost(bytes);
    stay();
    return block;
}
CALLED void* outermost(size_t bytes) {
    void* const block = middle(bytes);
    stay();
    return block;
}

// Each of the family from a function of its own.
CALLED void call_malloc() {
    blocks[block_count++] = malloc(101), stay();
}
CALLED void call_calloc() {
    blocks[block_count++] = calloc(1, 102), stay();
}
CALLED void call_realloc() {
    blocks[0] = realloc(blocks[0], 103), stay();
}
CALLED void call_realloc_null() {
    blocks[block_count++] = realloc(nullptr, 104), stay();
}
CALLED void call_reallocarray() {
    blocks[1] = reallocarray(blocks[1], 5, 21), stay();
}
CALLED void call_memalign() {
    blocks[block_count++] = memalign(64, 106), stay();
}
CALLED void call_aligned_alloc() {
    blocks[block_count++] = aligned_alloc(32, 96), stay();
}
CALLED void call_posix_memalign() {
    CHECK(posix_memalign(&blocks[block_count++], 8, 108) == 0), stay();
}
CALLED void call_valloc() {
    blocks[block_count++] = valloc(109), stay();
}
CALLED void call_pvalloc() {
    blocks[block_count++] = pvalloc(110), stay();
}
CALLED void call_large() {
    blocks[block_count++] = malloc(1 << 20), stay();
}
CALLED void call_realloc_aligned() {  // of what memalign gave
    for (int i = 0; i < block_count; ++i)
        if (malloc_usable_size(blocks[i]) >= 106 &&
            (reinterpret_cast<uintptr_t>(blocks[i]) & 63) == 0)
            return void(blocks[i] = realloc(blocks[i], 111));
}
void family() {
    call_malloc(), call_calloc(), call_realloc(), call_realloc_null(), call_reallocarray();
    call_memalign(), call_aligned_alloc(), call_posix_memalign(), call_valloc(), call_pvalloc();
    call_large(), call_realloc_aligned();
}

// The same function, at the same depth, asks operator new at two places.
CALLED void two_news() {
    kept = ::operator new(201);
    stay();
    static volatile int twice = 2;  // one place of the code, whatever the compiler would like
    for (int i = 0; i < twice; ++i) kept = ::operator new(202);
    stay();
}

CALLED int compare(const void* a, const void* b) {
    kept = innermost(301);
    stay();
    return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}
CALLED void sort() {
    int numbers[] = {5, 3, 9, 1};
    qsort(numbers, 4, sizeof numbers[0], compare);
    CHECK(numbers[0] == 1 && numbers[3] == 9);
    const int key = 9;
    // The library's: its header has one of its own to inline.
    void* (*volatile search)(const void*, const void*, size_t, size_t,
                             int (*)(const void*, const void*)) = bsearch;
    CHECK(search(&key, numbers, 4, sizeof key, compare) == &numbers[3]);
    stay();
}

CALLED void query() {
    void* const library = dlopen("libsqlite3.so.0", RTLD_NOW);
    if (library == nullptr) _exit(77);
    const auto open =
        reinterpret_cast<int (*)(const char*, void**)>(dlsym(library, "sqlite3_open"));
    const auto exec = reinterpret_cast<int (*)(void*, const char*, void*, void*, char**)>(
        dlsym(library, "sqlite3_exec"));
    void* database = nullptr;
    CHECK(open(":memory:", &database) == 0);
    const crucible::AllocationScope scope(crucible::AllocationOwner("query"));
    CHECK(exec(database, "create table t(a, b); insert into t values (1, 'one');", nullptr, nullptr,
               nullptr) == 0);
    stay();
}

CALLED void* thread_begin(void*) {
    const crucible::AllocationScope scope(crucible::AllocationOwner("stacks"));
    kept = outermost(501);
    stay();
    return nullptr;
}

CALLED void* dive(int depth) {
    char room[200];
    memset(room, depth, sizeof room);
    void* const block = depth == 0 ? innermost(601) : dive(depth - 1);
    asm volatile("" : : "r"(room) : "memory");
    return block;
}

CALLED void on_signal(int) {
    kept = outermost(701);
    stay();
}
void other_stack() {
    stack_t stack{};
    stack.ss_size = 64 * 1024;
    stack.ss_sp =
        mmap(nullptr, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(sigaltstack(&stack, nullptr) == 0);
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, nullptr);
    raise(SIGUSR1);
}

ucontext_t here;
ucontext_t there;
CALLED void coroutine() {
    kept = outermost(801);
    swapcontext(&there, &here);
    kept = outermost(802);
    stay();
}
void coroutines() {
    constexpr size_t kBytes = 64 * 1024;
    getcontext(&there);
    there.uc_stack.ss_sp =
        mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    there.uc_stack.ss_size = kBytes;
    there.uc_link = &here;
    makecontext(&there, coroutine, 0);
    swapcontext(&here, &there);
    kept = outermost(803);
    swapcontext(&here, &there);
}

void* free_all(void*) {
    for (int i = 0; i < block_count; ++i) free(blocks[i]);
    return nullptr;
}
void elsewhere() {
    for (; block_count < 100; ++block_count) blocks[block_count] = outermost(901);
    pthread_t thread;
    start(thread, free_all);
    pthread_join(thread, nullptr);
    for (int i = 0; i < 10; ++i) blocks[i] = outermost(902);
    for (int i = 0; i < 4; ++i) free(blocks[i]);
}

CALLED void in_child() {
    for (int i = 0; i < 50; ++i) free(blocks[i]);  // the parent's
    for (int i = 0; i < 7; ++i) blocks[i] = innermost(1002);
    for (int i = 0; i < 3; ++i) free(blocks[i]);
    stay();
}
void forked() {
    for (; block_count < 100; ++block_count) blocks[block_count] = outermost(1001);
    const pid_t child = fork();
    if (child == 0) {
        in_child();
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    for (int i = 0; i < 5; ++i) free(blocks[i]);
    const Aside aside;
    dprintf(1, "%d\n", child);
}

/// Waits for the end of its standard input.
void wait_to_be_killed() {
    kept = outermost(1101);
    CHECK(write(1, "r", 1) == 1);
    char byte;
    while (read(0, &byte, 1) > 0) {
    }
}

void too_many() {  // stacks, for the file: each depth is one
    for (int i = 0; i < 3000; ++i) free(dive(i % 1500));
}

int main(int count, char** arguments) {
    if (count != 2) return 2;
    const auto is = [&](const char* what) { return strcmp(arguments[1], what) == 0; };
    const crucible::AllocationScope scope(crucible::AllocationOwner("stacks"));
    pthread_t thread;
    if (is("nested")) kept = outermost(1), stay();
    if (is("family")) family();
    if (is("news")) two_news();
    if (is("sort")) sort();
    if (is("query")) query();
    if (is("thread")) {
        start(thread, thread_begin);
        pthread_join(thread, nullptr);
    }
    if (is("small")) {
        start(thread, thread_begin, 16 * 1024);  // the least that there is
        pthread_join(thread, nullptr);
    }
    if (is("deep")) kept = dive(100), stay();
    if (is("signal")) other_stack();
    if (is("coroutine")) coroutines();
    if (is("elsewhere")) elsewhere();
    if (is("fork")) forked();
    if (is("kill")) wait_to_be_killed();
    if (is("many")) too_many();
    _exit(0);
}
