#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>

#include "../dispatch/gated_service.h"
#include "acknowledgements.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "crucible/daemon_client.h"
#include "raw_service.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/server.h"
#include "runtime/event/uuid.h"

namespace crucible::runtime::testing {

/// A server in this process whose category `custom` is served by nobody but external services.
class ExternalTest : public ::testing::Test {
protected:
    ExternalTest() {
        options_.socket = socket_;
        options_.stop_limit = kGenerousLimit;
        options_.coordinator.services.data_directory = directory_.path() / "data";
        options_.coordinator.services.work = Work::none;
        options_.coordinator.retry = {.attempts_max = 4,
                                      .base = std::chrono::microseconds(1),
                                      .cap = std::chrono::microseconds(2)};
        // Nothing ends by itself unless a test says so.
        options_.external.timeout = std::chrono::hours(1);
        options_.external.grace = std::chrono::hours(1);
    }

    void start() {
        auto server = Server::open(options_);
        ASSERT_TRUE(server) << server.error().message;
        server_ = std::move(*server);
        thread_ = std::jthread([this] { ended_ = server_->run(); });
        client_ = connect();
    }
    Result<> stop() {
        server_->request_stop();
        thread_.join();
        return ended_;
    }
    void TearDown() override {
        client_.reset();
        if (thread_.joinable()) {
            EXPECT_TRUE(stop());
        }
    }

    std::unique_ptr<DaemonClient> connect() {
        auto client = DaemonClient::connect({.socket = socket_}, acknowledgements_.handler());
        EXPECT_TRUE(client) << client.error().message;
        return std::move(*client);
    }
    /// Payloads are "0", "1" and so on, from the first call on.
    void publish(std::size_t count, const std::string& source = "client-0") {
        for (std::size_t i = 0; i < count; ++i)
            publish(make_event(std::to_string(published_), Priority::normal, source));
    }
    void publish(Event event) {
        event.id = make_uuid_v7(base::wall_now(), random_);
        ASSERT_TRUE(client_->publish(event, published_++));
    }

    /// The daemon's answer about itself.
    nlohmann::json ask(const std::string& about) {
        const auto answer = ask_daemon({.socket = socket_, .connect_limit = kGenerousLimit},
                                       R"({"about":")" + about + R"("})");
        EXPECT_TRUE(answer) << answer.error().message;
        return answer ? nlohmann::json::parse(*answer) : nlohmann::json();
    }
    /// What it says of one service; null when it does not know it.
    nlohmann::json ask_service(const std::string& name) {
        const auto answer = ask("services");
        for (const auto& service : answer["services"])
            if (service["name"] == name) return service;
        return nullptr;
    }
    /// Asks until the daemon has noticed.
    void await_away(const std::string& name) {
        await([&] { return ask_service(name)["external"]["connected"] == false; });
    }
    /// Until so many events were given to that service and have not ended: clients send at leisure.
    void await_queued(const std::string& name, int count) {
        await([&] { return ask_service(name)["queued"] == count; });
    }
    template <typename Condition>
    static void await(Condition condition) {
        const TimePoint until = base::monotonic_now() + kGenerousLimit;
        while (!condition()) ASSERT_LT(base::monotonic_now(), until);
    }

    base::TempDir directory_ = *base::TempDir::make("external");
    std::filesystem::path socket_ = directory_.path() / "d.sock";
    ServerOptions options_;
    Acknowledgements acknowledgements_;
    base::Rng random_{1};
    std::uint64_t published_ = 0;
    std::unique_ptr<Server> server_;
    Result<> ended_;
    std::jthread thread_;
    std::unique_ptr<DaemonClient> client_;
};

}  // namespace crucible::runtime::testing
