#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "crucible/daemon_client.h"
#include "daemon_performance/counter.h"
#include "daemon_performance/peer.h"
#include "support/publisher_events.h"

namespace crucible::bench {

/// A publisher of the daemon with the client library as applications use it: one publish() for each
/// event. An event that ends otherwise than handled is none: it ends the measurement.
class DaemonPublisher final : public Publisher {
public:
    static Result<std::unique_ptr<DaemonPublisher>> connect(const std::filesystem::path& socket,
                                                            NextEvent next,
                                                            bool shared_memory = false);

    bool publish() override;
    bool flush() override { return true; }
    std::uint64_t acknowledged() const override { return handled_.count(); }
    bool await_acknowledged(std::uint64_t so_many) override { return handled_.wait_above(so_many); }
    bool round_trip() override;

private:
    explicit DaemonPublisher(NextEvent next) : next_(std::move(next)) {}
    void take(std::span<const Acknowledgement> batch);

    NextEvent next_;
    std::uint64_t token_ = 0;
    Counter handled_;
    std::unique_ptr<DaemonClient> client_;  // last: its thread uses the above
};

}  // namespace crucible::bench
