#pragma once

#include <cstddef>

namespace crucible::runtime::testing {

/// How often this thread has called operator new.
std::size_t allocation_count() noexcept;

}  // namespace crucible::runtime::testing
