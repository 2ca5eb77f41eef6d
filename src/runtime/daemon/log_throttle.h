#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "crucible/time.h"

namespace crucible::runtime {

/// For lines that strangers can cause at will: one in kInterval.
class LogThrottle {
public:
    static constexpr Duration kInterval = std::chrono::seconds(1);

    /// When a line may be written, how many were left out before it.
    std::optional<std::uint64_t> next(TimePoint now) noexcept {
        if (last_ && now - *last_ < kInterval) {
            ++left_out_;
            return std::nullopt;
        }
        last_ = now;
        return std::exchange(left_out_, 0);
    }

private:
    std::optional<TimePoint> last_;
    std::uint64_t left_out_ = 0;
};

}  // namespace crucible::runtime
