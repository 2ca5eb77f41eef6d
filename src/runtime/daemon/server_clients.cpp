// Clients of a Server, from their coming to their going, and what they are sent away for.
#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "runtime/daemon/server.h"

namespace crucible::runtime {
namespace {

/// A client that is kept to its rate is let on again when so much time's events may come: not for
/// each one, where they may come every few microseconds.
constexpr double kPaceSeconds = 0.01;

/// Processes that start together may connect together.
constexpr std::size_t kLocalStrangersMin = 64;

/// How often within its limit a client is looked at that might have become idle, at most.
constexpr int kIdleLooks = 4;

/// What one client may have of what the others leave of the queue (dynamic thresholds: Choudhury
/// and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998, with alpha 4): n that never stop
/// leave 1/(4 n + 1) of it.
std::uint64_t share_of(std::uint64_t left_by_others) {
    return left_by_others / 5 * 4 + left_by_others % 5 * 4 / 5;
}

double seconds_of(Duration limit) {
    return std::chrono::duration<double>(limit).count();
}

}  // namespace

void Server::admit(Newcomer client) {
    const std::uint64_t id = next_session_++;
    const auto& limits = options_.clients;
    auto session = std::make_unique<Session>(std::move(client.transport), id, client.pid);
    if (!client.admitted) return fail(*session, ClosedFor::refused, client.admitted.error());
    if (sessions_.size() >= limits.clients_max) {
        return fail(*session, ClosedFor::refused,
                    Error{Errc::overloaded,
                          fmt::format("the daemon has {} clients, its limit", limits.clients_max)});
    }
    // Whoever can reach the port may connect, and one process as often as it likes; the places are
    // those of clients who go on to greet.
    std::size_t& strangers = strangers_like(*session);
    const std::size_t strangers_min = session->pid() == 0 ? 1 : kLocalStrangersMin;
    if (strangers >= std::max(limits.clients_max / 4, strangers_min)) {
        return fail(*session, ClosedFor::refused,
                    Error{Errc::overloaded, "too many connections have not greeted"});
    }
    const TimePoint now = base::monotonic_now();
    session->bytes_max = limits.bytes_max;
    session->last_input = now;
    if (limits.rate_max) {
        const double rate = limits.rate_max->events_per_second();
        const auto burst = static_cast<double>(limits.rate_burst);
        session->rate.emplace(rate, std::max(burst > 0 ? burst : rate, 1.0), now);
    }
    session->events = session->awaited_events();
    epoll_event event{.events = session->events, .data = {.u64 = id}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, session->transport().fd(), &event) != 0) {
        base::log::error("client turned away",
                         {{"error", base::errno_error("epoll", errno).message}});
        return;
    }
    session->stranger = true;
    ++strangers;
    const Session& admitted = *sessions_.emplace(id, std::move(session)).first->second;
    clients_.connected.store(sessions_.size());
    look_again(now + limits.handshake_limit, admitted, DueFor::greeting);
    if (limits.idle_limit > Duration::zero())
        look_again(now + limits.idle_limit, admitted, DueFor::idle);
}

void Server::read_from(Session& session) {
    const auto open = session.receive(scratch_);
    if (open && *open) {
        session.last_input = base::monotonic_now();
        process_input(session);
        return;
    }
    // A socket that broke, or a client that went without a word, is none of our doing.
    if (!open && open.error().code != Errc::io) {
        fail(session, session.greeted ? ClosedFor::protocol : ClosedFor::handshake, open.error());
    } else if (open && session.within_frame()) {
        fail(session, ClosedFor::protocol, Error{Errc::corrupt, "the stream ended within a frame"});
    } else if (!session.transport().established()) {
        warn_closed(session, ClosedFor::handshake, "it went away while TLS was being set up");
        clients_.count(ClosedFor::handshake);
    }
    close(session);
}

/// No more is read from it until it has tokens again.
void Server::pace(Session& session) {
    session.paced = true;
    clients_.rate_limited.fetch_add(1, std::memory_order_relaxed);
    const double rate = options_.clients.rate_max->events_per_second();
    look_again(session.rate->when(std::max(1.0, rate * kPaceSeconds)), session, DueFor::pace);
}

/// When something is to be done though nothing comes.
std::optional<TimePoint> Server::next_deadline() const {
    auto next = external_.next_deadline();
    if (stop_deadline_ && (!next || *stop_deadline_ < *next)) next = stop_deadline_;
    if (!due_.empty() && (!next || due_.top().time < *next)) next = due_.top().time;
    return next;
}

void Server::look_again(TimePoint time, const Session& session, DueFor why) {
    due_.add({time, session.id(), why},
             [this](std::uint64_t id) { return sessions_.contains(id); });
}

void Server::look_at_due() {
    if (due_.empty() && !services_->external().any_taken()) return;
    const TimePoint now = base::monotonic_now();
    for (const auto& [session, error] : external_.end_overdue(now)) {
        fail(*session, ClosedFor::slow, error);
        close(*session);
    }
    while (!due_.empty() && due_.top().time <= now) {
        const Due due = due_.top();
        due_.pop();
        const auto found = sessions_.find(due.session);
        if (found == sessions_.end()) continue;
        Session& session = *found->second;
        switch (due.why) {
            case DueFor::greeting:
                if (session.greeted) break;
                fail(session, ClosedFor::handshake, Error{Errc::timeout, "no greeting in time"});
                close(session);
                break;
            case DueFor::pace:
                session.paced = false;
                touch(session);
                break;
            case DueFor::idle:
                end_if_idle(session, now);
                break;
            case DueFor::slow:
                end_if_slow(session, now);
                break;
        }
    }
}

void Server::end_if_idle(Session& session, TimePoint now) {
    const Duration limit = options_.clients.idle_limit;
    const bool waits = session.service || session.in_flight > 0 || session.has_unsent() ||
                       session.held_back() || session.paced || session.blocked;
    if (!session.greeted || waits || now - session.last_input < limit) {
        const TimePoint next = std::max(session.last_input + limit, now + limit / kIdleLooks);
        look_again(next, session, DueFor::idle);
        return;
    }
    base::log::info("client closed", {{"session", session.id()},
                                      {"peer", session.transport().peer()},
                                      {"reason", to_string(ClosedFor::idle)},
                                      {"limit_s", seconds_of(limit)}});
    clients_.count(ClosedFor::idle);
    protocol::append_goodbye(session.out());
    (void)session.flush();
    close(session);
}

/// Whether its answers wait for it to read. `sent`: how many of their bytes it has taken just now.
void Server::watch_reading(Session& session, std::size_t sent) {
    const Duration limit = options_.clients.slow_limit;
    if (limit == Duration::zero() || !session.has_unsent()) {
        session.unread_since.reset();
        return;
    }
    if (session.unread_since && sent == 0) return;
    session.unread_since = base::monotonic_now();
    if (std::exchange(session.watched_for_reading, true)) return;
    look_again(*session.unread_since + limit, session, DueFor::slow);
}

void Server::end_if_slow(Session& session, TimePoint now) {
    session.watched_for_reading = false;
    if (!session.unread_since) return;
    const Duration limit = options_.clients.slow_limit;
    if (now - *session.unread_since < limit) {
        session.watched_for_reading = true;
        look_again(*session.unread_since + limit, session, DueFor::slow);
        return;
    }
    base::log::warn("client closed", {{"session", session.id()},
                                      {"peer", session.transport().peer()},
                                      {"reason", to_string(ClosedFor::slow)},
                                      {"limit_s", seconds_of(limit)},
                                      {"bytes", session.unsent_bytes()}});
    clients_.count(ClosedFor::slow);
    close(session);
}

/// Bytes of events that a client may send from here on. As long as it has none under way that is
/// one event at least, which then waits at the door.
std::uint64_t Server::room_for(const Session& session) const {
    const auto left = [](std::uint64_t most, std::uint64_t has) {
        return most > has ? most - has : 0;
    };
    std::uint64_t bytes = left(session.bytes_max, session.bytes_in_flight);
    // Where a full queue makes publishers wait they wait at their own end, before it is full, so
    // that who comes next finds room. The other policies are for those who would rather not wait.
    if (exchange_.overflow() == Overflow::block) {
        const auto room = exchange_.room();
        const auto events = left(share_of(room.events + session.in_flight), session.in_flight);
        bytes = std::min(
            {bytes, left(share_of(room.bytes + session.bytes_in_flight), session.bytes_in_flight),
             events * session.event_bytes()});
    }
    return std::max<std::uint64_t>(bytes, session.in_flight == 0 ? 1 : 0);
}

void Server::raise_credit(Session& session) {
    // Who has published nothing has what it was welcomed with.
    if (session.bytes_taken == 0 || session.leaving || session.service) return;
    session.raise_credit(room_for(session));
    // Others' ends may bring what its own do not: those of events that are due in an hour.
    if (exchange_.overflow() == Overflow::block && session.credit <= session.bytes_taken)
        await_room(session);
}

/// Events have ended: who waited for room may try again, in turn, as many as there may be room for:
/// all of a thousand would each be told of the same place.
void Server::unblock() {
    const std::size_t most = std::max<std::size_t>(exchange_.room().events, 1);
    for (std::size_t left = std::min(awaiting_room_.size(), most); left > 0; --left) {
        const auto found = sessions_.find(awaiting_room_.front());
        awaiting_room_.pop_front();
        if (found == sessions_.end()) continue;
        found->second->blocked = found->second->awaits_room = false;
        touch(*found->second);
    }
}

/// Its next event waits at the door. False, for take_frames().
bool Server::keep_waiting(Session& session) {
    session.blocked = true;
    await_room(session);
    return false;
}

void Server::await_room(Session& session) {
    if (!std::exchange(session.awaits_room, true)) awaiting_room_.push_back(session.id());
}

void Server::settle_touched() {
    // Indexed: settling one may touch it again.
    for (std::size_t i = 0; i < touched_.size(); ++i) {
        const auto found = sessions_.find(touched_[i]);
        if (found != sessions_.end()) settle(*found->second);
    }
    touched_.clear();
}

/// Sends what is due to `session` and watches it for what it can do next.
void Server::settle(Session& session) {
    if (external_.hand_out(session)) touch(session);
    raise_credit(session);
    const auto sent = session.flush();
    if (!sent) {
        if (sent.error().code == Errc::corrupt) fail(session, ClosedFor::protocol, sent.error());
        return close(session);
    }
    watch_reading(session, *sent);
    if (session.leaving && session.in_flight == 0 && !session.has_unsent() &&
        (!stop_deadline_ || goodbyes_said_)) {
        if (!stop_deadline_) {
            protocol::append_goodbye(session.out());
            (void)session.flush();
        }
        return close(session);
    }
    const bool reads = session.accepts_input();
    const std::uint32_t events = session.awaited_events();
    if (events != session.events) {
        session.events = events;
        epoll_event event{.events = events, .data = {.u64 = session.id()}};
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, session.transport().fd(), &event);
    }
    if (reads && !session.readable && session.transport().holds_input()) {
        session.readable = true;
        readable_.push_back(session.id());
    }
    // Last: it may close the session.
    if (reads && session.held_back()) process_input(session);
}

/// Those that have not greeted may be anybody, and come at any rate.
void Server::warn_closed(const Session& session, ClosedFor reason, std::string_view why) {
    if (reason != ClosedFor::refused && reason != ClosedFor::handshake) {
        base::log::warn("client closed", {{"session", session.id()},
                                          {"peer", session.transport().peer()},
                                          {"reason", to_string(reason)},
                                          {"error", why}});
        return;
    }
    const auto left_out = strangers_log_.next(base::monotonic_now());
    if (!left_out) return;
    base::log::warn("client closed", {{"session", session.id()},
                                      {"peer", session.transport().peer()},
                                      {"reason", to_string(reason)},
                                      {"error", why},
                                      {"left_out", *left_out}});
}

/// Tells the client why it is being turned away, as far as that goes without waiting, and logs it.
void Server::fail(Session& session, ClosedFor reason, const Error& error) {
    const std::string text = error.message.empty() ? "not a valid event" : error.message;
    warn_closed(session, reason, text);
    clients_.count(reason);
    // What is due goes first: who reads a refusal reads no further.
    (void)session.flush();
    protocol::append_refusal(session.out(), error.code, text);
    (void)session.flush();
}

void Server::close(Session& session) {
    if (session.in_flight > 0) {
        base::log::info("client went away", {{"session", session.id()},
                                             {"peer", session.transport().peer()},
                                             {"events", session.in_flight}});
    }
    external_.lose(session);
    if (session.stranger) --strangers_like(session);
    unfinished_bytes_ -= session.unfinished_bytes;
    sessions_.erase(session.id());
    clients_.connected.store(sessions_.size());
}

}  // namespace crucible::runtime
