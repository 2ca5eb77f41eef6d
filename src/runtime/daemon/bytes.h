#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "runtime/daemon/protocol.h"

/// Objects and texts as the bytes of frames. The protocol's structs are little-endian as they lie.
namespace crucible::runtime::protocol {

template <typename T>
void append_object(Buffer& out, const T& object) {
    const auto* const bytes = reinterpret_cast<const std::byte*>(&object);
    out.insert(out.end(), bytes, bytes + sizeof object);
}

inline void append_text(Buffer& out, std::string_view text) {
    const auto* const bytes = reinterpret_cast<const std::byte*>(text.data());
    out.insert(out.end(), bytes, bytes + text.size());
}

/// The zeros behind so many bytes of a frame.
inline void append_padding(Buffer& out, std::size_t bytes) {
    out.insert(out.end(), padded(bytes) - bytes, std::byte{0});
}

/// `bytes` has at least so many. They are read once, however often the object is: another process
/// may write over them.
template <typename T>
T read_object(std::span<const std::byte> bytes) noexcept {
    T object;
    std::memcpy(&object, bytes.data(), sizeof object);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return object;
}

inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace crucible::runtime::protocol
