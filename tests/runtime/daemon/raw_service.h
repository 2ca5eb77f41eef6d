#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "raw_client.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/service_frame.h"

namespace crucible::runtime::testing {

/// A service that receives and settles frame by frame, as a test wants it.
class RawService {
public:
    struct Delivery {
        std::uint64_t number = 0;
        Event event;
    };

    explicit RawService(const std::filesystem::path& socket) : client_(socket) {
        EXPECT_TRUE(client_.greet());
    }

    void send_subscription(const std::string& name, std::uint32_t credits,
                           std::vector<Category> categories = {Category::custom}) {
        protocol::Buffer out;
        protocol::append_subscription(out, {name, std::move(categories), credits});
        EXPECT_TRUE(client_.send(out));
    }
    /// True when the daemon took it.
    bool subscribe(const std::string& name, std::uint32_t credits,
                   std::vector<Category> categories = {Category::custom}) {
        send_subscription(name, credits, std::move(categories));
        const auto answer = client_.receive();
        return answer && answer->header.kind == protocol::Kind::subscribed;
    }
    /// What the daemon says before it ends the session; empty for anything else.
    std::string refusal() {
        const auto answer = client_.receive();
        return answer && answer->header.kind == protocol::Kind::refuse ? answer->text() : "";
    }

    std::optional<Delivery> next() {
        const auto frame = client_.receive();
        if (!frame || frame->header.kind != protocol::Kind::deliver) return std::nullopt;
        Delivery delivery{.number = frame->header.token, .event = {}};
        const auto body = protocol::read_event(frame->body, names_);
        EXPECT_TRUE(body && protocol::decode_body(*body, delivery.event));
        return delivery;
    }
    std::vector<Delivery> next(std::size_t count) {
        std::vector<Delivery> deliveries;
        while (deliveries.size() < count) {
            auto delivery = next();
            if (!delivery) break;
            deliveries.push_back(std::move(*delivery));
        }
        EXPECT_EQ(deliveries.size(), count);
        return deliveries;
    }

    bool settle(std::uint64_t delivery, const HandleResult& result = {}) {
        protocol::Buffer out;
        protocol::SettlementWriter writer;
        writer.add(out, delivery, result);
        writer.finish(out);
        return client_.send(out);
    }
    bool send(protocol::Kind kind, std::uint64_t token = 0) {
        protocol::Buffer out;
        protocol::append_empty(out, kind, token);
        return client_.send(out);
    }
    RawClient& client() { return client_; }

private:
    RawClient client_;
    std::vector<std::string_view> names_;
};

inline std::vector<std::string> payloads(const std::vector<RawService::Delivery>& deliveries) {
    std::vector<std::string> all;
    for (const auto& delivery : deliveries) all.push_back(delivery.event.payload);
    return all;
}

inline std::vector<std::uint32_t> attempts(const std::vector<RawService::Delivery>& deliveries) {
    std::vector<std::uint32_t> all;
    for (const auto& delivery : deliveries) all.push_back(delivery.event.attempt);
    return all;
}

}  // namespace crucible::runtime::testing
