#include <optional>

#include "daemon_performance/daemon_publisher.h"
#include "daemon_performance/peer.h"
#include "support/crucibled_process.h"
#include "support/publisher_events.h"

namespace crucible::bench {
namespace {

using MakeEvents = NextEvent (*)(std::uint32_t publisher, std::size_t payload_bytes);

class CrucibledPeer final : public Peer {
public:
    CrucibledPeer(std::string_view work, MakeEvents events, bool shared_memory = false)
        : work_(work), events_(events), shared_memory_(shared_memory) {}

    Result<> start() override {
        auto daemon = start_crucibled({.work = work_});
        if (!daemon) return std::unexpected(daemon.error());
        daemon_.emplace(*std::move(daemon));
        return {};
    }

    Result<std::unique_ptr<Publisher>> connect(std::size_t payload_bytes) override {
        return DaemonPublisher::connect(crucibled_socket(*daemon_),
                                        events_(++publishers_, payload_bytes), shared_memory_);
    }

private:
    std::string_view work_;
    MakeEvents events_;
    bool shared_memory_;
    std::optional<ServerProcess> daemon_;
    std::uint32_t publishers_ = 0;
};

}  // namespace

std::unique_ptr<Peer> make_crucibled_peer() {
    return std::make_unique<CrucibledPeer>("none", metrics);
}
std::unique_ptr<Peer> make_crucibled_memory_peer() {
    return std::make_unique<CrucibledPeer>("none", metrics, /*shared_memory=*/true);
}
std::unique_ptr<Peer> make_crucibled_ids_peer() {
    return std::make_unique<CrucibledPeer>("none", metrics_with_ids);
}
std::unique_ptr<Peer> make_crucibled_rows_peer() {
    return std::make_unique<CrucibledPeer>("real", records);
}

}  // namespace crucible::bench
