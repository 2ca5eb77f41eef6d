#include "lab/target/polled.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace crucible::lab {

using namespace std::chrono_literals;

Result<> PolledTarget::drain(Duration limit) {
    const TimePoint deadline = base::monotonic_now() + limit;
    while (outstanding() > 0) {
        if (auto gone = gone_error()) return std::unexpected(*std::move(gone));
        const TimePoint now = base::monotonic_now();
        if (now >= deadline) {
            return std::unexpected(Error{
                Errc::timeout, fmt::format("{} events were not acknowledged", outstanding())});
        }
        serve(std::min(deadline, now + 50ms));
    }
    return {};
}

std::optional<TimePoint> wait_ready(std::span<pollfd> descriptors, TimePoint until) {
    const auto wait = std::max(until - base::monotonic_now(), Duration::zero());
    const timespec limit{.tv_sec = wait / 1s, .tv_nsec = (wait % 1s) / 1ns};
    if (::ppoll(descriptors.data(), descriptors.size(), &limit, nullptr) <= 0) return std::nullopt;
    return base::monotonic_now();
}

}  // namespace crucible::lab
