#include "lab/record/cgroup_directories.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <ranges>
#include <sstream>
#include <string_view>

#include "base/file.h"
#include "lab/record/proc_text.h"

namespace crucible::lab {
namespace {

/// Whether `list` ("cpu,cpuacct") has `name`.
bool has_item(std::string_view list, std::string_view name) {
    for (const auto item : std::views::split(list, ','))
        if (std::string_view(item.begin(), item.end()) == name) return true;
    return false;
}

/// mountinfo writes blanks and backslashes in paths as \ooo.
std::string unescaped(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                       (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

struct CgroupMount {
    bool v2 = false;
    std::string controllers;  ///< of version 1: the mount's options, with them among others
    std::string top;          ///< the cgroup that is mounted: "/", or a container's
    std::string point;        ///< where
};

std::vector<CgroupMount> parse_mounts(const std::string& mountinfo) {
    std::vector<CgroupMount> mounts;
    std::istringstream lines(mountinfo);
    for (std::string line; std::getline(lines, line);) {
        // id parent major:minor root mount-point options [optional…] - type source options
        std::istringstream words(line);
        std::string word, top, point, type;
        words >> word >> word >> word >> top >> point;
        while (words >> word && word != "-") {
        }
        words >> type >> word >> word;
        if (type == "cgroup2") mounts.push_back({true, {}, unescaped(top), unescaped(point)});
        if (type == "cgroup") mounts.push_back({false, word, unescaped(top), unescaped(point)});
    }
    return mounts;
}

struct Membership {
    bool v2 = false;
    std::string controllers;
    std::string path;
};

std::vector<Membership> parse_memberships(const std::string& content) {
    std::vector<Membership> memberships;
    std::istringstream lines(content);
    for (std::string line; std::getline(lines, line);) {
        // <hierarchy>:<controllers>:<path>; version 2 is hierarchy 0 without controllers
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        auto controllers = line.substr(first + 1, second - first - 1);
        const bool v2 = line.starts_with("0:") && controllers.empty();
        memberships.push_back({v2, std::move(controllers), line.substr(second + 1)});
    }
    return memberships;
}

/// The directories of one membership: from its own up to the mount's.
CgroupLevels levels_of(const Membership& membership, const std::vector<CgroupMount>& mounts,
                       const std::filesystem::path& root) {
    CgroupLevels levels{{}, membership.v2, {}};
    // A version 1 mount may have several of a membership's controllers, never a part of them.
    const auto controller = membership.controllers.substr(0, membership.controllers.find(','));
    const auto mount = std::ranges::find_if(mounts, [&](const CgroupMount& candidate) {
        return candidate.v2 == membership.v2 &&
               (membership.v2 || has_item(candidate.controllers, controller));
    });
    if (mount == mounts.end()) {
        levels.why_absent = "its cgroups are not mounted";
        return levels;
    }
    std::string_view below = membership.path;
    if (below.starts_with("/..")) {
        levels.why_absent = "its cgroup is outside of what is visible here";
        return levels;
    }
    // Seen from inside a container that shares the host's names: the path begins with the part
    // that is mounted.
    if (mount->top != "/" && below.starts_with(mount->top)) below.remove_prefix(mount->top.size());
    const auto top = root / std::filesystem::path(mount->point).relative_path();
    auto directory = top / std::filesystem::path(below).relative_path();
    if (!directory.has_filename()) directory = directory.parent_path();
    std::error_code status;
    if (!std::filesystem::is_directory(directory, status)) {
        levels.why_absent = "its cgroup is not visible here";
        return levels;
    }
    for (; directory != top; directory = directory.parent_path())
        levels.directories.push_back(directory);
    levels.directories.push_back(top);
    return levels;
}

}  // namespace

Result<CgroupDirectories> find_cgroup(pid_t pid, const std::filesystem::path& root) {
    const auto process = root / "proc" / std::to_string(pid);
    const auto text = [](const std::filesystem::path& file) {
        return read_at(AT_FDCWD, file.c_str());
    };
    const auto own = text(process / "cgroup");
    if (!own && own.error() == ENOENT && text(process / "stat"))
        return std::unexpected(Error{Errc::unsupported, "this kernel has no cgroups"});
    if (!own) return std::unexpected(base::errno_error((process / "cgroup").string(), own.error()));
    const auto mountinfo = text(root / "proc/self/mountinfo");
    const auto mounts = parse_mounts(mountinfo.value_or(std::string()));
    const auto memberships = parse_memberships(*own);
    if (memberships.empty() || mounts.empty())
        return std::unexpected(Error{Errc::unsupported, "no cgroups are mounted here"});

    CgroupDirectories found;
    bool v1 = false;
    const auto v2 = std::ranges::find(memberships, true, &Membership::v2);
    const auto levels = [&](std::string_view controller) {
        for (const auto& membership : memberships) {
            if (membership.v2 || !has_item(membership.controllers, controller)) continue;
            v1 = true;
            if (controller == "memory") found.name = membership.path;
            return levels_of(membership, mounts, root);
        }
        if (v2 != memberships.end()) return levels_of(*v2, mounts, root);
        return CgroupLevels{{}, false, fmt::format("no cgroup has the {} controller", controller)};
    };
    found.memory = levels("memory");
    found.cpu = levels("cpu");
    found.pids = levels("pids");
    if (v2 != memberships.end()) {
        const auto unified = levels_of(*v2, mounts, root);
        if (!unified.directories.empty()) found.v2 = unified.directories.front();
        if (found.name.empty() || v2->path != "/") found.name = v2->path;
    }
    found.version = !v1 ? "v2" : found.v2.empty() ? "v1" : "hybrid";
    if (found.memory.directories.empty() && found.cpu.directories.empty() &&
        found.pids.directories.empty() && found.v2.empty())
        return std::unexpected(Error{Errc::unsupported, found.memory.why_absent});
    return found;
}

}  // namespace crucible::lab
