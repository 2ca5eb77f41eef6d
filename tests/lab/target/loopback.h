#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"

namespace crucible::lab {

/// A loopback socket that listens on a port of its own, and accepts nothing unless told to.
class Listener {
public:
    Listener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* any = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(socket_.get(), any, size), 0);
        EXPECT_EQ(::listen(socket_.get(), 64), 0);
        EXPECT_EQ(::getsockname(socket_.get(), any, &size), 0);
        port_ = ntohs(address.sin_port);
    }
    std::uint16_t port() const noexcept { return port_; }
    int descriptor() const noexcept { return socket_.get(); }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

private:
    base::UniqueFd socket_;
    std::uint16_t port_ = 0;
};

/// Whether somebody listens on a port of this machine.
inline bool answers(std::uint16_t port) {
    const base::UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

/// Starts a server and returns once it listens on `port`: the only sign that it does is that it
/// does.
inline base::Process start_server(const base::Process::Options& options, std::uint16_t port,
                                  const std::string& log_file) {
    auto process = base::Process::start(options);
    EXPECT_TRUE(process) << process.error().message;
    while (!answers(port)) {
        if (process->poll()) {
            ADD_FAILURE() << options.arguments[0]
                          << " ended: " << base::read_file(log_file).value_or("");
            break;
        }
        base::SteadyClock().sleep_until(base::monotonic_now() + std::chrono::milliseconds(2));
    }
    return *std::move(process);
}

}  // namespace crucible::lab
