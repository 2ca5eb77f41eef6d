#include "support/idle_connections.h"

#include <fmt/format.h>

#include <chrono>

#include "runtime/daemon/connect.h"
#include "support/crucibled_process.h"
#include "support/resident_growth.h"

namespace crucible::bench {
namespace {

constexpr Duration kIdleConnectLimit = std::chrono::seconds(5);

}  // namespace

Result<std::vector<double>> idle_memory(pid_t pid, std::size_t connections,
                                        const IdleConnect& connect) {
    std::vector<std::shared_ptr<void>> open;
    const auto found = resident_growth(pid, connections, [&](std::size_t count) -> Result<> {
        while (open.size() < count) {
            auto connected = connect(open.size());
            if (!connected) return std::unexpected(connected.error());
            open.push_back(*std::move(connected));
        }
        return {};
    });
    if (!found) return std::unexpected(found.error());
    return std::vector{found->at_first, found->each};
}

Result<std::vector<double>> crucibled_idle(std::size_t connections) {
    // This process is one client; it has waited for the daemon with one more.
    const auto daemon = start_crucibled(
        {.config = fmt::format("[clients]\nmax_per_client = {}\n", connections + 1)});
    if (!daemon) return std::unexpected(daemon.error());
    return idle_memory(
        daemon->pid(), connections, [&](std::size_t) -> Result<std::shared_ptr<void>> {
            auto connected = runtime::connect_to_daemon(
                {.socket = crucibled_socket(*daemon), .connect_limit = kIdleConnectLimit});
            if (!connected) return std::unexpected(connected.error());
            return std::shared_ptr<void>(std::move(connected->transport));
        });
}

}  // namespace crucible::bench
