#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/log.h"
#include "crucible/error.h"
#include "runtime/daemon/server.h"

namespace crucible::runtime {

/// What `crucibled` is started with: its configuration file, then its flags over it.
struct DaemonConfig {
    ServerOptions server;
    std::string log_level =
        "info";  ///< spdlog's: trace, debug, info, warning, error, critical, off
    base::log::Format log_format = base::log::Format::text;
};

/// Defaults: the default socket, and data beside it in `data`.
DaemonConfig default_daemon_config();

/// $XDG_RUNTIME_DIR/crucible/crucibled.sock, or /tmp/crucible-<uid>/crucibled.sock where that is
/// not set.
std::filesystem::path default_socket();

/// Refuses a default directory under /tmp that another user made before us. -
/// Errc::permission_denied.
Result<> check_default_directory(const std::filesystem::path& socket);

/// Reads TOML over `config`. Any text is safe to pass. `place` names it in errors, all of one line.
/// - Errc::invalid_argument: "place:line:column: …", for a syntax error, an unknown section or key
///   (with the nearest known one) or a bad value; `config` may then hold some of the values.
Result<> parse_config(std::string_view text, std::string_view place, DaemonConfig& config);

/// The same of a file. - the errors of base::read_file() too.
Result<> read_config(const std::filesystem::path& file, DaemonConfig& config);

/// Sets one value by its name in the file, e.g. "dispatch.workers", as its text.
/// - Errc::invalid_argument: no such name, or a bad value; the message says what is allowed.
Result<> set_option(std::string_view name, std::string_view value, DaemonConfig& config);

}  // namespace crucible::runtime
