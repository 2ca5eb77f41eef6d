#pragma once

#include <sys/types.h>

#include <filesystem>

#include "crucible/error.h"

namespace crucible::alloc {

/// Why `directory` has no counts of the program that the process runs, as far as the system tells
/// (they may be elsewhere): one line. Always Errc::not_found.
Error why_not_counted(const std::filesystem::path& directory, pid_t pid);

}  // namespace crucible::alloc
