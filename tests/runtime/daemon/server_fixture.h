#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "../dispatch/gated_service.h"
#include "acknowledgements.h"
#include "base/clock.h"
#include "base/file.h"
#include "crucible/daemon_client.h"
#include "runtime/daemon/server.h"

namespace crucible::runtime::testing {

/// A server in this process over one gated service, so that a test decides when events end.
class ServerTest : public ::testing::Test {
protected:
    void start(CoordinatorOptions coordinator = {}, ClientLimits limits = {},
               ListenOptions listen = {}, std::string metrics = {}) {
        coordinator.services.data_directory = directory_.path() / "data";
        coordinator.services.work = Work::none;
        coordinator.retry.attempts_max = 1;
        auto services = ServiceSet::open(coordinator.services);
        ASSERT_TRUE(services) << services.error().message;
        auto gated = std::make_unique<GatedService>();
        service_ = gated.get();
        ASSERT_TRUE((*services)->add(std::move(gated)));
        auto server = Server::open({.socket = socket_,
                                    .listen = listen,
                                    .metrics = std::move(metrics),
                                    .clients = limits,
                                    .coordinator = coordinator,
                                    .stop_limit = kGenerousLimit},
                                   std::move(*services));
        ASSERT_TRUE(server) << server.error().message;
        server_ = std::move(*server);
        thread_ = std::jthread([this] { ended_ = server_->run(); });
    }
    /// Stops the server in order and gives what run() returned.
    Result<> stop() {
        server_->request_stop();
        thread_.join();
        return ended_;
    }
    void TearDown() override {
        if (service_ != nullptr) service_->open_gate();
        if (thread_.joinable()) {
            EXPECT_TRUE(stop());
        }
    }
    std::unique_ptr<DaemonClient> connect(std::size_t send_buffer_bytes_max = 64u << 20) {
        auto client = DaemonClient::connect(
            {.socket = socket_, .send_buffer_bytes_max = send_buffer_bytes_max},
            acknowledgements_.handler());
        EXPECT_TRUE(client) << client.error().message;
        return std::move(*client);
    }

    /// Until the server has closed so many for that reason.
    bool wait_for_closed(ClosedFor reason, std::uint64_t count) const {
        const TimePoint until = base::monotonic_now() + kGenerousLimit;
        while (base::monotonic_now() < until) {
            if (server_->clients().closed[static_cast<std::size_t>(reason)] >= count) return true;
            std::this_thread::yield();
        }
        return false;
    }

    base::TempDir directory_ = *base::TempDir::make("server");
    std::filesystem::path socket_ = directory_.path() / "d.sock";
    Acknowledgements acknowledgements_;
    GatedService* service_ = nullptr;
    std::unique_ptr<Server> server_;
    Result<> ended_;
    std::jthread thread_;
};

}  // namespace crucible::runtime::testing
