#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "crucible/error.h"
#include "lab/profile/symbolized_profile.h"

namespace crucible::lab {

/// The files of one profile of allocations, by what they are ("allocated" and "live": flame graphs,
/// "folded" stacks, "pprof"); `name` begins their names.
std::map<std::string, std::string> stack_file_names(std::string_view name);

/// What the flame graphs say above.
struct StackFileTitles {
    std::string allocated;
    std::string live;
    std::string subtitle;
};

/// Writes these files of `profile`, whose kinds are allocation_kinds(), into `directory`.
/// - Errc::io and such: a file could not be written; the message names it.
Result<> write_stack_files(const std::filesystem::path& directory, std::string_view name,
                           const SymbolizedProfile& profile, const StackFileTitles& titles);

/// How stacks were taken: "every allocation", "sampled every 524288 bytes in the mean".
std::string sampling_text(std::uint64_t mean_bytes);

}  // namespace crucible::lab
