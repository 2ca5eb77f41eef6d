#pragma once

#include <cstddef>
#include <cstdint>

#include "daemon_performance/daemon_publisher.h"

namespace crucible::bench {

/// Events of one publisher, each with that much payload (at least 64 bytes).

/// Always the same, without an id: nobody looks whether it was seen before.
DaemonPublisher::Next metrics(std::uint32_t publisher, std::size_t payload_bytes);
/// Each with an id of its own.
DaemonPublisher::Next metrics_with_ids(std::uint32_t publisher, std::size_t payload_bytes);
/// Records, each with an id and a key of its own, which the database's service can insert.
DaemonPublisher::Next records(std::uint32_t publisher, std::size_t payload_bytes);

}  // namespace crucible::bench
