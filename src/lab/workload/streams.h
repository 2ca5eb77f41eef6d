#pragma once

#include <cstdint>

namespace crucible::lab {

/// Streams of random numbers, one per purpose: what one draws does not move another.
enum class Stream : std::uint64_t { corpus = 1, mix, id, conversation, payload, file, size, fault };

}  // namespace crucible::lab
