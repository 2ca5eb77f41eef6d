#include "alloc/mapped_region.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "alloc/why_not_counted.h"
#include "base/file.h"

namespace crucible::alloc {

std::optional<pid_t> writer_of(std::string_view file_name) {
    const char* const end = file_name.data() + file_name.size();
    pid_t pid = 0;
    const auto number = std::from_chars(file_name.data(), end, pid);
    if (number.ec != std::errc{} || pid <= 0 || number.ptr == end || *number.ptr != '-')
        return std::nullopt;
    unsigned image = 0;
    const auto rest = std::from_chars(number.ptr + 1, end, image);
    if (rest.ec != std::errc{} || std::string_view(rest.ptr, end) != ".alloc") return std::nullopt;
    return pid;
}

std::optional<MappedRegion> find_mapped_region(std::string_view maps) {
    while (!maps.empty()) {
        std::string_view line = maps.substr(0, maps.find('\n'));
        maps.remove_prefix(std::min(line.size() + 1, maps.size()));
        const auto path = line.find('/');
        if (path == std::string_view::npos) continue;
        line.remove_prefix(path);
        constexpr std::string_view kRemoved = " (deleted)";
        const bool is_removed = line.ends_with(kRemoved);
        if (is_removed) line.remove_suffix(kRemoved.size());
        if (const auto writer = writer_of(line.substr(line.rfind('/') + 1)))
            return MappedRegion{std::string(line), *writer, is_removed};
    }
    return std::nullopt;
}

Result<std::filesystem::path> mapped_region(const std::filesystem::path& directory, pid_t pid) {
    const auto maps = base::read_file(fmt::format("/proc/{}/maps", pid));
    const auto region = maps ? find_mapped_region(*maps) : std::nullopt;
    if (!region || region->is_removed || region->writer != pid)
        return std::unexpected(why_not_counted(directory, pid));
    return std::filesystem::path(region->path);
}

}  // namespace crucible::alloc
