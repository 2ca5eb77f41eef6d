#pragma once

#include <limits.h>

#include <cstddef>

#include "alloc/region.h"

namespace crucible::alloc {

/// Zeroed memory that a forked process has for itself. Null: none is to be had.
void* private_memory(std::size_t bytes) noexcept;

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
/// The same, for what is known to be a file's.
bool populate(const void* part, std::size_t bytes) noexcept;

inline constexpr std::size_t kPathMax = PATH_MAX + 64;
/// The path of the region's file without ".alloc". Null: it has none.
const char* region_file_stem() noexcept;
/// A new file of that size, with memory set aside for its beginning. -1: there is none; errno is
/// EEXIST where it was there.
int new_sparse_file(const char* path, std::size_t bytes, std::size_t backed) noexcept;

}  // namespace crucible::alloc
