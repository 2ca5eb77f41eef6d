#include "daemon_performance/socket_publisher.h"

#include <algorithm>

namespace crucible::bench {

SocketPublisher::~SocketPublisher() {
    // Their threads use the lanes.
    for (const auto& lane : lanes_) lane->socket->close();
}

void SocketPublisher::acknowledged_on(std::shared_ptr<BatchedSocket> socket, Take take) {
    auto lane = std::make_unique<Lane>();
    lane->socket = std::move(socket);
    lane->take = std::move(take);
    lanes_.push_back(std::move(lane));
}

std::size_t SocketPublisher::Lane::take_in(std::string_view bytes) {
    const Taken taken = take(*socket, bytes);
    acknowledged.add(taken.acknowledged);
    return taken.bytes;
}

bool SocketPublisher::publish() {
    if (!reading_) {
        reading_ = true;
        for (const auto& lane : lanes_) {
            lane->socket->read_in_thread(
                [lane = lane.get()](std::string_view bytes) { return lane->take_in(bytes); },
                [lane = lane.get()] { lane->acknowledged.end(); });
        }
    }
    return write_(*publishing_);
}

std::uint64_t SocketPublisher::acknowledged() const {
    std::uint64_t least = lanes_.front()->acknowledged.count();
    for (const auto& lane : lanes_) least = std::min(least, lane->acknowledged.count());
    return least;
}

bool SocketPublisher::await_acknowledged(std::uint64_t so_many) {
    return std::ranges::all_of(
        lanes_, [&](const auto& lane) { return lane->acknowledged.wait_above(so_many); });
}

bool SocketPublisher::round_trip() {
    const auto before = acknowledged();
    if (!write_(*publishing_) || !publishing_->flush()) return false;
    if (reading_) return await_acknowledged(before);
    for (const auto& lane : lanes_) {
        while (lane->acknowledged.count() <= before) {
            const auto bytes = lane->socket->read_some();
            if (bytes.empty()) return false;
            lane->socket->consume(lane->take_in(bytes));
        }
    }
    return true;
}

}  // namespace crucible::bench
