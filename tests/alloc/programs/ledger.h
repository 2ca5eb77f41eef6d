#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "crucible/allocation.h"

/// What a program allocates for one owner, and its own count of it, which it prints for the
/// tracker's to be compared with. From any thread; in a forked process it goes on.
class Ledger {
public:
    explicit Ledger(const char* name) : name_(name), owner_(name) {}

    void* take(std::size_t bytes) {
        const crucible::AllocationScope scope(owner_);
        void* const block = malloc(bytes);
        if (block == nullptr) fail("no memory");
        memset(block, 0x5a, bytes);
        allocations_ += 1;
        bytes_ += bytes;
        return block;
    }
    void give(void* block, std::size_t bytes) {
        free(block);
        frees_ += 1;
        freed_ += bytes;
    }
    void* change(void* block, std::size_t before, std::size_t after) {
        const crucible::AllocationScope scope(owner_);
        void* const moved = realloc(block, after);
        if (moved == nullptr) fail("no memory");
        allocations_ += 1;
        bytes_ += after;
        frees_ += 1;
        freed_ += before;
        return moved;
    }

    /// "pid forked_from owner allocations frees bytes freed_bytes"; not with stdio, which
    /// allocates.
    void print(pid_t forked_from = 0) const {
        char line[200];
        const int length =
            snprintf(line, sizeof line, "%d %d %s %llu %llu %llu %llu\n", getpid(), forked_from,
                     name_, count(allocations_), count(frees_), count(bytes_), count(freed_));
        if (write(STDOUT_FILENO, line, static_cast<std::size_t>(length)) != length)
            fail("cannot write");
    }

    [[noreturn]] static void fail(const char* what) {
        fprintf(stderr, "%s\n", what);
        _exit(3);
    }

private:
    static unsigned long long count(const std::atomic<std::uint64_t>& counter) {
        return counter.load();
    }

    const char* name_;
    crucible::AllocationOwner owner_;
    std::atomic<std::uint64_t> allocations_ = 0, frees_ = 0, bytes_ = 0, freed_ = 0;
};
