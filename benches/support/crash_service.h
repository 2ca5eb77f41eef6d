#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/process.h"
#include "crucible/error.h"

namespace crucible::bench {

/// First argument of a process that is a service of the daemon, of the category `custom`, and keeps
/// what it handled in a file, each event once.
inline constexpr std::string_view kCrashService = "crash-service";

/// Its name with the daemon: one that expects it waits for it from the start.
inline constexpr std::string_view kCrashServiceName = "ledger";

/// `<socket> <file>`: serves until SIGTERM, through whatever becomes of the daemon; writes a byte
/// to its standard output once it is registered. A line of the file is an event: its id, its source
/// and the first word of its payload. Returns the exit code: 0 when it has left in order.
int crash_service(std::span<char* const> words);

/// Starts such a process, and waits until it is registered.
/// - Errc::failed: it was not. - the errors of base::Process::start().
Result<base::Process> start_crash_service(const std::filesystem::path& socket,
                                          const std::filesystem::path& file);

}  // namespace crucible::bench
