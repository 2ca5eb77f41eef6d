#include "lab/record/cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/file.h"
#include "lab/record/proc_text.h"

namespace crucible::lab {
namespace {

namespace fs = std::filesystem;

/// What version 1 says where there is no limit: the largest multiple of a page in a signed word.
/// Pages of other sizes, other multiples: nobody has an exbibyte.
constexpr std::uint64_t kV1Unlimited = std::uint64_t{1} << 60;

/// The topmost cgroup has no limits, and of version 2 no figures of its own either.
std::string no_such_file(const fs::path& file) {
    return fmt::format("no {}: the topmost cgroup, or it is off", file.string());
}

Result<std::string> read_text(const fs::path& file) {
    auto content = read_at(AT_FDCWD, file.c_str());
    if (!content && content.error() == ENOENT)
        return std::unexpected(Error{Errc::unsupported, no_such_file(file)});
    if (!content) return std::unexpected(base::errno_error(file.string(), content.error()));
    return std::move(*content);
}

Result<std::uint64_t> read_number(const fs::path& file) {
    const auto text = read_text(file);
    if (!text) return std::unexpected(text.error());
    const auto number = leading_number(*text);
    if (!number)
        return std::unexpected(Error{Errc::corrupt, file.string() + " is not what it should be"});
    return *number;
}

/// A limit on one level: absent where it is "max", an error where it cannot be read.
Result<std::optional<double>> read_limit(const fs::path& file) {
    const auto text = read_text(file);
    if (!text) return std::unexpected(text.error());
    if (text->starts_with("max")) return std::optional<double>();
    const auto number = leading_number(*text);
    if (!number)
        return std::unexpected(Error{Errc::corrupt, file.string() + " is not what it should be"});
    if (*number >= kV1Unlimited) return std::optional<double>();
    return std::optional(static_cast<double>(*number));
}

/// "<quota or max> <period>" of version 2.
Result<std::optional<double>> read_cpu_max(const fs::path& level) {
    const auto text = read_text(level / "cpu.max");
    if (!text) return std::unexpected(text.error());
    if (text->starts_with("max")) return std::optional<double>();
    const auto quota = leading_number(*text);
    const auto period =
        leading_number(text->substr(std::min(text->find(' '), text->size() - 1) + 1));
    if (!quota || !period || *period == 0)
        return std::unexpected(Error{Errc::corrupt, (level / "cpu.max").string()});
    return std::optional(static_cast<double>(*quota) / static_cast<double>(*period));
}

Result<std::optional<double>> read_cfs_quota(const fs::path& level) {
    const auto quota = read_text(level / "cpu.cfs_quota_us");
    if (!quota) return std::unexpected(quota.error());
    if (quota->starts_with("-")) return std::optional<double>();
    const auto number = leading_number(*quota);
    const auto period = read_number(level / "cpu.cfs_period_us");
    if (!number || !period || *period == 0)
        return std::unexpected(Error{Errc::corrupt, (level / "cpu.cfs_quota_us").string()});
    return std::optional(static_cast<double>(*number) / static_cast<double>(*period));
}

/// The level with the smallest limit: `tightest` is the level's index, and stays 0 without any.
template <typename Read>
CgroupLimit tightest_of(const std::vector<fs::path>& levels, const std::string& why_absent,
                        Read read, std::size_t& tightest) {
    CgroupLimit limit;
    if (levels.empty()) {
        limit.why_absent = why_absent;
        return limit;
    }
    bool any = false;
    for (std::size_t i = 0; i < levels.size(); ++i) {
        const Result<std::optional<double>> level = read(levels[i]);
        if (!level) {
            if (limit.why_absent.empty()) limit.why_absent = level.error().message;
            continue;
        }
        any = true;
        if (*level && (!limit.value || **level < *limit.value)) {
            limit.value = **level;
            tightest = i;
        }
    }
    if (any && !limit.value) {
        limit.unlimited = true;
        limit.why_absent = "no limit";
    }
    if (limit.value) limit.why_absent.clear();
    return limit;
}

}  // namespace

void Cgroup::read_memory_limits() {
    std::size_t tightest = 0;
    const char* const limit = where_.memory.v2 ? "memory.max" : "memory.limit_in_bytes";
    limits_.memory_max_bytes = tightest_of(
        where_.memory.directories, where_.memory.why_absent,
        [&](const fs::path& level) { return read_limit(level / limit); }, tightest);
    if (where_.memory.directories.empty()) {
        limits_.memory_high_bytes.why_absent = where_.memory.why_absent;
        return;
    }
    memory_current_ = where_.memory.directories[tightest] /
                      (where_.memory.v2 ? "memory.current" : "memory.usage_in_bytes");
    if (!where_.memory.v2) {
        limits_.memory_high_bytes.why_absent = "cgroup v1 has none";
        return;
    }
    std::size_t tightest_high = 0;
    limits_.memory_high_bytes = tightest_of(
        where_.memory.directories, where_.memory.why_absent,
        [](const fs::path& level) { return read_limit(level / "memory.high"); }, tightest_high);
    if (!limits_.memory_max_bytes.value && limits_.memory_high_bytes.value)
        memory_current_ = where_.memory.directories[tightest_high] / "memory.current";
}

void Cgroup::read_cpu_limits() {
    std::size_t tightest = 0;
    const auto read = [&](const fs::path& level) {
        auto limit = where_.cpu.v2 ? read_cpu_max(level) : read_cfs_quota(level);
        if (limit && *limit) cpu_limited_.push_back(level);
        return limit;
    };
    limits_.cpu_max_cores =
        tightest_of(where_.cpu.directories, where_.cpu.why_absent, read, tightest);
}

void Cgroup::read_pids_limit() {
    std::size_t tightest = 0;
    limits_.pids_max = tightest_of(
        where_.pids.directories, where_.pids.why_absent,
        [](const fs::path& level) { return read_limit(level / "pids.max"); }, tightest);
    if (!where_.pids.directories.empty())
        pids_current_ = where_.pids.directories[tightest] / "pids.current";
}

Result<CgroupThrottling> Cgroup::read_throttling() const {
    if (cpu_limited_.empty())
        return std::unexpected(Error{Errc::not_found, limits_.cpu_max_cores.why_absent});
    CgroupThrottling sum;
    for (const auto& level : cpu_limited_) {
        const auto stat = read_text(level / "cpu.stat");
        if (!stat) return std::unexpected(stat.error());
        const auto periods = labelled_number(*stat, "nr_throttled");
        const auto stopped =
            labelled_number(*stat, where_.cpu.v2 ? "throttled_usec" : "throttled_time");
        if (!periods || !stopped)
            return std::unexpected(Error{Errc::corrupt, (level / "cpu.stat").string()});
        sum.periods += *periods;
        sum.stopped += Duration(static_cast<std::int64_t>(*stopped * (where_.cpu.v2 ? 1'000 : 1)));
    }
    return sum;
}

Result<std::uint64_t> Cgroup::read_limit_hits() const {
    if (memory_current_.empty())
        return std::unexpected(Error{Errc::unsupported, where_.memory.why_absent});
    const auto level = memory_current_.parent_path();
    if (!where_.memory.v2) return read_number(level / "memory.failcnt");
    const auto events = read_text(level / "memory.events");
    if (!events) return std::unexpected(events.error());
    const auto high = labelled_number(*events, "high");
    const auto max = labelled_number(*events, "max");
    if (!high || !max)
        return std::unexpected(Error{Errc::corrupt, (level / "memory.events").string()});
    return *high + *max;
}

Result<Pressure> Cgroup::read_pressure_of(const char* file) const {
    if (where_.v2.empty())
        return std::unexpected(Error{Errc::unsupported, "only cgroup v2 has pressure"});
    auto pressure = read_pressure(where_.v2 / file);
    if (!pressure && pressure.error().code == Errc::unsupported)
        pressure.error().message = no_such_file(where_.v2 / file);
    return pressure;
}

CgroupReading Cgroup::read() const {
    const auto number = [](const fs::path& file, const CgroupLevels& levels) {
        if (file.empty())
            return Result<std::uint64_t>(
                std::unexpected(Error{Errc::unsupported, levels.why_absent}));
        return read_number(file);
    };
    return {.memory_bytes = number(memory_current_, where_.memory),
            .pids = number(pids_current_, where_.pids),
            .limit_hits = read_limit_hits(),
            .throttling = read_throttling(),
            .cpu = read_pressure_of("cpu.pressure"),
            .memory = read_pressure_of("memory.pressure"),
            .io = read_pressure_of("io.pressure")};
}

Result<Cgroup> Cgroup::find(pid_t pid, const fs::path& root) {
    auto where = find_cgroup(pid, root);
    if (!where) return std::unexpected(where.error());
    Cgroup cgroup(*std::move(where));
    cgroup.read_memory_limits();
    cgroup.read_cpu_limits();
    cgroup.read_pids_limit();
    return cgroup;
}

}  // namespace crucible::lab
