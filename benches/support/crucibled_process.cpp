#include "support/crucibled_process.h"

#include <chrono>
#include <cstdlib>

#include "runtime/daemon/connect.h"

namespace crucible::bench {
namespace {

constexpr const char* kSocketName = "crucibled.sock";
constexpr const char* kDataName = "data";
constexpr Duration kWelcomeLimit = std::chrono::seconds(5);

}  // namespace

std::filesystem::path crucibled_program() {
    if (const char* given = std::getenv("CRUCIBLED"); given != nullptr && *given != '\0')
        return given;
    return base::self_executable().parent_path() / "crucibled";
}

std::filesystem::path crucibled_socket(const ServerProcess& daemon) {
    return daemon.directory() / kSocketName;
}

std::filesystem::path crucibled_data(const ServerProcess& daemon) {
    return daemon.directory() / kDataName;
}

Result<ServerProcess> start_crucibled(const CrucibledOptions& options) {
    auto directory = base::TempDir::make("daemon");
    if (!directory) return std::unexpected(directory.error());
    const auto socket = directory->path() / kSocketName;
    ServerProcess::Command command{.arguments = {crucibled_program(), "--socket", socket, "--data",
                                                 directory->path() / kDataName, "--work",
                                                 std::string(options.work), "--log-level",
                                                 "warning"}};
    if (!options.config.empty()) {
        const auto file = directory->path() / "crucibled.toml";
        if (auto written = base::write_file(file, options.config); !written)
            return std::unexpected(written.error());
        command.arguments.insert(command.arguments.end(), {"--config", file});
    }
    if (!options.rules.empty())
        command.arguments.insert(command.arguments.end(), {"--rules", options.rules});
    return ServerProcess::start(
        *std::move(directory), command,
        // A welcome comes once its services are open, too.
        [&] {
            return runtime::connect_to_daemon({.socket = socket, .connect_limit = kWelcomeLimit})
                .has_value();
        });
}

}  // namespace crucible::bench
