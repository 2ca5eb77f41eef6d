#include "lab/record/limit_use.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <sstream>
#include <system_error>

#include "base/file.h"
#include "lab/record/cgroup.h"
#include "lab/record/proc_text.h"
#include "lab/record/process_probe.h"

namespace crucible::lab {
namespace {

namespace fs = std::filesystem;

struct SoftLimit {
    std::optional<double> value;  ///< absent: unlimited, or not to be read
    std::string why_absent;
};

/// Of "Max open files            1024                 4096                 files" the soft one.
SoftLimit soft_limit(const std::string& limits, std::string_view label) {
    const auto at = limits.find(label);
    if (at == std::string::npos) return {{}, "cannot be read"};
    std::string_view rest(limits);
    rest.remove_prefix(at + label.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (rest.starts_with("unlimited")) return {{}, "no limit"};
    const auto number = leading_number(rest);
    if (!number) return {{}, "cannot be read"};
    return {static_cast<double>(*number), {}};
}

std::optional<double> file_number(const fs::path& file, std::string_view label = {}) {
    const auto text = base::read_file(file);
    if (!text) return std::nullopt;
    const auto number = label.empty() ? leading_number(*text) : labelled_number(*text, label);
    if (!number) return std::nullopt;
    return static_cast<double>(*number);
}

/// The one that is nearest to its limit; the first where none has both.
void keep_nearest(std::optional<LimitUse>& kept, LimitUse use) {
    if (!kept || use.share().value_or(-1) > kept->share().value_or(-1)) kept = std::move(use);
}

constexpr double kBytesPerKiB = 1024;

class LimitReader {
public:
    LimitReader(std::span<const pid_t> pids, const fs::path& root) : pids_(pids), root_(root) {}

    std::vector<LimitUse> read(const std::optional<fs::path>& data) {
        for (const pid_t pid : pids_) read_process(pid);
        for (auto* kept : {&descriptors_, &address_space_, &cgroup_memory_, &cgroup_pids_})
            if (*kept) all_.push_back(*std::move(*kept));
        if (any_process_) read_user_threads();
        read_machine_threads();
        read_machine_memory();
        read_socket_buffers();
        read_disk(data);
        return std::move(all_);
    }

private:
    void read_process(pid_t pid) {
        const auto directory = root_ / "proc" / std::to_string(pid);
        const auto limits = base::read_file(directory / "limits");
        const auto status = base::read_file(directory / "status");
        if (!limits || !status) return;
        any_process_ = true;
        read_descriptors(pid, *limits);
        const auto space = soft_limit(*limits, "Max address space");
        const auto size = labelled_number(*status, "VmSize:");
        keep_nearest(
            address_space_,
            {"memory", "RLIMIT_AS", fmt::format("pid {}", pid), "B",
             size ? std::optional(static_cast<double>(*size) * kBytesPerKiB) : std::nullopt,
             space.value, space.why_absent});
        if (const auto user = labelled_number(*status, "Uid:")) {
            const auto processes = soft_limit(*limits, "Max processes");
            user_limits_.try_emplace(static_cast<std::uint64_t>(*user), processes);
        }
        read_cgroup(pid);
    }

    void read_descriptors(pid_t pid, const std::string& limits) {
        const auto files = soft_limit(limits, "Max open files");
        LimitUse use{"descriptors", "RLIMIT_NOFILE", fmt::format("pid {}", pid), "1", {},
                     files.value,   files.why_absent};
        ProcessReading reading;
        if (auto probe = ProcessProbe::open(pid, root_);
            probe && probe->read_descriptors(reading)) {
            use.used = static_cast<double>(*reading.descriptors);
        } else {
            use.why_absent = "its descriptors cannot be read";
        }
        keep_nearest(descriptors_, std::move(use));
    }

    void read_cgroup(pid_t pid) {
        const auto cgroup = Cgroup::find(pid, root_);
        if (!cgroup) return;
        const auto reading = cgroup->read();
        const auto used = [](const Result<std::uint64_t>& value) {
            return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
        };
        const auto& limits = cgroup->limits();
        const auto& name = cgroup->where().name;
        keep_nearest(cgroup_memory_,
                     {"memory", "memory.max", "cgroup " + name, "B", used(reading.memory_bytes),
                      limits.memory_max_bytes.value, limits.memory_max_bytes.why_absent});
        keep_nearest(cgroup_pids_,
                     {"threads", "pids.max", "cgroup " + name, "1", used(reading.pids),
                      limits.pids_max.value, limits.pids_max.why_absent});
    }

    /// RLIMIT_NPROC counts all threads of the user, whoever started them.
    void read_user_threads() {
        std::map<std::uint64_t, double> threads;
        std::error_code status;
        for (const auto& entry : fs::directory_iterator(root_ / "proc", status)) {
            if (!leading_number(entry.path().filename().string())) continue;
            const auto text = base::read_file(entry.path() / "status");
            if (!text) continue;
            const auto user = labelled_number(*text, "Uid:");
            const auto count = labelled_number(*text, "Threads:");
            if (user && count) threads[*user] += static_cast<double>(*count);
        }
        for (const auto& [user, limit] : user_limits_) {
            LimitUse use{
                "threads",   "RLIMIT_NPROC",  fmt::format("user {}", user), "1", threads[user],
                limit.value, limit.why_absent};
            // The kernel does not hold it against who may do everything.
            if (user == 0) {
                use.limit.reset();
                use.why_absent = "does not bind root";
            }
            all_.push_back(std::move(use));
        }
    }

    void read_machine_threads() {
        LimitUse use{"threads",
                     "threads-max",
                     "the machine",
                     "1",
                     {},
                     file_number(root_ / "proc/sys/kernel/threads-max"),
                     {}};
        // "0.20 0.18 0.12 1/80 11206": running / all.
        if (const auto text = base::read_file(root_ / "proc/loadavg")) {
            const auto slash = text->find('/');
            if (slash != std::string::npos) {
                if (const auto all = leading_number(std::string_view(*text).substr(slash + 1)))
                    use.used = static_cast<double>(*all);
            }
        }
        if (!use.used || !use.limit) use.why_absent = "cannot be read";
        all_.push_back(std::move(use));
    }

    void read_machine_memory() {
        const auto file = root_ / "proc/meminfo";
        const auto total = file_number(file, "MemTotal:");
        const auto available = file_number(file, "MemAvailable:");
        LimitUse use{"memory", "MemAvailable", "the machine", "B", {}, {}, {}};
        if (total && available) {
            use.used = (*total - *available) * kBytesPerKiB;
            use.limit = *total * kBytesPerKiB;
        } else {
            use.why_absent = "cannot be read";
        }
        all_.push_back(std::move(use));
    }

    /// Of TCP together: tcp_mem's third number, in pages. What Unix sockets hold the kernel counts
    /// for each alone.
    void read_socket_buffers() {
        LimitUse use{"socket_buffers", "tcp_mem", "the machine", "B", {}, {}, "cannot be read"};
        const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
        const auto in_use = base::read_file(root_ / "proc/net/sockstat");
        std::istringstream limits(
            base::read_file(root_ / "proc/sys/net/ipv4/tcp_mem").value_or(std::string()));
        double low = 0;
        double pressure = 0;
        double high = 0;
        if (limits >> low >> pressure >> high) use.limit = high * page;
        if (in_use) {
            // "TCP: inuse 4 orphan 0 tw 0 alloc 6 mem 1"
            const auto line = in_use->find("TCP:");
            const auto mem = line == std::string::npos ? line : in_use->find(" mem ", line);
            if (mem != std::string::npos) {
                if (const auto pages = leading_number(std::string_view(*in_use).substr(mem + 5)))
                    use.used = static_cast<double>(*pages) * page;
            }
        }
        if (use.used && use.limit) use.why_absent.clear();
        all_.push_back(std::move(use));
    }

    void read_disk(const std::optional<fs::path>& data) {
        LimitUse use{"disk", "free space", {}, "B", {}, {}, {}};
        if (!data) {
            use.why_absent = "the system has no data directory of its own";
            all_.push_back(std::move(use));
            return;
        }
        use.whose = "file system of " + data->string();
        struct statvfs room {};
        if (::statvfs(data->c_str(), &room) != 0) {
            use.why_absent = std::error_code(errno, std::generic_category()).message();
        } else {
            // What is kept for root is no room.
            const auto block = static_cast<double>(room.f_frsize);
            const auto used = static_cast<double>(room.f_blocks - room.f_bfree);
            use.used = used * block;
            use.limit = (used + static_cast<double>(room.f_bavail)) * block;
        }
        all_.push_back(std::move(use));
    }

    std::span<const pid_t> pids_;
    fs::path root_;
    bool any_process_ = false;
    std::optional<LimitUse> descriptors_;
    std::optional<LimitUse> address_space_;
    std::optional<LimitUse> cgroup_memory_;
    std::optional<LimitUse> cgroup_pids_;
    std::map<std::uint64_t, SoftLimit> user_limits_;
    std::vector<LimitUse> all_;
};

}  // namespace

std::optional<double> LimitUse::share() const {
    if (!used || !limit || *limit <= 0) return std::nullopt;
    return *used / *limit;
}

std::vector<LimitUse> read_limits(std::span<const pid_t> pids,
                                  const std::optional<fs::path>& data_directory,
                                  const fs::path& root) {
    return LimitReader(pids, root).read(data_directory);
}

}  // namespace crucible::lab
