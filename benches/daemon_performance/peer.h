#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "crucible/error.h"

namespace crucible::bench {

/// One application that publishes to a peer, with connections of its own. Driven by the leanest
/// client that the protocol allows, which sends in batches as ours does, so that no adapter makes a
/// peer slow. Used by one thread.
class Publisher {
public:
    virtual ~Publisher() = default;

    /// Publishes one event without waiting for it; it may leave later, together with others. False
    /// once the connection is lost.
    virtual bool publish() = 0;
    /// Sends what publish() left behind. False once the connection is lost.
    virtual bool flush() = 0;
    /// Events acknowledged so far, in the sense of PeerInfo::confirms.
    virtual std::uint64_t acknowledged() const = 0;
    /// Waits until more than `so_many` are. False when the connection is lost, events were refused,
    /// or nothing comes for 20 s.
    virtual bool await_acknowledged(std::uint64_t so_many) = 0;
    /// Publishes one and waits until it is acknowledged. Nothing else may be under way.
    virtual bool round_trip() = 0;
};

/// A system that takes events and says which it has dealt with: the daemon, and what one would use
/// in its place.
class Peer {
public:
    virtual ~Peer() = default;

    /// Starts the server, and the receiver where all publishers share one.
    /// - Errc::unsupported: it is not installed; the message names Debian's package. - the errors
    /// of starting it.
    virtual Result<> start() = 0;
    /// A publisher whose events have payloads of that size (at least 64). The peer outlives it.
    virtual Result<std::unique_ptr<Publisher>> connect(std::size_t payload_bytes) = 0;
};

/// What the bench knows of a peer before it is started.
struct PeerInfo {
    std::string_view name;
    std::string_view does;  ///< how it is driven, in a few words
    /// What an event has behind it when it counts as acknowledged.
    std::string_view confirms;
    std::unique_ptr<Peer> (*make)();
};

/// All peers; the first is what the others are compared with.
std::span<const PeerInfo> peers();

std::unique_ptr<Peer> make_crucibled_peer();         ///< --work none
std::unique_ptr<Peer> make_crucibled_memory_peer();  ///< the same, in shared memory
std::unique_ptr<Peer> make_crucibled_ids_peer();     ///< --work none, each event with an id
std::unique_ptr<Peer> make_crucibled_rows_peer();    ///< --work real: rows in SQLite
std::unique_ptr<Peer> make_socket_alone_peer();
std::unique_ptr<Peer> make_nats_core_peer();
std::unique_ptr<Peer> make_nats_request_peer();
std::unique_ptr<Peer> make_jetstream_peer();
std::unique_ptr<Peer> make_redis_pubsub_peer();
std::unique_ptr<Peer> make_redis_stream_peer();
std::unique_ptr<Peer> make_mosquitto_peer();
std::unique_ptr<Peer> make_zeromq_push_peer();
std::unique_ptr<Peer> make_zeromq_request_peer();
std::unique_ptr<Peer> make_dbus_peer();

}  // namespace crucible::bench
