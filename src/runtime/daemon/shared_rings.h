#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "base/file.h"
#include "crucible/error.h"
#include "runtime/daemon/byte_ring.h"

namespace crucible::runtime {

/// The memory of a session's two rings, mapped; docs/formats/protocol.md has its layout. Whoever
/// has it mapped keeps it: it goes when both ends have gone. Behind each ring's bytes the same
/// bytes are mapped once more, so that none need to be parted at the ring's end.
class SharedRings {
public:
    static constexpr std::size_t kRingBytesMin = 64u << 10;
    static constexpr std::size_t kRingBytesMax = 64u << 20;

    /// Whether each of the two rings may have so many bytes: a power of two within the limits.
    static bool valid_size(std::size_t ring_bytes) noexcept;

    /// Makes the memory, of a size that nobody can change any more, and gives the file for the
    /// other end too. Takes up room only where it is written to. - Errc::io. - Errc::unsupported:
    /// this machine's pages are not those of 4 KiB.
    static Result<std::pair<SharedRings, base::UniqueFd>> make(std::size_t ring_bytes);

    /// Maps what the other end has made. - Errc::corrupt: somebody could change its size, so that
    /// touching it might kill us, or its size is none that it can have. - the errors of make().
    static Result<SharedRings> open(const base::UniqueFd& file);

    SharedRings(SharedRings&& other) noexcept
        : memory_(std::exchange(other.memory_, {})), ring_bytes_(other.ring_bytes_) {}
    SharedRings& operator=(SharedRings&&) = delete;
    ~SharedRings();

    struct Ring {
        RingHeader& header;
        std::span<std::byte> data;
    };
    Ring to_daemon() const noexcept { return ring(0); }
    Ring to_client() const noexcept { return ring(1); }

private:
    SharedRings(std::span<std::byte> memory, std::size_t ring_bytes) noexcept
        : memory_(memory), ring_bytes_(ring_bytes) {}
    static Result<SharedRings> map(int file, std::size_t ring_bytes);
    Ring ring(std::size_t index) const noexcept;

    std::span<std::byte> memory_;
    std::size_t ring_bytes_ = 0;
};

}  // namespace crucible::runtime
