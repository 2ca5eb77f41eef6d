#pragma once

#include <cstdint>

#include "crucible/event.h"

namespace crucible::runtime {

/// The secret of a table whose keys come from strangers.
struct HashKey {
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    /// From the kernel's generator: another one in every process.
    static HashKey random();
};

/// SipHash-2-4 (Aumasson & Bernstein 2012) of the 16 bytes of `id`. Who does not know the key
/// cannot choose ids that collide; ids are chosen by clients.
std::uint64_t keyed_hash(const HashKey& key, const Uuid& id) noexcept;

}  // namespace crucible::runtime
