#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace crucible::lab {

/// Writes a message in Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding).
/// Fields that have the value that a missing one has are left out.
class ProtobufWriter {
public:
    /// int64, uint64, bool. Negative numbers take ten bytes.
    void number(std::uint32_t field, std::int64_t value);
    void number(std::uint32_t field, std::uint64_t value);
    /// bytes, string, and messages; an empty one is written too.
    void bytes(std::uint32_t field, std::string_view bytes);
    /// repeated int64, uint64.
    void packed(std::uint32_t field, std::span<const std::uint64_t> values);

    const std::string& message() const noexcept { return message_; }

private:
    static void append(std::string& text, std::uint64_t value);
    std::string message_;
};

}  // namespace crucible::lab
