#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "crucible/time.h"

namespace crucible::bench {

/// First argument of a process that publishes until it is told to end.
inline constexpr std::string_view kCrashPublisher = "crash-publisher";

/// Whose event a publisher's event of that number is: every other one goes to the external service,
/// the others to the daemon's own of the database.
constexpr bool is_for_external_service(std::uint64_t number) noexcept {
    return number % 2 == 1;
}

/// What such a process writes to its standard output for each event that has ended, in one piece.
struct CrashReport {
    std::uint32_t publisher = 0;
    std::uint32_t outcome = 0;  ///< crucible::Outcome
    std::uint64_t number = 0;   ///< of the event, counting from 0
    TimePoint ended;
};

/// `<socket> <publisher>`: publishes one event after the other, 64 at a time, through whatever
/// becomes of the daemon, until SIGTERM. Returns the exit code: 0 when all have ended.
int crash_publisher(std::span<char* const> words);

}  // namespace crucible::bench
