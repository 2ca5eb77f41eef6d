#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "crucible/event.h"

namespace crucible::bench {

/// The next event; valid until the next call.
using NextEvent = std::function<const Event&()>;

/// Events of one publisher, each with that much payload (at least 64 bytes).

/// Always the same, without an id: nobody looks whether it was seen before.
NextEvent metrics(std::uint32_t publisher, std::size_t payload_bytes);
/// Each with an id of its own.
NextEvent metrics_with_ids(std::uint32_t publisher, std::size_t payload_bytes);
/// Records, each with an id and a key of its own, which the database's service can insert.
NextEvent records(std::uint32_t publisher, std::size_t payload_bytes);

}  // namespace crucible::bench
