#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

namespace crucible::lab {

/// Whether /proc/locks names one of these processes as the holder of a write lock on some file.
/// Locks of open file descriptions, which belong to no process, are not seen. Nothing where the
/// file cannot be read.
std::optional<bool> holds_file_lock(std::span<const pid_t> pids, const std::filesystem::path& root);
/// The same of the file's content.
bool names_write_lock(std::string_view locks, std::span<const pid_t> pids);

}  // namespace crucible::lab
