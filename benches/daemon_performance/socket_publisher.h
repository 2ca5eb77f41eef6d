#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "daemon_performance/batched_socket.h"
#include "daemon_performance/counter.h"
#include "daemon_performance/peer.h"

namespace crucible::bench {

/// A publisher of a broker, over sockets. Acknowledgements arrive on one connection or several; an
/// event is acknowledged once each of them has brought its part of it.
///
/// publish() reads them in threads, beside the publisher. round_trip() reads in the calling thread,
/// so that no switch between threads is part of what it takes, unless publish() was called before.
class SocketPublisher final : public Publisher {
public:
    /// What was made of the first bytes that arrived on a connection.
    struct Taken {
        std::size_t bytes = 0;
        std::uint64_t acknowledged = 0;
    };
    using Write = std::function<bool(BatchedSocket&)>;
    /// Takes whole messages off what has arrived, and answers them on that connection where the
    /// protocol wants it.
    using Take = std::function<Taken(BatchedSocket&, std::string_view)>;

    /// `write` puts one event on `publishing`.
    SocketPublisher(std::shared_ptr<BatchedSocket> publishing, Write write)
        : publishing_(std::move(publishing)), write_(std::move(write)) {}
    ~SocketPublisher() override;

    /// Acknowledgements arrive on `socket`, which may be the one for publishing.
    void acknowledged_on(std::shared_ptr<BatchedSocket> socket, Take take);

    bool publish() override;
    bool flush() override { return publishing_->flush(); }
    std::uint64_t acknowledged() const override;
    bool await_acknowledged(std::uint64_t so_many) override;
    bool round_trip() override;

private:
    struct Lane {
        std::shared_ptr<BatchedSocket> socket;
        Take take;
        Counter acknowledged;

        std::size_t take_in(std::string_view bytes);
    };

    std::shared_ptr<BatchedSocket> publishing_;
    Write write_;
    std::vector<std::unique_ptr<Lane>> lanes_;
    bool reading_ = false;
};

}  // namespace crucible::bench
