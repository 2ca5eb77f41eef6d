#include "lab/record/file_locks.h"

#include <algorithm>
#include <sstream>
#include <string>

#include "base/file.h"

namespace crucible::lab {

bool names_write_lock(std::string_view locks, std::span<const pid_t> pids) {
    // "1: POSIX  ADVISORY  WRITE 1234 08:02:1311 124 124"; who waits has "->" after the number.
    std::istringstream lines{std::string(locks)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string number, kind, mode, access;
        pid_t holder = 0;
        words >> number >> kind >> mode >> access >> holder;
        if (words && kind != "->" && access == "WRITE" &&
            std::ranges::find(pids, holder) != pids.end())
            return true;
    }
    return false;
}

std::optional<bool> holds_file_lock(std::span<const pid_t> pids,
                                    const std::filesystem::path& root) {
    const auto locks = base::read_file(root / "proc/locks");
    if (!locks) return std::nullopt;
    return names_write_lock(*locks, pids);
}

}  // namespace crucible::lab
