#pragma once

#include <poll.h>

#include <cstddef>
#include <optional>
#include <span>

#include "lab/target/target.h"

namespace crucible::lab {

/// A target of sockets and pipes that the sender's thread serves.
class PolledTarget : public Target {
public:
    bool polled() const noexcept final { return true; }

    /// Serves until nothing is outstanding. - Errc::timeout; what gone_error() says.
    Result<> drain(Duration limit) final;

protected:
    /// Events sent and not ended.
    virtual std::size_t outstanding() const = 0;
    /// Why no more can come, once that is so.
    virtual std::optional<Error> gone_error() const = 0;
};

/// When one of them was found ready, waiting until `until` at most. Nothing where none was.
std::optional<TimePoint> wait_ready(std::span<pollfd> descriptors, TimePoint until);

}  // namespace crucible::lab
