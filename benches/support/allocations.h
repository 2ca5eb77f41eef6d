#pragma once

#include <cstdint>

namespace crucible::bench {

/// What the whole process has asked operator new for since it started.
struct Allocations {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;

    Allocations& operator+=(const Allocations& other) noexcept {
        count += other.count;
        bytes += other.bytes;
        return *this;
    }
    friend Allocations operator-(const Allocations& a, const Allocations& b) noexcept {
        return {a.count - b.count, a.bytes - b.bytes};
    }
};

/// Sums the counters of all threads, dead ones included. Memory that C libraries take with malloc
/// (SQLite, OpenSSL) is not in it.
Allocations allocations() noexcept;

}  // namespace crucible::bench
