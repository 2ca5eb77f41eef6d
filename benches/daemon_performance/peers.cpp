#include <array>

#include "daemon_performance/peer.h"

namespace crucible::bench {

std::span<const PeerInfo> peers() {
    static constexpr std::array all{
        PeerInfo{"crucibled", "publish over its Unix socket, work=none",
                 "routed to a service that acknowledges unseen; the publisher is told",
                 make_crucibled_peer},
        PeerInfo{"crucibled memory", "the same, through shared memory instead of the socket",
                 "routed to a service that acknowledges unseen; the publisher is told",
                 make_crucibled_memory_peer},
        PeerInfo{"crucibled ids", "as the first, each event with an id of its own",
                 "as the first; its id was looked up among those seen before",
                 make_crucibled_ids_peer},
        PeerInfo{"crucibled rows", "work=real: each event a row in SQLite",
                 "a row in SQLite, committed; the publisher is told", make_crucibled_rows_peer},
        PeerInfo{"socket alone", "a Unix socket with nothing behind it: the machine's limit",
                 "received by a thread that looks at none of it and counts",
                 make_socket_alone_peer},
        PeerInfo{"nats core", "publish and subscribe, TCP",
                 "received by the subscriber; the publisher is not told", make_nats_core_peer},
        PeerInfo{"nats request", "request and reply, TCP",
                 "received by a responder, whose answer reached the publisher",
                 make_nats_request_peer},
        PeerInfo{"nats jetstream", "a stream on disk and a consumer, TCP",
                 "stored in a file stream and the publisher told; received by a consumer, who "
                 "acknowledged it",
                 make_jetstream_peer},
        PeerInfo{"redis pub/sub", "publish and subscribe, TCP",
                 "received by the subscriber; the publisher is not told", make_redis_pubsub_peer},
        PeerInfo{
            "redis stream", "XADD, XREADGROUP, XACK, TCP",
            "read by a group's consumer, whose acknowledgement the server confirmed; in memory",
            make_redis_stream_peer},
        PeerInfo{"mosquitto qos1", "MQTT 3.1.1, quality of service 1, TCP",
                 "taken by the broker and the publisher told; received by the subscriber, who "
                 "acknowledged it; in memory",
                 make_mosquitto_peer},
        PeerInfo{"zeromq push", "PUSH, proxy, PULL; Unix sockets",
                 "received by the receiver behind a proxy process; the publisher is not told",
                 make_zeromq_push_peer},
        PeerInfo{"zeromq request", "DEALER, proxy, answer; Unix sockets",
                 "received by the receiver behind a proxy process, whose answer reached the "
                 "publisher",
                 make_zeromq_request_peer},
        PeerInfo{"dbus-broker", "method call and reply, Unix socket",
                 "a method call, whose reply reached the publisher", make_dbus_peer},
    };
    return all;
}

}  // namespace crucible::bench
