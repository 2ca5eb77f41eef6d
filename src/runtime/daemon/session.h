#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crucible/coordinator.h"
#include "crucible/error.h"
#include "crucible/time.h"
#include "runtime/daemon/client_places.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/token_bucket.h"
#include "runtime/daemon/transport.h"

namespace crucible::runtime {

/// One client's connection: its transport, the frame that is still incomplete and the bytes not yet
/// sent. Holds no buffer while idle. Used by the server's I/O thread alone.
class Session {
public:
    /// Unsent bytes beyond which no more is read from the client: one that does not read its
    /// acknowledgements may not make us keep ever more of them.
    static constexpr std::size_t kUnsentBytesMax = 1u << 20;
    /// Requests being handled beyond which no more is read: responses may be large.
    static constexpr std::size_t kRequestsMax = 64;
    static constexpr std::size_t kUnlimited = static_cast<std::size_t>(-1);

    /// `pid`: the client's process, 0 where that is not known.
    Session(std::unique_ptr<Transport> transport, std::uint64_t id, pid_t pid) noexcept
        : transport_(std::move(transport)), id_(id), pid_(pid) {}

    Transport& transport() noexcept { return *transport_; }
    const Transport& transport() const noexcept { return *transport_; }
    pid_t pid() const noexcept { return pid_; }
    std::uint64_t id() const noexcept { return id_; }
    /// "session 3 (pid 71)", for logs.
    std::string describe() const;

    /// Welcomes the client, with the credit that it has.
    void welcome();
    /// The same, and goes on in shared memory. - the errors of share_memory() (ring_transport.h).
    Result<> welcome_in_shared_memory(std::size_t ring_bytes);

    /// That one of its publish and request frames was taken.
    void count_event(std::size_t frame_bytes) noexcept;
    /// Of one of those frames, by the last ones; at first less than most are.
    std::size_t event_bytes() const noexcept { return event_bytes_; }
    /// Lets it send events of `room` bytes more from here on, and tells it where that is worth
    /// it. Credit that it has is not taken back.
    void raise_credit(std::uint64_t room);

    /// Whether frames may be taken from it now.
    bool accepts_input() const noexcept;
    /// Whether take_frames() left bytes because of that; epoll does not know of them.
    bool held_back() const noexcept { return held_back_; }
    /// Whether the last bytes taken are the beginning of a frame.
    bool within_frame() const noexcept { return !in_.empty() && !held_back_; }
    /// The header of that frame, once it is here.
    std::optional<protocol::FrameHeader> unfinished() const noexcept;
    /// What is left between two reads, with the rest of that frame.
    std::size_t kept_bytes() const noexcept {
        return std::max(in_.size(), protocol::frame_bytes(in_));
    }
    std::size_t unsent_bytes() const noexcept { return out_.size() - sent_; }
    bool has_unsent() const noexcept { return sent_ < out_.size() || !acknowledged_.empty(); }
    /// What epoll has to watch its transport for, so that it gets on.
    std::uint32_t awaited_events() const noexcept;

    /// Reads what has arrived, through `scratch` (shared by all sessions). False at the end of the
    /// stream.
    /// - the errors of Transport::read(), but for Errc::closed.
    Result<bool> receive(std::span<std::byte> scratch);

    /// Gives each whole frame received to `on_frame(frame) -> Result<bool>` as long as
    /// accepts_input(), and keeps the rest; that frame too where it says false. - Errc::corrupt and
    /// the errors of `on_frame`.
    template <typename OnFrame>
    Result<> take_frames(OnFrame&& on_frame);

    void acknowledge(std::uint64_t token, Outcome outcome) {
        if (!acknowledged_.empty()) {
            auto& last = acknowledged_.back();
            if (last.token + last.count == token && last.outcome == outcome &&
                last.count < UINT32_MAX) {
                ++last.count;
                return;
            }
        }
        acknowledged_.push_back({token, outcome, {}, 1});
    }
    protocol::Buffer& out() noexcept { return out_; }

    /// Sends what it can, all acknowledgements since the last call in one frame, and says how many
    /// bytes that were. - Errc::closed: the client is gone. - the errors of Transport::write().
    Result<std::size_t> flush();

    bool greeted = false;      ///< its hello was accepted
    bool stranger = false;     ///< it counts among those that have not greeted
    bool blocked = false;      ///< its next event waits for room in the queue
    bool awaits_room = false;  ///< the server is to look at it when the queue has some
    bool paced = false;        ///< it has used up its rate, and waits for more
    bool leaving =
        false;  ///< it said goodbye: nothing more is read; it closes when all is answered and sent
    /// It is an external service, with that place: it publishes nothing, and what it settles is
    /// always read.
    std::optional<std::size_t> service;
    /// Among the connections of its client, once greeted.
    ClientPlaces::Place place;
    bool readable = false;                  ///< the server is to read from it without waiting
    std::uint32_t events = 0;               ///< what epoll watches it for
    std::size_t in_flight = 0;              ///< its events being handled
    std::size_t bytes_in_flight = 0;        ///< the same, as event_bytes() counts
    std::size_t bytes_max = kUnlimited;     ///< of those, beyond which no more is read
    std::uint64_t bytes_taken = 0;          ///< of its publish and request frames
    std::uint64_t credit = 0;               ///< the client may send until bytes_taken is so much
    std::optional<TokenBucket> rate;        ///< of its events; none: as fast as it can
    TimePoint last_input;                   ///< when something came from it
    std::size_t unfinished_bytes = 0;       ///< kept_bytes() where they count, for the server
    std::optional<TimePoint> unread_since;  ///< it has taken none of the unsent bytes since
    bool watched_for_reading = false;       ///< the server is to look at that again
    std::size_t requests_in_flight = 0;     ///< of those, the requests

private:
    /// Frames in memory that another process has just written come from its processor's cache. They
    /// are mostly as long as the one before, and what is looked at stands in front.
    static void prefetch_next(std::size_t bytes, std::span<const std::byte> rest) noexcept {
        constexpr std::size_t ahead = 3, line = 64, lines = 3;
        if (ahead * bytes + lines * line > rest.size()) return;
        for (std::size_t i = 0; i < lines; ++i)
            __builtin_prefetch(rest.data() + ahead * bytes + i * line);
    }

    void keep(std::span<const std::byte> rest);
    void leave(std::size_t rest);

    std::unique_ptr<Transport> transport_;
    const std::uint64_t id_;
    const pid_t pid_;
    std::span<const std::byte> received_;  ///< in the server's scratch buffer or the transport's
                                           ///< memory; empty between loop turns
    bool peeked_ = false;                  ///< they are in the transport's
    bool held_back_ = false;
    protocol::Buffer in_;  ///< the beginning of a frame
    protocol::Buffer out_;
    std::size_t sent_ = 0;  ///< of out_
    std::vector<protocol::AcknowledgementEntry> acknowledged_;
    std::size_t event_bytes_ = 256;
};

template <typename OnFrame>
Result<> Session::take_frames(OnFrame&& on_frame) {
    std::span<const std::byte> rest = in_.empty() ? received_ : std::span<const std::byte>(in_);
    while (accepts_input()) {
        auto frame = protocol::next_frame(rest);
        if (!frame) return std::unexpected(frame.error());
        if (!*frame) break;
        if (peeked_) {
            (*frame)->shared = true;
            prefetch_next((*frame)->bytes, rest);
        }
        const Result<bool> taken = on_frame(**frame);
        if (!taken) return std::unexpected(taken.error());
        if (!*taken) break;
        rest = rest.subspan((*frame)->bytes);
    }
    if (peeked_ && (!accepts_input() || rest.size() < received_.size())) {
        leave(rest.size());  // it stays where it is, until the rest of the frame is there too
    } else {
        held_back_ = !accepts_input() && !rest.empty();
        keep(rest);
    }
    return {};
}

}  // namespace crucible::runtime
