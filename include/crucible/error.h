#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace crucible {

/// What kind of expected failure happened. A bug is never an Error: it is an assertion.
enum class Errc : std::uint8_t {
    invalid_argument,   ///< the caller's input is wrong; trying again cannot help
    not_found,          ///< the named thing does not exist
    already_exists,     ///< the named thing exists and may not be replaced
    permission_denied,  ///< the operating system or the peer refused
    io,                 ///< a file, socket or database operation failed
    corrupt,            ///< data was read whole but is not what its format says
    unsupported,        ///< understood, but not by this version or machine
    overloaded,         ///< a bounded queue is full; nothing was accepted; may be tried again later
    closed,             ///< the peer is gone; no later call can succeed
    timeout,            ///< the limit passed first
    failed,             ///< the handler of an event ran and failed
};

/// The enumerator's own name, e.g. "overloaded".
std::string_view to_string(Errc code) noexcept;

/// An expected failure. On a measuring path `message` stays empty, so that making one allocates
/// nothing.
struct Error {
    Errc code = Errc::failed;
    std::string message;
};

template <typename T = void>
using Result = std::expected<T, Error>;

}  // namespace crucible
