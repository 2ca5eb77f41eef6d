#include "memory_profiling/limited_programs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "lab/record/cgroup_directories.h"

namespace crucible::bench {
namespace {

constexpr std::string_view kCgroupName = "crucible-memory";

/// Makes a cgroup below `parent` whose memory can be limited. Empty: cannot be made.
std::filesystem::path make_cgroup(const std::filesystem::path& parent, std::string& why) {
    const auto made = parent / fmt::format("{}-{}", kCgroupName, ::getpid());
    std::error_code status;
    if (!std::filesystem::create_directory(made, status)) {
        why = fmt::format("{}: {}", made.string(), status.message());
        return {};
    }
    if (::access((made / "memory.max").c_str(), W_OK) == 0) return made;
    why = fmt::format("{}: the memory controller is not on for cgroups below it", parent.string());
    std::filesystem::remove(made, status);
    return {};
}

/// To a file of the kernel's, which must not be made where it is not.
Result<> write_to(const std::filesystem::path& file, const std::string& text) {
    const base::UniqueFd opened(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (opened &&
        ::write(opened.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()))
        return {};
    return std::unexpected(base::errno_error(file.string(), errno));
}

}  // namespace

std::string MemoryLimiter::name() const {
    return cgroup.empty() ? "RLIMIT_AS, as ulimit -v sets it" : "memory.max of a cgroup";
}

MemoryLimiter find_memory_limiter() {
    const auto own = lab::find_cgroup(::getpid(), "/");
    if (!own) return {{}, own.error().message};
    if (!own->memory.v2 || own->memory.directories.empty())
        return {{}, "the memory controller of cgroup v2 is not here"};
    MemoryLimiter limiter;
    // Beside its own where that has processes, which may then have no controllers below it.
    const auto& directory = own->memory.directories.front();
    for (const auto& parent : {directory, directory.parent_path()}) {
        const auto made = make_cgroup(parent, limiter.why_no_cgroup);
        if (made.empty()) continue;
        std::error_code status;
        std::filesystem::remove(made, status);
        return {parent, {}};
    }
    return limiter;
}

LimitedProgram::LimitedProgram(base::TempDir directory, std::string variable)
    : directory_(std::move(directory)), variable_(std::move(variable)) {
    if (const char* value = std::getenv(variable_.c_str())) before_ = value;
}

LimitedProgram::LimitedProgram(LimitedProgram&& other) noexcept
    : directory_(std::exchange(other.directory_, std::nullopt)),
      cgroup_(std::move(other.cgroup_)),
      variable_(std::move(other.variable_)),
      before_(std::move(other.before_)) {}

Result<LimitedProgram> LimitedProgram::make(const MemoryLimiter& limiter, std::uint64_t bytes,
                                            std::string variable,
                                            const std::filesystem::path& program) {
    auto directory = base::TempDir::make("limited");
    if (!directory) return std::unexpected(directory.error());
    const auto script = directory->path() / "program";
    LimitedProgram limited(*std::move(directory), std::move(variable));
    std::string limit = fmt::format("ulimit -v {}", bytes / 1024);
    if (!limiter.cgroup.empty()) {
        std::string why;
        limited.cgroup_ = make_cgroup(limiter.cgroup, why);
        if (limited.cgroup_.empty()) return std::unexpected(Error{Errc::io, why});
        const auto set = write_to(limited.cgroup_ / "memory.max", std::to_string(bytes));
        if (!set) return std::unexpected(set.error());
        limit = fmt::format("echo $$ >'{}'", (limited.cgroup_ / "cgroup.procs").string());
    }
    const auto program_before = limited.before_.value_or(program.string());
    const auto written = base::write_file(
        script, fmt::format("#!/bin/sh\n{} || exit 1\nexec '{}' \"$@\"\n", limit, program_before));
    if (!written) return std::unexpected(written.error());
    if (::chmod(script.c_str(), 0700) != 0)
        return std::unexpected(base::errno_error(script.string(), errno));
    ::setenv(limited.variable_.c_str(), script.c_str(), 1);
    return limited;
}

LimitedProgram::~LimitedProgram() {
    if (!directory_) return;
    if (before_) {
        ::setenv(variable_.c_str(), before_->c_str(), 1);
    } else {
        ::unsetenv(variable_.c_str());
    }
    std::error_code status;
    if (!cgroup_.empty()) std::filesystem::remove(cgroup_, status);
}

}  // namespace crucible::bench
