#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"

namespace crucible::lab {

/// Whether `locks`, as /proc/locks has them, name one of these processes as the holder of a write
/// lock on some file. Locks of open file descriptions, which belong to no process, are not seen.
bool names_write_lock(std::string_view locks, std::span<const pid_t> pids);

/// The same of /proc/locks itself, again and again through a file that stays open. Not thread-safe.
class FileLocks {
public:
    explicit FileLocks(const std::filesystem::path& root = "/");

    /// Nothing where the file cannot be read.
    std::optional<bool> held_by(std::span<const pid_t> pids);

private:
    base::UniqueFd file_;
    std::string content_;
};

}  // namespace crucible::lab
