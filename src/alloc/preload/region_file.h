#pragma once

#include <cstddef>

#include "alloc/region.h"

namespace crucible::alloc {

/// A new region, empty but for what says whose it is; `magic` is not set yet. Null: no memory.
Region* open_region() noexcept;

/// Whether a forked process would write into the region of the one that it comes from.
bool is_shared_region() noexcept;

/// Puts the memory of a new file, or private memory, in the place of `region`, and into it `bytes`
/// bytes of `content`. False: there is neither, and the old one is still there.
bool renew_region(Region* region, const void* content, std::size_t bytes) noexcept;

/// Has the file system set memory aside for that part of the region: touching what it has none for
/// would kill the process. False: it has none.
bool back_with_memory(const void* part, std::size_t bytes) noexcept;

}  // namespace crucible::alloc
