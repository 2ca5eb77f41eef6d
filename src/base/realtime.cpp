#include "base/realtime.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <utility>

namespace crucible::base {
namespace {

// A 32-bit number of microseconds in the machine's byte order, both ways
// (Documentation/power/pm_qos_interface.rst). Without any limit the kernel says 2,000 s.
using Microseconds = std::int32_t;
constexpr Microseconds kNoLimit = 2'000'000'000;

}  // namespace

Result<KeptAwake> KeptAwake::begin(const std::filesystem::path& file) {
    UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return std::unexpected(errno_error(file.string(), errno));
    constexpr Microseconds kNone = 0;
    if (::write(fd.get(), &kNone, sizeof kNone) != sizeof kNone)
        return std::unexpected(errno_error(file.string(), errno));
    return KeptAwake(std::move(fd));
}

Result<> set_realtime_priority() {
    const sched_param lowest{.sched_priority = ::sched_get_priority_min(SCHED_FIFO)};
    if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest) == 0) return {};
    return std::unexpected(errno_error("real-time priority", errno));
}

std::optional<Duration> idle_latency_limit(const std::filesystem::path& file) {
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    Microseconds limit = 0;
    if (!fd || ::read(fd.get(), &limit, sizeof limit) != sizeof limit || limit >= kNoLimit)
        return std::nullopt;
    return std::chrono::microseconds(limit);
}

}  // namespace crucible::base
