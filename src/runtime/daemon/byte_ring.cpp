#include "runtime/daemon/byte_ring.h"

#include <algorithm>
#include <cstring>

namespace crucible::runtime {
namespace {

std::unexpected<Error> impossible(const char* whose) {
    return std::unexpected(Error{
        Errc::corrupt, std::string("shared memory: the ") + whose + "'s index is impossible"});
}

/// Takes back the other end's announcement. A plain look first: mostly there is none.
bool take(std::atomic<std::uint32_t>& waits) noexcept {
    return waits.load(std::memory_order_seq_cst) != 0 &&
           waits.exchange(0, std::memory_order_seq_cst) != 0;
}

}  // namespace

bool RingWriter::look(std::uint64_t written) noexcept {
    // Acquire: the reader has copied what it says it has, before we write over it.
    const std::uint64_t read = header_.read.load(std::memory_order_acquire);
    // Neither back behind its last word nor beyond what there is; unsigned, so that both are one
    // comparison.
    if (read - read_ > written - read_) return false;
    read_ = read;
    return true;
}

Result<std::size_t> RingWriter::write(std::span<const std::byte> bytes) {
    const std::uint64_t written = written_.load(std::memory_order_relaxed);
    if (!look(written)) return impossible("reader");
    const std::size_t room = data_.size() - static_cast<std::size_t>(written - read_);
    const std::size_t count = std::min(bytes.size(), room);
    if (count == 0) return 0;
    const std::size_t at = static_cast<std::size_t>(written) & (data_.size() - 1);
    const std::size_t before_end = std::min(count, data_.size() - at);
    std::memcpy(data_.data() + at, bytes.data(), before_end);
    std::memcpy(data_.data(), bytes.data() + before_end, count - before_end);
    add(count);
    push();
    return count;
}

std::byte* RingWriter::room_for(std::size_t bytes) noexcept {
    const std::uint64_t written = written_.load(std::memory_order_relaxed);
    const auto room = [&] { return data_.size() - static_cast<std::size_t>(written - read_); };
    // The reader's index is in a cache line of the reader: not looked at as long as it need not.
    if (room() < bytes && (!look(written) || room() < bytes)) return nullptr;
    return data_.data() + (static_cast<std::size_t>(written) & (data_.size() - 1));
}

void RingWriter::add(std::size_t bytes) noexcept {
    // Released: for another thread that pushes.
    written_.store(written_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
}

void RingWriter::push() noexcept {
    // Released: the bytes are there for who sees the index. Sequentially consistent: see the
    // header.
    header_.written.store(written_.load(std::memory_order_acquire), std::memory_order_seq_cst);
}

bool RingWriter::may_ring() noexcept {
    return take(header_.reader_waits);
}

bool RingWriter::has_room() noexcept {
    header_.writer_waits.store(1, std::memory_order_seq_cst);
    const std::uint64_t read = header_.read.load(std::memory_order_seq_cst);
    if (written_.load(std::memory_order_relaxed) - read == data_.size()) return false;
    header_.writer_waits.store(0, std::memory_order_relaxed);
    return true;
}

bool RingReader::look() noexcept {
    // Acquire: the bytes up to there are seen too.
    const std::uint64_t written = header_.written.load(std::memory_order_acquire);
    // Neither back behind its last word nor further ahead of us than the ring is long.
    if (written - written_ > read_ + data_.size() - written_) return false;
    written_ = written;
    return true;
}

std::span<const std::byte> RingReader::peek(std::size_t most) noexcept {
    if (!look()) return {};
    return {data_.data() + (static_cast<std::size_t>(read_) & (data_.size() - 1)),
            std::min(most, static_cast<std::size_t>(written_ - read_))};
}

void RingReader::consume(std::size_t bytes) noexcept {
    read_ += bytes;
    // Released: we are done with these bytes. Sequentially consistent: see the header.
    header_.read.store(read_, std::memory_order_seq_cst);
}

Result<std::size_t> RingReader::read(std::span<std::byte> room) {
    if (!look()) return impossible("writer");
    const std::size_t count = std::min(room.size(), static_cast<std::size_t>(written_ - read_));
    if (count == 0) return 0;
    const std::size_t at = static_cast<std::size_t>(read_) & (data_.size() - 1);
    const std::size_t before_end = std::min(count, data_.size() - at);
    std::memcpy(room.data(), data_.data() + at, before_end);
    std::memcpy(room.data() + before_end, data_.data(), count - before_end);
    consume(count);
    return count;
}

bool RingReader::may_ring() noexcept {
    const std::size_t free = data_.size() - static_cast<std::size_t>(written_ - read_);
    return free >= data_.size() / 2 && take(header_.writer_waits);
}

bool RingReader::has_bytes_or_waits() noexcept {
    header_.reader_waits.store(1, std::memory_order_seq_cst);
    if (header_.written.load(std::memory_order_seq_cst) == read_) return false;
    header_.reader_waits.store(0, std::memory_order_relaxed);
    return true;
}

}  // namespace crucible::runtime
