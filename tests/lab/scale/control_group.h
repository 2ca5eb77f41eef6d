#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"

namespace crucible::lab::scale {

/// A cgroup of the test's own with one controller, removed with it. Both versions.
class ControlGroup {
public:
    /// `controller`: "cpu", "memory" or "blkio" ("io" in version 2).
    /// - Errc::unsupported, Errc::permission_denied: why there can be none here.
    static Result<ControlGroup> make(std::string_view controller);
    ControlGroup(ControlGroup&& other) noexcept;
    ControlGroup& operator=(ControlGroup&&) = delete;
    ~ControlGroup();

    bool is_v2() const { return v2_; }
    Result<> write(std::string_view file, std::string_view content) const;
    Result<> join(pid_t pid) const;

private:
    ControlGroup(std::filesystem::path directory, bool v2)
        : directory_(std::move(directory)), v2_(v2) {}
    std::filesystem::path directory_;
    bool v2_ = false;
};

/// So many cores for those that join.
Result<ControlGroup> cpu_quota(double cores);
/// Memory and page cache together.
Result<ControlGroup> memory_limit(std::uint64_t bytes);
/// Of the disk that holds temporary files.
Result<ControlGroup> disk_writes(std::uint64_t bytes_per_second);

}  // namespace crucible::lab::scale
