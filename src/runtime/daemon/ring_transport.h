#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "crucible/error.h"
#include "runtime/daemon/transport.h"

namespace crucible::runtime {

// A stream through two rings of bytes in shared memory, one for each direction. It begins on a Unix
// socket, with the greetings; the daemon's carries the memory. From then on what comes over the
// socket are bells, whose values mean nothing, and its end is the stream's.

/// The daemon's part: makes the rings, of `ring_bytes` each, sends `welcome` with them through
/// `transport`, and puts the stream through the rings in its place. `transport` stays as it was
/// with an error. - Errc::unsupported: it is no Unix socket. - Errc::io: no memory, or it could not
/// be sent.
Result<> share_memory(std::unique_ptr<Transport>& transport, std::size_t ring_bytes,
                      std::span<const std::byte> welcome);

/// The client's part: `socket` as before, until the daemon's first `welcome_bytes` bring the
/// memory; established() from then on. A daemon that refuses is read to its end.
/// - Errc::invalid_argument: `socket` is no Unix socket.
Result<std::unique_ptr<Transport>> expect_shared_memory(std::unique_ptr<Transport> socket,
                                                        std::size_t welcome_bytes);

}  // namespace crucible::runtime
