#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "crucible/error.h"

namespace crucible::runtime {

/// What the two ends of a ByteRing know of each other; in shared memory, all zeros at first.
/// Indices count bytes since the beginning and never wrap. Each part has its own pair of cache
/// lines, as processors fetch them: who polls one does not slow down who writes another.
struct RingHeader {
    alignas(128) std::atomic<std::uint64_t> written{0};  ///< stored by the writer alone
    alignas(128) std::atomic<std::uint64_t> read{0};     ///< stored by the reader alone
    /// Set by an end that is about to sleep; taken back by the other, which then has to ring.
    alignas(128) std::atomic<std::uint32_t> reader_waits{0};
    alignas(128) std::atomic<std::uint32_t> writer_waits{0};
};
static_assert(sizeof(RingHeader) == 512);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
                  std::atomic<std::uint32_t>::is_always_lock_free,
              "a lock would not be shared between processes");

// A ring of bytes with one writer and one reader, in memory that they share. Neither believes the
// other: its index is checked once after it was loaded, and each keeps its own index to itself.
// Bytes are copied, so that nobody can change what was looked at; what they say is for the layer
// above to check.
//
// Nobody sleeps in here. Who finds nothing to do announces that it waits and looks again; who makes
// something to do looks, after having published it, for that announcement. These four accesses are
// sequentially consistent, so that at least one of the two sees the other: there is no lost
// wake-up.

/// The writer's end. write(), push() and may_ring() are for one thread at a time, and so are
/// write(), room_for() and add(); has_room() may be called by another meanwhile.
class RingWriter {
public:
    /// `data` has a power of two of bytes. Both outlive this.
    RingWriter(RingHeader& header, std::span<std::byte> data) noexcept
        : header_(header), data_(data) {}

    /// Copies the beginning of `bytes` into the ring, as much as there is room for, and says how
    /// much that was. - Errc::corrupt: the reader's index is not one that it can have; nothing was
    /// written.
    Result<std::size_t> write(std::span<const std::byte> bytes);

    /// Where the next `bytes` go, when there is room for all of them; else null. Only where the
    /// memory behind `data` is `data` once more, so that they need not be parted at its end.
    std::byte* room_for(std::size_t bytes) noexcept;
    /// So many were written there: they will go with the next push() or write().
    void add(std::size_t bytes) noexcept;
    void push() noexcept;

    /// After a write() or push(): whether the reader waits for it. Says so once; it has to be woken
    /// then.
    bool may_ring() noexcept;

    /// Before waiting for room: whether there is some. If not, the reader will ring when at least
    /// half of the ring is free. Also true when the reader's index makes no sense, for write() to
    /// find that.
    bool has_room() noexcept;

private:
    RingHeader& header_;
    const std::span<std::byte> data_;
    /// Takes the reader's word; false: it makes no sense.
    bool look(std::uint64_t written) noexcept;

    std::atomic<std::uint64_t> written_ = 0;  ///< ours, added bytes included
    std::uint64_t read_ = 0;                  ///< the reader's last word
};

/// The reader's end. For one thread at a time.
class RingReader {
public:
    RingReader(RingHeader& header, std::span<const std::byte> data) noexcept
        : header_(header), data_(data) {}

    /// Copies what there is, at most `room`'s size, out of the ring; 0: nothing is there now.
    /// - Errc::corrupt: the writer's index is not one that it can have.
    Result<std::size_t> read(std::span<std::byte> room);

    /// What there is, at most `most`, where it lies: the writer may still change it. Nothing where
    /// read() would fail. As RingWriter::room_for(), only where `data` is in memory twice.
    std::span<const std::byte> peek(std::size_t most) noexcept;
    /// So many of these bytes are not looked at any more.
    void consume(std::size_t bytes) noexcept;

    /// After a read() or consume(): whether the writer waits for room, and there is enough to wake
    /// it for: it would otherwise be woken for every few bytes. Says so once.
    bool may_ring() noexcept;

    /// Whether a read() would find something, an error included.
    bool has_bytes() const noexcept {
        return header_.written.load(std::memory_order_acquire) != read_;
    }
    /// The same before waiting for it: if not, the writer will ring.
    bool has_bytes_or_waits() noexcept;

private:
    /// Takes the writer's word; false: it makes no sense.
    bool look() noexcept;

    RingHeader& header_;
    const std::span<const std::byte> data_;
    std::uint64_t read_ = 0;     ///< ours
    std::uint64_t written_ = 0;  ///< the writer's last word
};

}  // namespace crucible::runtime
