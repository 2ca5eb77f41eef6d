#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>

#include "crucible/error.h"
#include "crucible/event.h"
#include "crucible/time.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/transport.h"

namespace crucible::runtime {

/// What a client has to send. Publishers write their events where the transport will take them from
/// (its own memory where it has some, else a batch) and, where that is due, send it themselves:
/// when there is much, when the last left some time ago, or at once when nothing else is in flight.
/// The client's I/O thread sends what publishers left behind and what the transport did not take.
/// What is beyond the daemon's credit waits here until it gives more.
class Outbox {
public:
    /// `transport` and `ended`, the number of events of those put that have ended, outlive it.
    /// `credit`: the daemon's, as in protocol::Greeting. `wake` ends the I/O thread's wait; it is
    /// called from publishers.
    Outbox(Transport& transport, std::size_t bytes_max, std::uint64_t credit,
           const std::atomic<std::uint64_t>& ended, std::function<void()> wake)
        : transport_(transport),
          bytes_max_(bytes_max),
          ended_(ended),
          wake_(std::move(wake)),
          credit_(credit) {}

    // For any thread.

    /// Sends an event now or soon, at once where `urgent`, or when there is credit for it.
    /// - Errc::overloaded: so many bytes wait. - Errc::closed: nothing can be sent any more; this
    /// event was not. - the errors of append_event().
    Result<> put(protocol::Kind kind, const Event& event, std::uint64_t token, bool urgent);
    void put_goodbye();
    /// Events put, those that cannot have left not among them.
    std::uint64_t put_events() const noexcept { return put_events_.load(); }
    /// From now on put() fails.
    void close() noexcept { closed_.store(true); }

    // For the I/O thread.

    /// Sends what is due by now.
    void send_due();
    /// Whether the transport did not take all: go_on() when there is room again.
    bool waits_for_room() const noexcept { return waits_for_room_.load(); }
    void go_on();
    /// The daemon has raised its credit to so much: what waited for that is sent.
    void raise_credit(std::uint64_t credit);
    /// Whether something waits to be sent, other than for credit.
    bool holds_some();
    /// Announces that the thread is going to sleep until it is woken. False: it may not, something
    /// is to be sent.
    bool may_sleep();
    void awake() noexcept { asleep_.store(false); }
    /// Gives memory back that is not in use.
    void release_memory();

private:
    bool due(bool publisher);
    Result<> write_event(protocol::Kind kind, const Event& event, std::uint64_t token);
    void count_event() noexcept;
    bool never_left(std::uint64_t batch, std::size_t end) const;
    void flush();
    void write_out();
    bool take_batch();
    std::size_t credited();

    Transport& transport_;
    const std::size_t bytes_max_;
    const std::atomic<std::uint64_t>& ended_;
    const std::function<void()> wake_;

    std::mutex batch_mutex_;
    protocol::Buffer batch_;          ///< to be sent
    std::uint64_t batch_number_ = 0;  ///< of it
    std::size_t added_ = 0;           ///< bytes in the transport's memory and not pushed
    std::uint64_t batch_events_ = 0;  ///< in both
    std::uint64_t taken_bytes_ = 0;   ///< of events, that were added or are in no batch_ any more
    std::size_t next_try_ = 0;  ///< size of batch_ at which a publisher tries a full transport
    TimePoint last_flush_;

    std::mutex write_mutex_;  ///< taken before batch_mutex_ where both are
    protocol::Buffer writing_;
    std::uint64_t writing_number_ = 0;
    std::uint64_t writing_from_ = 0;  ///< bytes of events before writing_
    std::size_t credited_ = 0;        ///< of writing_, whole frames that there has been credit for
    std::size_t sent_ = 0;            ///< of writing_
    std::atomic<std::size_t> unsent_bytes_ = 0;          ///< of writing_
    std::atomic<std::size_t> lost_sent_ = 0;             ///< so much of batch lost_from_ did leave
    std::atomic<std::uint64_t> lost_from_ = UINT64_MAX;  ///< this batch and later ones never left
    std::atomic<std::uint64_t> put_events_ = 0;          ///< stored under batch_mutex_
    std::atomic<bool> flush_asked_ = false;
    std::atomic<std::uint64_t> credit_;
    std::atomic<bool> waits_for_credit_ = false;
    std::atomic<bool> waits_for_room_ = false;
    std::atomic<bool> closed_ = false;
    std::atomic<bool> asleep_ = false;  ///< the I/O thread must be woken for what is held
};

}  // namespace crucible::runtime
