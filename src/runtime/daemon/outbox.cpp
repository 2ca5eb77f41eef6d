#include "runtime/daemon/outbox.h"

#include <chrono>
#include <span>
#include <utility>

#include "base/clock.h"
#include "runtime/daemon/bytes.h"
#include "runtime/daemon/event_frame.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;

/// A system call costs about as much as copying so much: what is larger gains nothing by waiting.
constexpr std::size_t kBatchBytes = 128u << 10;
/// In memory that the peer sees a push costs next to nothing; the less lies in between, the more of
/// it is still in the cache.
constexpr std::size_t kPushBytes = 16u << 10;
/// What a buffer keeps between events, and while the client sleeps.
constexpr std::size_t kKeptBytes = 32u << 20;
constexpr std::size_t kIdleBytes = 4096;
/// Events that follow each other faster than this are sent together, and where many are in flight
/// wait for company until they are a quarter of them: that adds at most a quarter to what they wait
/// anyway. But none waits longer than kHoldMost, which the I/O thread sees to.
constexpr Duration kHold = 20us;
constexpr Duration kHoldMost = 200us;

}  // namespace

Result<> Outbox::put(protocol::Kind kind, const Event& event, std::uint64_t token, bool urgent) {
    bool now = false;
    std::uint64_t batch = 0;
    std::size_t end = 0;
    {
        const std::lock_guard lock(batch_mutex_);
        if (closed_.load()) return std::unexpected(Error{Errc::closed, {}});
        if (auto written = write_event(kind, event, token); !written) return written;
        batch = batch_number_;
        end = batch_.size();
        now = urgent || due(/*publisher=*/true);
    }
    if (now) {
        flush();
        if (never_left(batch, end)) {
            const std::lock_guard lock(batch_mutex_);
            put_events_.store(put_events_.load(std::memory_order_relaxed) - 1);
            return std::unexpected(Error{Errc::closed, {}});
        }
    } else if (asleep_.load() && !waits_for_credit_.load() && asleep_.exchange(false)) {
        wake_();
    }
    return {};
}

/// Under batch_mutex_.
Result<> Outbox::write_event(protocol::Kind kind, const Event& event, std::uint64_t token) {
    const auto size = protocol::event_frame_size(event);
    if (!size) return std::unexpected(size.error());
    const std::size_t unsent = unsent_bytes_.load();
    // Straight into the transport only where nothing waits in front of it.
    if (unsent == 0 && batch_.empty() && taken_bytes_ < credit_.load()) {
        if (std::byte* const room = transport_.room_for(size->frame)) {
            protocol::write_event_frame(*size, kind, token, event, room);
            count_event();
            transport_.add(size->frame);
            added_ += size->frame;
            taken_bytes_ += size->frame;
            return {};
        }
    }
    const std::size_t waiting = unsent + batch_.size();
    if (waiting > 0 && (waiting >= bytes_max_ || size->frame > bytes_max_ - waiting))
        return std::unexpected(Error{Errc::overloaded, {}});
    const std::size_t start = batch_.size();
    batch_.resize(start + size->frame);
    protocol::write_event_frame(*size, kind, token, event, batch_.data() + start);
    count_event();
    return {};
}

/// Before it can leave, which whoever sends at this moment may see to once it was added: its
/// acknowledgement may come before put() returns.
void Outbox::count_event() noexcept {
    put_events_.store(put_events_.load(std::memory_order_relaxed) + 1);
    ++batch_events_;
}

/// Whether an event that ends at `end` of that batch did not leave whole: the daemon cannot have
/// accepted it.
bool Outbox::never_left(std::uint64_t batch, std::size_t end) const {
    const std::uint64_t lost = lost_from_.load();
    return lost < batch || (lost == batch && end > lost_sent_.load());
}

/// Whether what is held has waited long enough. Under batch_mutex_.
bool Outbox::due(bool publisher) {
    if (batch_events_ == 0) return false;
    if (waits_for_credit_.load()) return false;  // the I/O thread is told, and sends
    if (waits_for_room_.load()) {
        // The I/O thread is told of room; a publisher who is at it anyway looks now and then, which
        // saves waking it.
        if (!publisher || batch_.size() < next_try_) return false;
        next_try_ = batch_.size() + kBatchBytes;
        return true;
    }
    if (batch_.size() >= kBatchBytes || added_ >= kPushBytes) return true;
    const std::uint64_t in_flight = put_events_.load(std::memory_order_relaxed) - ended_.load();
    if (in_flight <= batch_events_) return true;  // nothing else is
    const bool enough = 4 * batch_events_ >= in_flight;
    if (publisher && !enough) return false;  // saves asking for the time
    return base::monotonic_now() - last_flush_ >= (enough ? kHold : kHoldMost);
}

/// Sends what is held. When somebody else is sending, they send it too: nobody waits.
void Outbox::flush() {
    flush_asked_.store(true);
    while (flush_asked_.load()) {
        std::unique_lock lock(write_mutex_, std::try_to_lock);
        if (!lock) return;
        while (flush_asked_.exchange(false)) write_out();
    }
}

/// Makes the batch the one being written. False: there is nothing to write. Under write_mutex_.
bool Outbox::take_batch() {
    sent_ = 0;
    writing_.clear();
    if (writing_.capacity() > kKeptBytes) protocol::Buffer().swap(writing_);
    bool push = false;
    {
        const std::lock_guard lock(batch_mutex_);
        last_flush_ = base::monotonic_now();
        batch_.swap(writing_);
        batch_events_ = 0;
        next_try_ = kBatchBytes;
        push = std::exchange(added_, 0) > 0;
        writing_number_ = batch_number_++;
        writing_from_ = taken_bytes_;
        credited_ = 0;
        taken_bytes_ += writing_.size();
        unsent_bytes_.store(writing_.size());
    }
    if (push && !transport_.push()) closed_.store(true);
    return !writing_.empty();
}

/// How much of writing_, from its beginning, there is credit for: events that begin before it ends.
/// Under write_mutex_.
std::size_t Outbox::credited() {
    const std::uint64_t credit = credit_.load();
    // Nearly always, and then nobody has to look where each frame begins.
    if (writing_from_ + writing_.size() <= credit) return writing_.size();
    while (credited_ < writing_.size()) {
        const auto rest = std::span(writing_).subspan(credited_);
        const auto kind = protocol::read_object<protocol::FrameHeader>(rest).kind;
        if (kind != protocol::Kind::goodbye && writing_from_ + credited_ >= credit) break;
        credited_ += protocol::frame_bytes(rest);
    }
    return credited_;
}

/// Sends what the transport takes now, first what it did not take before. Under write_mutex_.
void Outbox::write_out() {
    while (!closed_.load()) {
        if (sent_ == writing_.size() && !take_batch()) break;
        std::size_t end = credited();
        if (end == sent_) {
            waits_for_credit_.store(true);
            // Looked at again: who raises it from now on sees that it is waited for.
            end = credited();
            if (end == sent_) break;
            waits_for_credit_.store(false);
        }
        const auto count = transport_.write(std::span(writing_).first(end).subspan(sent_));
        if (!count) {
            closed_.store(true);
            lost_sent_.store(sent_);
            lost_from_.store(writing_number_);
            break;
        }
        sent_ += *count;
        unsent_bytes_.store(writing_.size() - sent_);
        if (sent_ < end) {
            // The I/O thread waits for room. While it is awake it looks by itself.
            if (!waits_for_room_.exchange(true) && asleep_.exchange(false)) wake_();
            return;
        }
    }
    waits_for_room_.store(false);
}

void Outbox::put_goodbye() {
    {
        const std::lock_guard lock(batch_mutex_);
        if (closed_.load()) return;
        protocol::append_goodbye(batch_);
    }
    flush();
}

void Outbox::send_due() {
    bool now = false;
    {
        const std::lock_guard lock(batch_mutex_);
        now = due(/*publisher=*/false);
    }
    if (now) flush();
}

void Outbox::go_on() {
    waits_for_room_.store(false);
    flush();
}

void Outbox::raise_credit(std::uint64_t credit) {
    if (credit <= credit_.load()) return;
    credit_.store(credit);
    if (waits_for_credit_.exchange(false)) flush();
}

bool Outbox::holds_some() {
    const std::lock_guard lock(batch_mutex_);
    return (!batch_.empty() || added_ > 0) && !waits_for_credit_.load();
}

bool Outbox::may_sleep() {
    asleep_.store(true);
    // What was put before it was said: nobody will call.
    if (holds_some()) asleep_.store(false);
    return asleep_.load();
}

void Outbox::release_memory() {
    {
        const std::unique_lock writing(write_mutex_, std::try_to_lock);
        if (!writing) return;
        const std::lock_guard lock(batch_mutex_);
        if (sent_ == writing_.size() && writing_.capacity() > kIdleBytes) {
            sent_ = 0;
            protocol::Buffer().swap(writing_);
        }
        if (batch_.empty() && batch_.capacity() > kIdleBytes) protocol::Buffer().swap(batch_);
    }
    if (flush_asked_.load()) flush();  // somebody found the mutex taken
}

}  // namespace crucible::runtime
