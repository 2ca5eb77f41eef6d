#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "crucible/service.h"
#include "crucible/time.h"

namespace crucible::runtime {

/// One event on its way to several instances: it ends with the last of them, as the worst.
struct JointDelivery {
    /// The first copy that failed for good. The event has one dead letter, once all have ended:
    /// with one for each copy, or an early one, a replay would bring it to a service twice.
    struct Failure {
        std::uint32_t attempts = 0;
        WallTime first{};
        WallTime last{};
    };

    std::mutex mutex;
    std::size_t left = 0;  ///< copies that have not ended
    HandleResult result;
    std::optional<Failure> failure;

    /// A copy is about to end as failed.
    void note(const Failure& failed);

    /// Takes the end of one copy in; true when it was the last, with the whole end in `result`.
    bool join(HandleResult& copy);
};

}  // namespace crucible::runtime
