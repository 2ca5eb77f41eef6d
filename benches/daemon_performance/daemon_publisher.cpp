#include "daemon_performance/daemon_publisher.h"

#include <thread>

namespace crucible::bench {

Result<std::unique_ptr<DaemonPublisher>> DaemonPublisher::connect(
    const std::filesystem::path& socket, NextEvent next, bool shared_memory) {
    std::unique_ptr<DaemonPublisher> publisher(new DaemonPublisher(std::move(next)));
    DaemonClientOptions options;
    options.socket = socket;
    options.shared_memory = shared_memory;
    auto client = DaemonClient::connect(
        options,
        [raw = publisher.get()](std::span<const Acknowledgement> batch) { raw->take(batch); });
    if (!client) return std::unexpected(client.error());
    publisher->client_ = *std::move(client);
    return publisher;
}

void DaemonPublisher::take(std::span<const Acknowledgement> batch) {
    for (const auto& acknowledgement : batch)
        if (acknowledgement.outcome != Outcome::handled) return handled_.end();
    handled_.add(batch.size());
}

bool DaemonPublisher::publish() {
    const Event& event = next_();
    for (;;) {
        const auto published = client_->publish(event, token_);
        if (published) {
            ++token_;
            return true;
        }
        if (published.error().code != Errc::overloaded) return false;
        std::this_thread::yield();
    }
}

bool DaemonPublisher::round_trip() {
    const auto before = acknowledged();
    return publish() && await_acknowledged(before);
}

}  // namespace crucible::bench
