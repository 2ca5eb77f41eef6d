#include "support/installed_program.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>

namespace crucible::bench {
namespace {

constexpr std::array<std::string_view, 4> kProgramFolders{"/usr/sbin", "/usr/bin",
                                                          "/usr/local/sbin", "/usr/local/bin"};

}  // namespace

Result<std::string> installed_program(std::string_view program, std::string_view package) {
    for (const auto folder : kProgramFolders) {
        auto path = fmt::format("{}/{}", folder, program);
        if (std::filesystem::exists(path)) return path;
    }
    return std::unexpected(
        Error{Errc::unsupported, fmt::format("not installed (Debian package {})", package)});
}

}  // namespace crucible::bench
