#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"
#include "runtime/daemon/numbered_queue.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/service_frame.h"
#include "runtime/dispatch/exchange.h"
#include "runtime/dispatch/task.h"
#include "runtime/service/service_set.h"

namespace crucible::runtime {

class Session;

struct ExternalOptions {
    std::uint32_t places_max = 16;  ///< services at the same time, at most ExternalPlaces::kMax
    /// Those whose place is kept, so that rules can name them, and who are awaited from the start.
    /// At most `places_max`.
    std::vector<ExpectedService> expected;
    /// From the delivery of an event to its settlement; then the attempt counts as failed.
    Duration timeout = std::chrono::seconds(30);
    /// How long the events of a service that went away wait for it to come back.
    Duration grace = std::chrono::seconds(30);
};

/// What is known of one external service now, and since the daemon began of its place.
struct ExternalReport {
    std::size_t index = 0;  ///< of the instance
    bool connected = false;
    pid_t pid = 0;              ///< 0: not known
    std::uint32_t credits = 0;  ///< deliveries it takes at once
    std::uint64_t open = 0;     ///< of those, not settled
    std::uint64_t delivered = 0;
    std::uint64_t redelivered = 0;  ///< of those, events that a service was given before
    std::uint64_t late = 0;         ///< not settled in time
};

/// The services in other processes: what each has in its hands, and its time. Sessions are their
/// connections. Used by the server's I/O thread, but for note(), noted() and report().
class ExternalServices {
public:
    /// `services` has its places.
    ExternalServices(const ExternalOptions& options, ServiceSet& services, Exchange& exchange);

    /// Events wait for that instance. From any thread.
    void note(std::size_t instance);
    bool noted() const noexcept { return any_noted_.load(); }

    /// A frame of a service, or one that makes a session a service. An error is the reason to end
    /// the session; others are not touched.
    /// - Errc::invalid_argument: a subscription or a grant that cannot be. - Errc::already_exists:
    /// the name is taken. - Errc::overloaded: no place is left. - Errc::closed: the daemon stops.
    /// - Errc::corrupt: anything else that services do not send.
    Result<> take_frame(Session& session, const protocol::Frame& frame);

    /// Puts deliveries into the session's output, as far as it takes them; true when it did.
    bool hand_out(Session& session);
    /// The session ends, or says that it settles nothing more.
    void lose(Session& session);

    /// What note() was told of: `touch(Session&)` is called for those to hand_out() to.
    template <typename Touch>
    void take_notes(Touch touch);
    /// Ends attempts and absences whose time is over; gives the sessions that are to be ended.
    std::vector<std::pair<Session*, Error>> end_overdue(TimePoint now);
    /// When end_overdue() has something to do.
    std::optional<TimePoint> next_deadline() const;

    /// Nobody comes any more: who is away stays away.
    void stop();

    /// Those whose place is taken, or kept. From any thread.
    std::vector<ExternalReport> report() const;

private:
    struct Delivery {
        TaskPtr task;  ///< null: its attempt has ended
        TimePoint due;
    };
    struct Place {
        Session* session = nullptr;
        std::optional<TimePoint> awaited_until;  ///< without a session, if its place is taken
        bool leaving = false;                    ///< it unsubscribed
        bool more = false;                       ///< events may wait for it
        std::uint64_t watched = 1;               ///< the oldest that may be late, or the next
        NumberedQueue<Delivery> deliveries{1};   ///< that it has not settled
        std::uint64_t late = 0;                  ///< of them, not in time either

        // Read by other threads:
        std::atomic<bool> connected = false;
        std::atomic<pid_t> pid = 0;
        std::atomic<std::uint32_t> credits = 0;
        std::atomic<std::uint64_t> open = 0;
        std::atomic<std::uint64_t> delivered = 0;
        std::atomic<std::uint64_t> redelivered = 0;
        std::atomic<std::uint64_t> late_ever = 0;
    };

    std::size_t instance_of(std::size_t place) const;
    Result<> subscribe(Session& session, const protocol::Frame& frame);
    Result<std::size_t> find_place(const protocol::Subscription& subscription);
    void offer_to_others();
    Result<> settle(std::size_t number, const protocol::Frame& frame);
    Result<> settle(Place& place, const protocol::Settlement& settlement);
    Result<> grant(Place& place, std::uint64_t credits);
    void leave(std::size_t number);
    void reassign(std::size_t number);
    void desert(std::size_t number);
    static void watch(Place& place);

    const ExternalOptions options_;
    ServiceSet& services_;
    Exchange& exchange_;
    std::deque<Place> places_;
    bool stopping_ = false;
    // Reused between calls:
    std::vector<protocol::Settlement> settlements_;
    std::vector<TaskPtr> tasks_;
    std::vector<HandleResult> results_;

    std::mutex notes_mutex_;
    std::vector<std::size_t> notes_;  ///< instances
    std::vector<std::size_t> noted_;  ///< being looked at
    std::atomic<bool> any_noted_ = false;
};

template <typename Touch>
void ExternalServices::take_notes(Touch touch) {
    if (!any_noted_.load()) return;
    {
        const std::lock_guard lock(notes_mutex_);
        any_noted_.store(false);
        noted_.swap(notes_);
    }
    for (const std::size_t instance : noted_) {
        const std::size_t number = instance - services_.services().size();
        Place& place = places_[number];
        place.more = true;
        if (place.session != nullptr) {
            touch(*place.session);
        } else if (!place.awaited_until) {
            reassign(number);
        }
    }
    noted_.clear();
}

}  // namespace crucible::runtime
