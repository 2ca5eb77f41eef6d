#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace crucible::runtime {

/// Why the daemon, not the client, ended a connection.
enum class ClosedFor : std::uint8_t {
    refused,    ///< not one of those that may connect, or one too many
    handshake,  ///< TLS or the greeting failed, or took too long
    protocol,   ///< it sent what is no frame, or no event
    idle,       ///< it sent nothing for too long
    slow,       ///< it did not read its answers for too long, or settle any of its deliveries
};
inline constexpr std::array<std::string_view, 5> kClosedForNames{"refused", "handshake", "protocol",
                                                                 "idle", "slow"};
constexpr std::string_view to_string(ClosedFor reason) noexcept {
    return kClosedForNames[static_cast<std::size_t>(reason)];
}

/// How clients fare. Written by the I/O thread, read by any.
struct ClientCounts {
    std::atomic<std::size_t> connected = 0;       ///< now
    std::atomic<std::uint64_t> rate_limited = 0;  ///< times that one was left waiting for its rate
    std::array<std::atomic<std::uint64_t>, kClosedForNames.size()> closed{};  ///< by ClosedFor

    void count(ClosedFor reason) noexcept {
        closed[static_cast<std::size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
    }
};

}  // namespace crucible::runtime
