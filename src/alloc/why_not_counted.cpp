#include "alloc/why_not_counted.h"

#include <elf.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "alloc/mapped_region.h"
#include "alloc/region.h"
#include "base/file.h"

namespace crucible::alloc {
namespace {

std::string file_of(pid_t pid, std::string_view name) {
    return base::read_file(fmt::format("/proc/{}/{}", pid, name)).value_or("");
}

/// What the kernel told the program at its start; 0 also where that cannot be read.
std::uint64_t told_at_start(std::string_view vector, std::uint64_t type) {
    std::array<std::uint64_t, 2> entry{};
    for (; vector.size() >= sizeof entry; vector.remove_prefix(sizeof entry)) {
        ::memcpy(entry.data(), vector.data(), sizeof entry);
        if (entry[0] == type) return entry[1];
    }
    return 0;
}

/// Whether files of the process may not be as large as a region, and how large they may be.
bool has_small_limit(pid_t pid, std::uint64_t& limit) {
    constexpr std::string_view kName = "\nMax file size";
    const std::string limits = file_of(pid, "limits");
    const auto at = limits.find(kName);
    if (at == std::string::npos) return false;
    char* end = nullptr;
    const char* const begin = limits.c_str() + at + kName.size();
    limit = std::strtoull(begin, &end, 10);
    return end != begin && limit < sizeof(Region);  // "unlimited" is no number
}

/// Where its environment says that the process makes its region's file, as it was at its start;
/// empty: nowhere.
std::string directory_named(std::string_view environment) {
    const std::string name = fmt::format("{}=", kDirectoryVariable);
    while (!environment.empty()) {
        const auto one = environment.substr(0, environment.find('\0'));
        if (one.starts_with(name)) return std::string(one.substr(name.size()));
        environment.remove_prefix(std::min(one.size() + 1, environment.size()));
    }
    return {};
}

/// Of a process that has the tracker.
std::string why_no_file(const std::filesystem::path& directory, pid_t pid) {
    const std::string what = "the allocation tracker could make no file for its counts";
    std::uint64_t limit = 0;
    if (has_small_limit(pid, limit))
        return fmt::format("{}: of {} bytes, where its files may have {} (ulimit -f)", what,
                           sizeof(Region), limit);
    struct stat process {};
    struct stat place {};
    if (::stat(fmt::format("/proc/{}", pid).c_str(), &process) == 0 &&
        ::stat(directory.c_str(), &place) == 0 && process.st_uid != place.st_uid &&
        process.st_uid != 0)
        return fmt::format("{} in {}: it runs as user {}, and the directory is user {}'s", what,
                           directory.string(), process.st_uid, place.st_uid);
    struct statvfs system {};
    constexpr std::uint64_t kNeeded = offsetof(Region, rows);
    if (::statvfs(directory.c_str(), &system) == 0) {
        const std::uint64_t free = std::uint64_t{system.f_bavail} * system.f_frsize;
        if (free < kNeeded)
            return fmt::format("{} in {}: {} bytes are free there", what, directory.string(), free);
    }
    return fmt::format("{} in {}", what, directory.string());
}

std::string reason(const std::filesystem::path& directory, pid_t pid) {
    const auto maps = base::read_file(fmt::format("/proc/{}/maps", pid));
    if (!maps && maps.error().code == Errc::permission_denied)
        return "it is a setuid program or another user's, and what it runs may not be looked at";
    if (!maps || maps->empty()) return "it has ended, and left no counts";
    if (const auto region = find_mapped_region(*maps)) {
        if (region->is_removed)
            return fmt::format("the file of its counts, {}, was removed", region->path);
        if (region->writer != pid)
            return fmt::format(
                "it counts in {}, under another number than its own: it was forked "
                "without fork(), or numbers are others where it runs",
                region->path);
        return fmt::format("it counts in {}", region->path);
    }
    if (maps->find("/libcrucible_alloc.so") != std::string::npos) {
        // Others may have started it, and told it another directory, or none.
        const auto environment = base::read_file(fmt::format("/proc/{}/environ", pid));
        if (!environment) return why_no_file(directory, pid);
        const std::filesystem::path named = directory_named(*environment);
        if (!named.is_absolute())
            return fmt::format(
                "it has the allocation tracker, but was started without an absolute path in {}, "
                "and counts for itself alone",
                kDirectoryVariable);
        return why_no_file(named, pid);
    }
    const std::string vector = file_of(pid, "auxv");
    if (told_at_start(vector, AT_SECURE) != 0)
        return "it is a setuid program or has capabilities, and the loader ignores the allocation "
               "tracker";
    if (!vector.empty() && told_at_start(vector, AT_BASE) == 0)
        return "it is a static program, into which the allocation tracker cannot be loaded";
    return "it was started without the allocation tracker";
}

}  // namespace

Error why_not_counted(const std::filesystem::path& directory, pid_t pid) {
    return {Errc::not_found, fmt::format("process {}: {}", pid, reason(directory, pid))};
}

}  // namespace crucible::alloc
