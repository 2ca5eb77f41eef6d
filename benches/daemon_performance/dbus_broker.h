#pragma once

#include <filesystem>
#include <memory>

#include "daemon_performance/batched_socket.h"
#include "support/server_process.h"

namespace crucible::bench::dbus {

/// A private bus of dbus-broker. Its launcher wants systemd; the broker itself takes its sockets
/// and its policy from whoever holds its controller connection, which is the bench here.
class Broker {
public:
    /// - Errc::unsupported: it is not installed. - what starting it says.
    static Result<Broker> start();

    std::filesystem::path socket() const;

private:
    Broker(ServerProcess process, std::unique_ptr<BatchedSocket> controller)
        : process_(std::move(process)), controller_(std::move(controller)) {}

    ServerProcess process_;
    std::unique_ptr<BatchedSocket> controller_;  ///< the broker ends with it
};

}  // namespace crucible::bench::dbus
