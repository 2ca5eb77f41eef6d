#pragma once

#include <filesystem>
#include <string>

namespace crucible::lab {

/// `message`, and behind it what the file `log` ends with: at most three lines, as one.
std::string with_log(std::string message, const std::filesystem::path& log);

}  // namespace crucible::lab
