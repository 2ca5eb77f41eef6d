#pragma once

#include <cstddef>

#include "alloc/region.h"

namespace crucible::alloc {

/// A new region, empty but for what says whose it is; `magic` is not set yet. Null: no memory.
Region* open_region() noexcept;

/// Puts a new file's memory, which begins with `bytes` bytes of `content`, in the place of
/// `region`. False: there is none, and the old one is still there.
bool renew_region(Region* region, const void* content, std::size_t bytes) noexcept;

/// Has the file system set memory aside for that part of the region: touching what it has none for
/// would kill the process. False: it has none.
bool back_with_memory(const void* part, std::size_t bytes) noexcept;

}  // namespace crucible::alloc
