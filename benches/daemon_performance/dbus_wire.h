#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "daemon_performance/batched_socket.h"

/// D-Bus' binary protocol, as far as the bench needs it: little-endian, without introspection.
namespace crucible::bench::dbus {

enum class Kind : std::uint8_t { call = 1, reply = 2, error = 3, signal = 4 };

/// Puts values where the specification's alignment wants them. The start of `bytes` is aligned.
class Writer {
public:
    void align(std::size_t to) { bytes.resize((bytes.size() + to - 1) / to * to); }
    void byte(std::uint8_t value) { bytes += static_cast<char>(value); }
    void number(std::uint32_t value);       ///< also 'b'
    void long_number(std::uint64_t value);  ///< 't'
    void text(std::string_view value);      ///< also 'o'
    void signature(std::string_view value);
    /// An array of what aligns to `alignment`; end_array() takes what this returns.
    std::size_t begin_array(std::size_t alignment);
    void end_array(std::size_t began);

    std::string bytes;
};

/// What of a message's header is given; empty texts and zeros are left out.
struct Header {
    Kind kind = Kind::call;
    std::string_view path;
    std::string_view interface;
    std::string_view member;
    std::string_view destination;
    std::string_view signature;
    std::uint32_t reply_serial = 0;
    std::uint32_t descriptors = 0;
};
/// `body` is what `signature` says.
std::string message(const Header& header, std::uint32_t serial, std::string_view body);
/// Where every message has its serial.
inline constexpr std::size_t kSerialAt = 8;

/// A message that has arrived.
struct Message {
    std::size_t bytes = 0;  ///< of all of it; 0: not whole yet
    Kind kind{};
    std::uint32_t serial = 0;
    std::string_view sender;
    std::string_view body;
};
/// The first of `bytes`.
Message next_message(std::string_view bytes);

/// Authenticates as this process's user on a fresh connection, and reads past the answers.
/// `descriptors`: asks to be allowed to send some.
Result<> authenticate(BatchedSocket& socket, bool descriptors);

/// Reads until a call's answer and consumes it. - Errc::failed: it is an error; the message has its
/// text.
Result<> await_reply(BatchedSocket& socket);

/// Connects to a bus and says hello; with `name` it owns that name.
Result<std::shared_ptr<BatchedSocket>> connect(const std::filesystem::path& bus,
                                               std::string_view name);

}  // namespace crucible::bench::dbus
