#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/process.h"
#include "crucible/error.h"

namespace crucible::bench {

/// A server that the bench started, with a directory of its own; it ends with this. To be started
/// from the main thread (base::Process).
class ServerProcess {
public:
    struct Command {
        std::vector<std::string> arguments;             ///< the first is the program's path
        std::vector<std::pair<int, int>> inherit = {};  ///< as base::Process has it
    };

    /// Waits until `answers` is true. - Errc::failed: it did not come up; the message has what it
    /// wrote. - the errors of base::Process::start().
    static Result<ServerProcess> start(base::TempDir directory, const Command& command,
                                       const std::function<bool()>& answers);

    const std::filesystem::path& directory() const noexcept { return directory_.path(); }
    pid_t pid() const noexcept { return process_.pid(); }

private:
    ServerProcess(base::TempDir directory, base::Process process)
        : directory_(std::move(directory)), process_(std::move(process)) {}

    base::TempDir directory_;
    base::Process process_;  // ends before its directory goes
};

/// One that listens on a loopback port, found free for it.
struct PortServer {
    ServerProcess process;
    std::uint16_t port = 0;

    using Arguments = std::function<std::vector<std::string>(const std::filesystem::path& directory,
                                                             std::uint16_t port)>;
    /// `arguments` behind the program's name. - the errors of installed_program() and
    /// ServerProcess::start().
    static Result<PortServer> start(std::string_view program, std::string_view package,
                                    const Arguments& arguments);
};

/// Connects to a loopback port, without delay for small writes.
Result<base::UniqueFd> connect_port(std::uint16_t port);
/// Connects to a stream socket in the file system.
Result<base::UniqueFd> connect_path(const std::filesystem::path& path);

}  // namespace crucible::bench
