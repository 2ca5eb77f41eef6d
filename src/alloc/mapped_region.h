#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "crucible/error.h"

namespace crucible::alloc {

/// A region's file in the memory of a process, as /proc/<pid>/maps names it.
struct MappedRegion {
    std::string path;
    pid_t writer = 0;  ///< as the file's name says; a process may have mapped another's
    bool is_removed = false;
};
std::optional<MappedRegion> find_mapped_region(std::string_view maps);

/// The number of the process that a region's file, <pid>-<n>.alloc, is of.
std::optional<pid_t> writer_of(std::string_view file_name);

/// The file of what a running process counts in, wherever it is: whoever started it with the
/// tracker chose the directory. A file that an earlier program of the process has left behind is
/// not in its memory. - Errc::not_found: none; why_not_counted(), which looks for the reason in
/// `directory`, where it would be of a process started with the tracker there.
Result<std::filesystem::path> mapped_region(const std::filesystem::path& directory, pid_t pid);

}  // namespace crucible::alloc
