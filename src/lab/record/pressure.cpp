#include "lab/record/pressure.h"

#include <fcntl.h>

#include <cerrno>
#include <string_view>

#include "base/file.h"
#include "lab/record/proc_text.h"

namespace crucible::lab {
namespace {

/// some avg10=0.00 avg60=0.00 avg300=0.00 total=<microseconds>
std::optional<double> total_seconds(std::string_view content, std::string_view kind) {
    const auto line = content.find(kind);
    const auto total = content.find("total=", line);
    if (line == std::string_view::npos || total == std::string_view::npos) return std::nullopt;
    const auto microseconds = leading_number(content.substr(total + 6));
    if (!microseconds) return std::nullopt;
    return static_cast<double>(*microseconds) * 1e-6;
}

}  // namespace

Result<Pressure> read_pressure(const std::filesystem::path& file) {
    const auto content = read_at(AT_FDCWD, file.c_str());
    if (!content && (content.error() == ENOENT || content.error() == EOPNOTSUPP)) {
        return std::unexpected(Error{
            Errc::unsupported, "no " + file.string() + ": the kernel has no PSI, or has it off"});
    }
    if (!content) return std::unexpected(base::errno_error(file.string(), content.error()));
    const auto some = total_seconds(*content, "some ");
    const auto full = total_seconds(*content, "full ");
    if (!some)
        return std::unexpected(Error{Errc::corrupt, file.string() + " is not what it should be"});
    return Pressure{*some, full};
}

}  // namespace crucible::lab
