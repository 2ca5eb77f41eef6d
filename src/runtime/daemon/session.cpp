#include "runtime/daemon/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "crucible/allocation.h"
#include "runtime/daemon/bytes.h"
#include "runtime/daemon/ring_transport.h"

namespace crucible::runtime {
namespace {

const AllocationOwner kAcknowledging("acknowledgement");

/// Gives a buffer's memory back when it is more than an idle session should hold.
void release(protocol::Buffer& buffer) {
    constexpr std::size_t kept_bytes_max = 4096;
    buffer.clear();
    if (buffer.capacity() > kept_bytes_max) buffer.shrink_to_fit();
}

}  // namespace

std::string Session::describe() const {
    return fmt::format("session {} ({})", id_, transport_->peer());
}

Result<> Session::welcome_in_shared_memory(std::size_t ring_bytes) {
    protocol::Buffer welcome;
    protocol::append_greeting(welcome, protocol::Kind::welcome,
                              {.flags = protocol::kSharesMemory, .credit = credit});
    return share_memory(transport_, ring_bytes, welcome);
}

void Session::welcome() {
    protocol::append_greeting(out_, protocol::Kind::welcome, {.credit = credit});
}

void Session::count_event(std::size_t frame_bytes) noexcept {
    constexpr std::size_t memory = 16;
    bytes_taken += frame_bytes;
    event_bytes_ = (event_bytes_ * (memory - 1) + frame_bytes) / memory;
}

void Session::raise_credit(std::uint64_t room) {
    const std::uint64_t left = credit > bytes_taken ? credit - bytes_taken : 0;
    // It has half of that still: who is told each time would pay for each event.
    if (room <= 2 * left) return;
    credit = bytes_taken + room;
    protocol::append_empty(out_, protocol::Kind::credit, credit);
}

bool Session::accepts_input() const noexcept {
    if (service) return !leaving;
    return !leaving && !blocked && !paced && requests_in_flight < kRequestsMax &&
           bytes_in_flight < bytes_max && unsent_bytes() < kUnsentBytesMax;
}

std::uint32_t Session::awaited_events() const noexcept {
    return (accepts_input() ? transport_->read_events() : 0u) |
           (has_unsent() ? transport_->write_events() : 0u);
}

Result<bool> Session::receive(std::span<std::byte> scratch) {
    if (in_.empty()) {
        received_ = transport_->peek(scratch.size());
        peeked_ = !received_.empty();
        if (peeked_) return true;
    }
    // The beginning of a frame that was left over goes in front of what arrives now, where it is
    // small: copying it is cheaper than copying all that follows behind it.
    const std::size_t left_over = in_.size() <= scratch.size() / 4 ? in_.size() : 0;
    const auto room = scratch.subspan(left_over);
    const auto count = transport_->read(room);
    if (!count) {
        if (count.error().code == Errc::closed) return false;
        return std::unexpected(count.error());
    }
    if (*count == 0) return true;
    received_ = room.first(*count);
    if (left_over > 0) {
        std::copy(in_.begin(), in_.end(), scratch.begin());
        received_ = scratch.first(left_over + received_.size());
        in_.clear();
    } else if (!in_.empty()) {
        in_.insert(in_.end(), received_.begin(), received_.end());
        received_ = {};
    }
    return true;
}

std::optional<protocol::FrameHeader> Session::unfinished() const noexcept {
    if (!within_frame() || in_.size() < sizeof(protocol::FrameHeader)) return std::nullopt;
    return protocol::read_object<protocol::FrameHeader>(in_);
}

/// Keeps what take_frames() left; `rest` is the end of in_ or of the scratch buffer.
void Session::keep(std::span<const std::byte> rest) {
    if (!in_.empty()) {
        in_.erase(in_.begin(), in_.end() - static_cast<std::ptrdiff_t>(rest.size()));
    } else {
        in_.assign(rest.begin(), rest.end());
    }
    leave(0);
    if (in_.empty()) {
        release(in_);
    } else {
        // Room for the whole frame at once; its size was checked by next_frame() if its header is
        // here.
        in_.reserve(std::min(protocol::frame_bytes(in_),
                             protocol::kBodyBytesMax + sizeof(protocol::FrameHeader)));
    }
}

/// Is done with what was received, but for the last `rest` bytes.
void Session::leave(std::size_t rest) {
    if (std::exchange(peeked_, false)) transport_->consume(received_.size() - rest);
    received_ = {};
}

Result<std::size_t> Session::flush() {
    std::size_t sent_now = 0;
    if (!acknowledged_.empty()) {
        const AllocationScope scope(kAcknowledging);
        protocol::append_acknowledgements(out_, acknowledged_);
        acknowledged_.clear();
    }
    if (sent_ < out_.size()) {
        do {
            const auto count = transport_->write(std::span(out_).subspan(sent_));
            if (!count) return std::unexpected(count.error());
            sent_now += *count;
            sent_ += *count;
        } while (sent_ < out_.size() && transport_->has_room());
        if (sent_ < out_.size()) {
            // Sent bytes at the front are dropped once they are most of the buffer: it stays near
            // what is unsent.
            if (sent_ > out_.size() / 2) {
                out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent_));
                sent_ = 0;
            }
            return sent_now;
        }
    }
    sent_ = 0;
    release(out_);
    return sent_now;
}

}  // namespace crucible::runtime
