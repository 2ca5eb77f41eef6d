#include "runtime/daemon/server.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/planted_leak.h"
#include "crucible/allocation.h"
#include "runtime/coordinator/exchange_options.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/inspect.h"
#include "runtime/daemon/metrics_text.h"
#include "runtime/daemon/systemd.h"

namespace crucible::runtime {
namespace {

const AllocationOwner kSessionOwner("session");
const AllocationOwner kEndsOwner("acknowledgement");

using base::UniqueFd;

// epoll_event::data: sessions count from kFirstSession.
constexpr std::uint64_t kWakeId = 0;
constexpr std::uint64_t kFirstListener = 1;

constexpr std::size_t kScratchBytes = 256u << 10;

/// Fewer than those who may be here without having greeted: who comes with a greeting is let in.
constexpr int kAcceptedAtOnce = 32;

/// Longest that a client waits for room without trying again.
constexpr int kBlockedLookMs = 100;

/// For a service manager; that it cannot be told is no reason to stop.
void tell_manager(const Result<>& told) {
    if (!told)
        base::log::warn("the service manager was not told", {{"error", told.error().message}});
}

}  // namespace

Result<std::unique_ptr<Server>> Server::open(const ServerOptions& options) {
    // The socket first: a second daemon is refused before it touches the data directory.
    auto acceptor = Acceptor::open(options);
    if (!acceptor) return std::unexpected(acceptor.error());
    auto services = ServiceSet::open(options.coordinator.services);
    if (!services) return std::unexpected(services.error());
    return open(options, std::move(*acceptor), std::move(*services));
}

Result<std::unique_ptr<Server>> Server::open(const ServerOptions& options,
                                             std::unique_ptr<ServiceSet> services) {
    auto acceptor = Acceptor::open(options);
    if (!acceptor) return std::unexpected(acceptor.error());
    return open(options, std::move(*acceptor), std::move(services));
}

Result<std::unique_ptr<Server>> Server::open(const ServerOptions& options,
                                             std::unique_ptr<Acceptor> acceptor,
                                             std::unique_ptr<ServiceSet> services) {
    const auto exchange = exchange_options(options.coordinator);
    if (!exchange) return std::unexpected(exchange.error());
    const auto& external = options.external;
    if (auto made = services->make_external_places(external.places_max, external.expected); !made)
        return std::unexpected(made.error());
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return std::unexpected(base::errno_error("epoll", errno));
    UniqueFd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!wake) return std::unexpected(base::errno_error("eventfd", errno));
    std::unique_ptr<Server> server(new Server(options, *exchange, std::move(acceptor),
                                              std::move(services), std::move(epoll),
                                              std::move(wake)));
    if (auto watched = server->watch_own(); !watched) return std::unexpected(watched.error());
    if (auto loaded = load_rules(options.coordinator, server->exchange_.rules()); !loaded)
        return std::unexpected(loaded.error());
    if (auto opened = server->open_metrics(); !opened) return std::unexpected(opened.error());
    return server;
}

Server::Server(const ServerOptions& options, const ExchangeOptions& exchange,
               std::unique_ptr<Acceptor> acceptor, std::unique_ptr<ServiceSet> services,
               UniqueFd epoll, UniqueFd wake)
    : options_(options),
      acceptor_(std::move(acceptor)),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      services_(std::move(services)),
      started_(base::monotonic_now()),
      client_places_(options.clients.per_client_max),
      next_session_(kFirstSession),
      scratch_(kScratchBytes),
      external_(options.external, *services_, exchange_),
      exchange_(
          exchange, *services_,
          [this](std::span<const Completion> completions) { collect(completions); },
          [this](std::size_t instance) { call(instance); }),
      rules_(exchange_.rules()) {}

Result<> Server::watch_own() {
    // Edge-triggered: every write to it is one event, and nobody needs to read it back.
    epoll_event wake{.events = EPOLLIN | EPOLLET, .data = {.u64 = kWakeId}};
    bool watched = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &wake) == 0;
    std::uint64_t id = kFirstListener;
    for (const int socket : acceptor_->sockets()) {
        epoll_event listener{.events = EPOLLIN, .data = {.u64 = id++}};
        watched = watched && ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &listener) == 0;
    }
    if (!watched) return std::unexpected(base::errno_error("epoll", errno));
    return {};
}

Result<> Server::open_metrics() {
    if (options_.metrics.empty()) return {};
    auto endpoint = MetricsEndpoint::open(options_.metrics, [this] {
        return open_metrics_text(exchange_.report(), exchange_.instances(), options_.coordinator,
                                 clients_, external_.report());
    });
    if (!endpoint) return std::unexpected(endpoint.error());
    metrics_ = std::move(*endpoint);
    return {};
}

std::uint16_t Server::metrics_port() const noexcept {
    return metrics_ ? metrics_->port() : 0;
}

void Server::request_stop() noexcept {
    stop_requests_.fetch_add(1);
    end_wait();
}

void Server::request_reload() noexcept {
    reload_requested_.store(true);
    end_wait();
}

/// From any thread or signal handler.
void Server::end_wait() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

/// In a thread of its own: many rules take their time to compile, and events go on meanwhile.
void Server::reload() {
    if (reloading_.exchange(true)) {
        reload_again_.store(true);
        return;
    }
    reloader_ = std::jthread([this] {
        const auto& file = options_.coordinator.rules;
        tell_manager(systemd::notify_reloading());
        const auto certificates = acceptor_->reload_certificates();
        if (!certificates) {
            base::log::error("certificates are unchanged",
                             {{"error", certificates.error().message}});
        } else if (*certificates) {
            base::log::info("certificates were read again");
        }
        if (file.empty()) {
            if (certificates && !*certificates)
                base::log::warn("nothing to reload: neither rules nor certificates are configured");
        } else if (auto loaded = load_rules(options_.coordinator, exchange_.rules()); !loaded) {
            base::log::error("rules are unchanged", {{"error", loaded.error().message}});
        } else {
            base::log::info("rules are in force", {{"rules", exchange_.rules().table()->size()},
                                                   {"path", file.native()}});
        }
        tell_manager(systemd::notify("READY=1"));
        reloading_.store(false);
        if (reload_again_.exchange(false)) request_reload();
    });
}

Result<> Server::run() {
    const AllocationScope scope(kSessionOwner);
    tell_manager(systemd::notify("READY=1"));
    for (;;) {
        if (reload_requested_.exchange(false)) reload();
        if (stop_requests_.load() > 0 && !stop_deadline_) begin_stop();
        if (stop_deadline_ && stopped()) return {};
        if (stop_requests_.load() > 1) {
            return std::unexpected(Error{
                Errc::closed, fmt::format("stopped at once; {} events unfinished", in_flight_)});
        }
        if (stop_deadline_ && base::monotonic_now() >= *stop_deadline_) {
            return std::unexpected(
                Error{Errc::timeout, fmt::format("{} events and {} clients unfinished at the limit",
                                                 in_flight_, sessions_.size())});
        }
        if (auto waited = wait_for_events(); !waited) return std::unexpected(waited.error());
        look_at_due();
        external_.take_notes([this](Session& session) { touch(session); });
        deliver_ended();
        settle_touched();
    }
}

/// One epoll_wait and what it brought.
Result<int> Server::wait_for_events() {
    int timeout_ms = -1;
    if (const auto deadline = next_deadline()) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(*deadline - base::monotonic_now());
        timeout_ms = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
    }
    {
        // Announced under the mutex: a worker that adds to ended_ from now on wakes us; while we
        // are awake none does.
        const std::lock_guard lock(ended_mutex_);
        waiting_ = ended_.empty() && !external_.noted();
        // Not every end that makes room comes this way: those of replayed events do not.
        if ((!awaiting_room_.empty() || stop_deadline_) &&
            (timeout_ms < 0 || timeout_ms > kBlockedLookMs))
            timeout_ms = kBlockedLookMs;
        if (!waiting_ || !readable_.empty()) timeout_ms = 0;
    }
    std::array<epoll_event, 64> events;
    const int count = await(events, timeout_ms);
    if (count < 0 && errno != EINTR) return std::unexpected(base::errno_error("epoll", errno));
    if (count == 0) unblock();
    read_held();
    const std::span happened(events.data(), static_cast<std::size_t>(std::max(count, 0)));
    for (const auto& event : happened)
        if (event.data.u64 >= kFirstSession) handle_event(event.data.u64, event.events);
    // Behind the greetings of those who came before. kWakeId only had to end the wait.
    for (const auto& event : happened)
        if (event.data.u64 < kFirstSession && event.data.u64 != kWakeId)
            accept_from(event.data.u64 - kFirstListener);
    return count;
}

/// epoll_wait, behind a brief spin where that pays. Not while workers are busy: they need the core,
/// and what they finish is not what a spin would see sooner.
int Server::await(std::span<epoll_event> events, int timeout_ms) {
    const auto poll = [&](int limit_ms) {
        return ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), limit_ms);
    };
    if (timeout_ms == 0 || in_flight_ > 0 || sessions_.empty() || !spin_.worthwhile())
        return poll(timeout_ms);
    const TimePoint until = base::monotonic_now() + base::BriefSpin::kLimit;
    do {
        const int count = poll(0);
        if (count == 0) continue;
        spin_.ended(true);
        return count;
    } while (base::monotonic_now() < until);
    spin_.ended(false);
    return poll(timeout_ms);
}

void Server::accept_from(std::size_t listener) {
    // Those that are left come with the next turn.
    for (int i = 0; i < kAcceptedAtOnce && !stop_deadline_; ++i) {
        auto client = acceptor_->next(listener);
        if (!client) return;
        admit(std::move(*client));
    }
}

void Server::handle_event(std::uint64_t id, std::uint32_t events) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return;
    Session& session = *found->second;
    session.transport().woken();
    if (session.accepts_input() && (events & session.transport().read_events()) != 0) {
        read_from(session);
    } else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        close(session);
    } else {
        touch(session);
    }
}

/// From those whose transport had more to give than was taken last time.
void Server::read_held() {
    const auto sessions = std::exchange(readable_, {});
    for (const std::uint64_t id : sessions) {
        const auto found = sessions_.find(id);
        if (found == sessions_.end()) continue;
        found->second->readable = false;
        if (found->second->accepts_input()) read_from(*found->second);
    }
}

void Server::process_input(Session& session) {
    now_ = base::monotonic_now();
    auto taken = session.take_frames(
        [&](const protocol::Frame& frame) { return take_frame(session, frame); });
    if (taken) taken = count_unfinished(session);
    for (auto* const copy : {&copied_, &own_})
        if (copy->capacity() > kScratchBytes) protocol::Buffer().swap(*copy);
    if (!taken) {
        // A greeting that is right, of a client that has too many connections already.
        const bool one_too_many = !session.greeted && taken.error().code == Errc::overloaded;
        const auto wrong = session.greeted ? ClosedFor::protocol : ClosedFor::handshake;
        fail(session, one_too_many ? ClosedFor::refused : wrong, taken.error());
        return close(session);
    }
    touch(session);
}

/// What the session keeps of a frame that does not fit the shared buffer. All of it is counted once
/// its header is here, so that who has begun one can end it.
Result<> Server::count_unfinished(Session& session) {
    unfinished_bytes_ -= std::exchange(session.unfinished_bytes, 0);
    if (const auto header = session.unfinished()) {
        if (auto checked = protocol::check_header(*header, session.greeted); !checked)
            return checked;
    }
    // Frames that are whole and wait for room are what the policy on a full queue makes them.
    const std::size_t bytes = session.kept_bytes();
    if (bytes <= kScratchBytes || !session.within_frame()) return {};
    // One has to be possible, however small the queue is.
    const std::size_t bytes_max = std::max(options_.coordinator.queue_bytes_max,
                                           sizeof(protocol::FrameHeader) + protocol::kBodyBytesMax);
    if (unfinished_bytes_ + bytes > bytes_max) {
        return std::unexpected(Error{
            Errc::overloaded,
            fmt::format("a frame of {} bytes while the large frames of others that have begun "
                        "have {}: together at most {} (queue_bytes)",
                        bytes, unfinished_bytes_, bytes_max)});
    }
    session.unfinished_bytes = bytes;
    unfinished_bytes_ += bytes;
    return {};
}

/// False: not now; the frame stays where it is.
Result<bool> Server::take_frame(Session& session, const protocol::Frame& frame) {
    using protocol::Kind;
    if (frame.shared && frame.header.kind != Kind::publish && frame.header.kind != Kind::request) {
        copied_.assign(frame.body.begin(), frame.body.end());
        return take_frame(session, {frame.header, copied_, frame.bytes, /*shared=*/false});
    }
    if (!session.greeted) {
        if (auto greeted = greet(session, frame); !greeted) return std::unexpected(greeted.error());
        return true;
    }
    if (frame.header.kind == protocol::Kind::goodbye) {
        external_.lose(session);
        session.leaving = true;
        return true;
    }
    if (session.service || frame.header.kind == protocol::Kind::subscribe) {
        if (auto taken = external_.take_frame(session, frame); !taken)
            return std::unexpected(taken.error());
        return true;
    }
    switch (frame.header.kind) {
        case protocol::Kind::publish:
        case protocol::Kind::request:
            return accept_event(session, frame);
        case protocol::Kind::ask:
            if (auto checked = protocol::check_header(frame.header, /*greeted=*/true); !checked)
                return std::unexpected(checked.error());
            tell(session, frame);
            return true;
        default:
            return std::unexpected(
                Error{Errc::corrupt, fmt::format("a frame of kind {}, which clients do not send",
                                                 static_cast<unsigned>(frame.header.kind))});
    }
}

Result<> Server::greet(Session& session, const protocol::Frame& frame) {
    if (auto checked = protocol::check_header(frame.header, /*greeted=*/false); !checked)
        return checked;
    if (auto checked = protocol::check_greeting(frame, protocol::Kind::hello, "client"); !checked)
        return checked;
    auto place = client_places_.take(session.transport().client());
    if (!place) return std::unexpected(place.error());
    session.credit = room_for(session);
    if ((protocol::greeting_of(frame).flags & protocol::kSharesMemory) == 0) {
        session.welcome();
    } else if (options_.clients.shared_memory_bytes == 0) {
        return std::unexpected(
            Error{Errc::unsupported, "shared_memory of [clients] is off in this daemon"});
    } else if (auto welcomed =
                   session.welcome_in_shared_memory(options_.clients.shared_memory_bytes);
               !welcomed) {
        return welcomed;
    }
    session.greeted = true;
    session.place = std::move(*place);
    if (std::exchange(session.stranger, false)) --strangers_like(session);
    if (base::log::enabled(base::log::Level::debug)) {
        base::log::debug("client connected", {{"session", session.id()},
                                              {"peer", session.transport().peer()},
                                              {"medium", session.transport().medium()}});
    }
    return {};
}

Result<bool> Server::accept_event(Session& session, const protocol::Frame& frame) {
    CRUCIBLE_LEAK_POINT("session");
    const bool request = frame.header.kind == protocol::Kind::request;
    const auto body =
        protocol::read_event(frame.body, target_names_, frame.shared ? &copied_ : nullptr);
    if (!body) return std::unexpected(body.error());
    if (session.rate && !session.rate->holds_one(now_)) {
        pace(session);
        return false;
    }
    // Who keeps to its credit never comes here.
    if (exchange_.overflow() == Overflow::block && session.bytes_taken >= session.credit)
        return keep_waiting(session);
    // The lowest bit says which kind of answer is due.
    const std::uint64_t owner = session.id() << 1 | (request ? 1u : 0u);
    auto taken = exchange_.take({body->id, body->view, owner, frame.header.token, now_, request},
                                rules_.table(), [&](Event& event) {
                                    if (!frame.shared) return protocol::decode_body(*body, event);
                                    own_.assign(body->encoded.begin(), body->encoded.end());
                                    auto own = *body;
                                    own.encoded = own_;
                                    return protocol::decode_body(own, event);
                                });
    if (!taken) {
        if (taken.error().code != Errc::overloaded) return std::unexpected(taken.error());
        if (exchange_.overflow() == Overflow::block) return keep_waiting(session);
        answer(session, frame, {Outcome::rejected, {}, "the daemon's queue is full"});
    } else if (*taken) {
        answer(session, frame, **taken);
    } else {
        ++in_flight_;
        ++session.in_flight;
        session.bytes_in_flight += event_bytes(body->view);
        if (request) ++session.requests_in_flight;
    }
    if (session.rate) session.rate->take();
    session.count_event(frame.bytes);
    return true;
}

std::string Server::tcp_text() const {
    const auto& address = tcp_address();
    if (!address) return {};
    return address->text() + (options_.listen.plain_tcp_on_loopback ? " (plain)" : " (TLS)");
}

/// Answers a question about the daemon.
void Server::tell(Session& session, const protocol::Frame& question) {
    DaemonReport report{.socket = options_.socket.string(),
                        .tcp = tcp_text(),
                        .started = started_,
                        .clients = {},
                        .external = external_.report()};
    for (const auto& [id, client] : sessions_) {
        if (!client->greeted || client.get() == &session) continue;
        report.clients.push_back(
            {.session = id,
             .pid = client->pid(),
             .peer = client->transport().peer(),
             .medium = client->transport().medium(),
             .in_flight = client->in_flight,
             .unsent_bytes = client->unsent_bytes(),
             .credit_bytes = client->credit - std::min(client->credit, client->bytes_taken),
             .blocked = client->blocked});
    }
    std::ranges::sort(report.clients, {}, &ClientReport::session);
    const auto answer =
        answer_question(protocol::text_of(question), exchange_, options_.coordinator, report);
    protocol::append_text_frame(session.out(), protocol::Kind::tell, question.header.token, answer);
}

/// Of an event that has ended already.
void Server::answer(Session& session, const protocol::Frame& frame, const HandleResult& result) {
    if (frame.header.kind == protocol::Kind::request) {
        protocol::append_response(session.out(), frame.header.token, result);
    } else {
        session.acknowledge(frame.header.token, result.outcome);
    }
}

CoordinatorStats Server::stats() const noexcept {
    return exchange_.stats();
}

/// In the workers: hands the ends of a batch to the I/O thread and wakes it if it sleeps.
void Server::collect(std::span<const Completion> completions) {
    bool wake = false;
    {
        const std::lock_guard lock(ended_mutex_);
        for (const auto& [owner, token, result, bytes] : completions) {
            const bool request = (owner & 1u) != 0;
            ended_.push_back(
                {owner >> 1, token, result->outcome,
                 request ? std::make_unique<HandleResult>(std::move(*result)) : nullptr, bytes});
        }
        wake = std::exchange(waiting_, false);
    }
    if (wake) end_wait();
}

/// In any thread: events wait for an external service.
void Server::call(std::size_t instance) {
    external_.note(instance);
    bool wake = false;
    {
        const std::lock_guard lock(ended_mutex_);
        wake = std::exchange(waiting_, false);
    }
    if (wake) end_wait();
}

void Server::deliver_ended() {
    {
        const std::lock_guard lock(ended_mutex_);
        waiting_ = false;
        delivering_.swap(ended_);
    }
    in_flight_ -= delivering_.size();
    write_ends();
    if (!delivering_.empty()) unblock();
    delivering_.clear();
}

/// Gives what is delivered to its sessions.
void Server::write_ends() {
    const AllocationScope scope(kEndsOwner);
    Session* session = nullptr;
    for (const auto& ended : delivering_) {
        // Events of one session come in runs: mostly no lookup.
        if (session == nullptr || session->id() != ended.session) {
            const auto found = sessions_.find(ended.session);
            session = found == sessions_.end() ? nullptr : found->second.get();
            if (session == nullptr) continue;  // gone before its answer
            touch(*session);
        }
        --session->in_flight;
        session->bytes_in_flight -= ended.bytes;
        if (ended.response) {
            --session->requests_in_flight;
            protocol::append_response(session->out(), ended.token, *ended.response);
        } else {
            session->acknowledge(ended.token, ended.outcome);
        }
    }
}

void Server::begin_stop() {
    base::log::info("stopping", {{"events", in_flight_}});
    tell_manager(systemd::notify("STOPPING=1"));
    stop_deadline_ = base::monotonic_now() + options_.stop_limit;
    acceptor_->close();
    exchange_.end_scheduled();
    for (auto& [id, session] : sessions_) {
        // What was read is accepted and will be answered; what was not read was never ours.
        // Services go on, as long as somebody's events need them.
        session->leaving = session->greeted && !session->service;
        touch(*session);
    }
    external_.stop();
    // Those that never greeted have nothing to wait for.
    std::erase_if(sessions_, [this](const auto& entry) {
        if (entry.second->greeted) return false;
        unfinished_bytes_ -= entry.second->unfinished_bytes;
        return true;
    });
    clients_.connected.store(sessions_.size());
}

/// When stopping: whether everything is finished and sent. Every client then gets its goodbye and
/// is closed.
bool Server::stopped() {
    if (in_flight_ > 0 || exchange_.stats().queued > 0) return false;
    if (!std::exchange(goodbyes_said_, true)) {
        for (auto& [id, session] : sessions_) {
            protocol::append_goodbye(session->out());
            session->leaving = true;
            touch(*session);
        }
        settle_touched();
    }
    return sessions_.empty();
}

}  // namespace crucible::runtime
