#include "control_group.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/file.h"

namespace crucible::lab::scale {
namespace {

namespace fs = std::filesystem;
constexpr const char* kMountedAt = "/sys/fs/cgroup";

Result<> write_control(const fs::path& file, std::string_view content) {
    const base::UniqueFd out(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!out) return std::unexpected(base::errno_error(file.string(), errno));
    if (::write(out.get(), content.data(), content.size()) < 0)
        return std::unexpected(base::errno_error(file.string(), errno));
    return {};
}

bool has_controller(const fs::path& group, std::string_view controller) {
    std::istringstream names(base::read_file(group / "cgroup.controllers").value_or(std::string()));
    for (std::string name; names >> name;)
        if (name == controller) return true;
    return false;
}

/// "8:16" of the whole disk, as limits want it, not of a partition.
Result<std::string> disk_of_temporary_files() {
    struct stat about {};
    if (::stat(fs::temp_directory_path().c_str(), &about) != 0)
        return std::unexpected(base::errno_error("temporary directory", errno));
    const auto name = fmt::format("{}:{}", major(about.st_dev), minor(about.st_dev));
    const fs::path device = fs::path("/sys/dev/block") / name;
    if (!fs::exists(device))
        return std::unexpected(
            Error{Errc::unsupported, "temporary files are not on a disk of this machine"});
    if (!fs::exists(device / "partition")) return name;
    auto disk = base::read_file(fs::canonical(device).parent_path() / "dev");
    if (!disk) return std::unexpected(disk.error());
    while (!disk->empty() && disk->back() == '\n') disk->pop_back();
    return *disk;
}

Result<ControlGroup> with(Result<ControlGroup> group, std::string_view file,
                          std::string_view content) {
    if (!group) return group;
    if (auto written = group->write(file, content); !written)
        return std::unexpected(written.error());
    return group;
}

}  // namespace

Result<ControlGroup> ControlGroup::make(std::string_view controller) {
    static int number = 0;
    const auto name = fmt::format("crucible-test-{}-{}", ::getpid(), ++number);
    const fs::path first = fs::path(kMountedAt) / controller;
    const bool v1 = fs::exists(first / "cgroup.procs");
    const auto second = controller == "blkio" ? std::string_view("io") : controller;
    if (!v1 && !has_controller(kMountedAt, second))
        return std::unexpected(
            Error{Errc::unsupported, fmt::format("no cgroup controller {} here", controller)});
    if (!v1) {
        // Fails harmlessly where it is on already, and says so below where it cannot be.
        static_cast<void>(write_control(fs::path(kMountedAt) / "cgroup.subtree_control",
                                        fmt::format("+{}", second)));
    }
    const fs::path directory = (v1 ? first : fs::path(kMountedAt)) / name;
    if (::mkdir(directory.c_str(), 0755) != 0)
        return std::unexpected(base::errno_error(directory.string(), errno));
    return ControlGroup(directory, !v1);
}

ControlGroup::ControlGroup(ControlGroup&& other) noexcept
    : directory_(std::exchange(other.directory_, {})), v2_(other.v2_) {}

ControlGroup::~ControlGroup() {
    if (directory_.empty()) return;
    std::ifstream members(directory_ / "cgroup.procs");
    for (std::string pid; members >> pid;)
        static_cast<void>(write_control(directory_.parent_path() / "cgroup.procs", pid));
    ::rmdir(directory_.c_str());
}

Result<> ControlGroup::write(std::string_view file, std::string_view content) const {
    return write_control(directory_ / file, content);
}

Result<> ControlGroup::join(pid_t pid) const {
    return write("cgroup.procs", std::to_string(pid));
}

Result<ControlGroup> cpu_quota(double cores) {
    constexpr int period_us = 100'000;
    const int quota_us = static_cast<int>(cores * period_us);
    auto group = ControlGroup::make("cpu");
    if (!group) return group;
    if (group->is_v2())
        return with(std::move(group), "cpu.max", fmt::format("{} {}", quota_us, period_us));
    return with(std::move(group), "cpu.cfs_quota_us", std::to_string(quota_us));
}

Result<ControlGroup> memory_limit(std::uint64_t bytes) {
    auto group = ControlGroup::make("memory");
    if (!group) return group;
    const char* const file = group->is_v2() ? "memory.max" : "memory.limit_in_bytes";
    return with(std::move(group), file, std::to_string(bytes));
}

Result<ControlGroup> disk_writes(std::uint64_t bytes_per_second) {
    const auto disk = disk_of_temporary_files();
    if (!disk) return std::unexpected(disk.error());
    auto group = ControlGroup::make("blkio");
    if (!group) return group;
    if (group->is_v2())
        return with(std::move(group), "io.max", fmt::format("{} wbps={}", *disk, bytes_per_second));
    return with(std::move(group), "blkio.throttle.write_bps_device",
                fmt::format("{} {}", *disk, bytes_per_second));
}

}  // namespace crucible::lab::scale
