#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"

namespace crucible::lab {

/// An executable part of a process's memory, and the file it was mapped from.
struct MappedModule {
    std::string path;      ///< a file, "[vdso]" and the like, or empty: memory without a file
    std::string build_id;  ///< in lower-case hexadecimal digits; empty: not known
    std::uint64_t start = 0;
    std::uint64_t end = 0;          ///< the first address behind it
    std::uint64_t file_offset = 0;  ///< of `start`
    bool deleted = false;           ///< the file had been deleted or replaced while it was mapped

    /// The file's own name, "[vdso]", or "[anonymous]".
    std::string_view name() const noexcept;
    bool operator==(const MappedModule&) const = default;
};

/// The executable mappings in the text of /proc/<pid>/maps, by their start; without build ids.
/// - Errc::corrupt: a line is none of that file's; the message has its number.
Result<std::vector<MappedModule>> parse_maps(std::string_view text);

/// The index in `modules`, which are sorted by start, of the one that holds `address`.
std::optional<std::size_t> find_module(std::span<const MappedModule> modules,
                                       std::uint64_t address) noexcept;

/// The build id of an ELF file; empty where its linker wrote none. - Errc::not_found,
/// Errc::permission_denied, Errc::io; Errc::corrupt: it is no ELF file. The message names the path.
Result<std::string> read_build_id(const std::string& path);

/// Reads what `pid`, which runs, has mapped. A build id that cannot be read stays empty: whether
/// the file still is the same can then not be told. - Errc::not_found, Errc::permission_denied,
/// Errc::io.
Result<std::vector<MappedModule>> read_modules(pid_t pid);

}  // namespace crucible::lab
