#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/process.h"
#include "crucible/error.h"

namespace crucible::bench {

/// A server of others on a loopback port of its own, with a directory of its own.
class ServerProcess {
public:
    /// `arguments` of a directory and a port. Waits until it accepts connections.
    /// - Errc::not_found: the program is not installed. - Errc::failed, Errc::timeout: it did not
    /// come up.
    template <typename Arguments>
    static Result<ServerProcess> start(std::string_view label, Arguments arguments) {
        auto directory = base::TempDir::make(label);
        if (!directory) return std::unexpected(directory.error());
        const auto port = free_port();
        if (!port) return std::unexpected(port.error());
        return start(*std::move(directory), *port, arguments(directory->path().string(), *port));
    }

    std::uint16_t port() const noexcept { return port_; }

private:
    ServerProcess(base::TempDir directory, std::uint16_t port, base::Process process)
        : directory_(std::move(directory)), port_(port), process_(std::move(process)) {}
    static Result<ServerProcess> start(base::TempDir directory, std::uint16_t port,
                                       std::vector<std::string> arguments);
    static Result<std::uint16_t> free_port();

    base::TempDir directory_;
    std::uint16_t port_;
    base::Process process_;  // ends before its directory goes
};

/// Connects to a loopback port, without delay for small writes.
Result<base::UniqueFd> connect_loopback(std::uint16_t port);

}  // namespace crucible::bench
