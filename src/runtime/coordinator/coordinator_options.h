#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/service/service_set.h"

namespace crucible::runtime {

/// Everything an embedded coordinator and the daemon have in common; equal defaults in both.
struct CoordinatorOptions {
    ServiceOptions services;
    std::uint32_t workers = 2;  ///< threads that run services, at least 1
    std::size_t queue_events_max =
        65'536;  ///< accepted and not ended; beyond it publish() is Errc::overloaded
    std::size_t queue_bytes_max = 256u << 20;
    std::uint32_t batch_max = 64;  ///< waiting events of one service handed over at once
};

}  // namespace crucible::runtime
