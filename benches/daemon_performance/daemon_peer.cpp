#include <thread>

#include "crucible/daemon_client.h"
#include "daemon_performance/peer.h"
#include "lab/target/system.h"

namespace crucible::bench {
namespace {

/// crucibled without work, over its socket, with the client library as applications use it: one
/// publish() for each event.
class DaemonPeer final : public Peer {
public:
    ~DaemonPeer() override { DaemonPeer::stop(); }
    std::string_view name() const noexcept override { return "crucibled"; }
    std::string_view acknowledged_means() const noexcept override {
        return "routed, and acknowledged unseen: not decoded, not delivered";
    }

    Result<> start(std::size_t payload_bytes) override {
        const auto url = lab::parse_target("daemon:?work=none");
        if (!url) return std::unexpected(url.error());
        auto system = lab::start_system(*url, {});
        if (!system) return std::unexpected(system.error());
        system_ = *std::move(system);
        const std::string endpoint = system_->endpoint();
        auto client = DaemonClient::connect(
            {.socket = endpoint.substr(endpoint.find(':') + 1)},
            [this](std::span<const Acknowledgement> batch) { add_acknowledged(batch.size()); });
        if (!client) return std::unexpected(client.error());
        client_ = *std::move(client);
        event_.category = Category::system;
        event_.type = "metric.recorded";
        event_.source = "publisher-1";
        event_.payload.assign(payload_bytes, 'x');
        return {};
    }

    bool publish() override {
        for (;;) {
            const auto published = client_->publish(event_, next_);
            if (published) {
                ++next_;
                return true;
            }
            if (published.error().code != Errc::overloaded) return false;
            std::this_thread::yield();
        }
    }

    void flush() override {}

    bool round_trip() override {
        const auto before = acknowledged();
        if (!publish()) return false;
        return await_acknowledged(before);
    }

    void stop() override {
        client_.reset();
        system_.reset();
    }

private:
    std::unique_ptr<lab::System> system_;
    Event event_;
    std::uint64_t next_ = 0;
    std::unique_ptr<DaemonClient> client_;
};

}  // namespace

std::unique_ptr<Peer> make_daemon_peer() {
    return std::make_unique<DaemonPeer>();
}

}  // namespace crucible::bench
