#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/brief_spin.h"
#include "base/file.h"
#include "crucible/coordinator.h"
#include "crucible/error.h"
#include "runtime/daemon/acceptor.h"
#include "runtime/daemon/client_counts.h"
#include "runtime/daemon/client_places.h"
#include "runtime/daemon/due_times.h"
#include "runtime/daemon/log_throttle.h"
#include "runtime/daemon/metrics_endpoint.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/server_options.h"
#include "runtime/daemon/session.h"
#include "runtime/dispatch/exchange.h"
#include "runtime/route/rule_book.h"

namespace crucible::runtime {

/// The centralized architecture: one process's queues, workers, services and database handle,
/// behind a socket. One I/O thread (run()'s caller) reads frames and writes acknowledgements; the
/// exchange's workers run services.
class Server {
public:
    /// Listens, then opens the services. - the errors of Acceptor::open() and ServiceSet::open().
    /// - Errc::invalid_argument: an option is out of range. - the errors of load_rules().
    static Result<std::unique_ptr<Server>> open(const ServerOptions& options);
    /// The same over services that are already open (`options.coordinator.services` is not used).
    static Result<std::unique_ptr<Server>> open(const ServerOptions& options,
                                                std::unique_ptr<ServiceSet> services);

    /// Serves until request_stop(); then finishes what was accepted, sends its acknowledgements and
    /// returns.
    /// - Errc::timeout: not all was finished and sent within stop_limit. - Errc::closed: a second
    /// request_stop() cut
    ///   that short. - Errc::io: epoll failed.
    Result<> run();

    /// From any thread or signal handler. A second call ends run() without finishing.
    void request_stop() noexcept;

    /// From any thread or signal handler: reads the rule file and the certificates again. What is
    /// not valid changes nothing; the log says which it was.
    void request_reload() noexcept;

    CoordinatorStats stats() const noexcept;
    /// Of the metrics endpoint; 0 when there is none.
    std::uint16_t metrics_port() const noexcept;
    /// Where it listens over TCP, with the port that was chosen; nothing when it does not.
    const std::optional<TcpAddress>& tcp_address() const noexcept {
        return acceptor_->tcp_address();
    }
    /// "127.0.0.1:7420 (TLS)"; empty where it does not.
    std::string tcp_text() const;
    const ClientCounts& clients() const noexcept { return clients_; }

private:
    /// The end of an event, on its way from a worker to the I/O thread.
    struct Ended {
        std::uint64_t session = 0;
        std::uint64_t token = 0;
        Outcome outcome = Outcome::handled;
        std::unique_ptr<HandleResult> response;  ///< for requests
        std::size_t bytes = 0;                   ///< of the event
    };

    /// epoll_event::data of sessions count from here.
    static constexpr std::uint64_t kFirstSession = 16;

    Server(const ServerOptions& options, const ExchangeOptions& exchange,
           std::unique_ptr<Acceptor> acceptor, std::unique_ptr<ServiceSet> services,
           base::UniqueFd epoll, base::UniqueFd wake);
    static Result<std::unique_ptr<Server>> open(const ServerOptions& options,
                                                std::unique_ptr<Acceptor> acceptor,
                                                std::unique_ptr<ServiceSet> services);

    Result<> watch_own();
    Result<> open_metrics();
    Result<int> wait_for_events();
    int await(std::span<epoll_event> events, int timeout_ms);
    void accept_from(std::size_t listener);
    void handle_event(std::uint64_t id, std::uint32_t events);
    void admit(Newcomer client);
    void read_from(Session& session);
    void read_held();
    void process_input(Session& session);
    Result<> count_unfinished(Session& session);
    Result<bool> take_frame(Session& session, const protocol::Frame& frame);
    Result<> greet(Session& session, const protocol::Frame& frame);
    Result<bool> accept_event(Session& session, const protocol::Frame& frame);
    std::uint64_t room_for(const Session& session) const;
    void raise_credit(Session& session);
    void await_room(Session& session);
    bool keep_waiting(Session& session);
    void unblock();
    void reload();
    void tell(Session& session, const protocol::Frame& question);
    void answer(Session& session, const protocol::Frame& frame, const HandleResult& result);
    void collect(std::span<const Completion> completions);
    void deliver_ended();
    void write_ends();
    std::optional<TimePoint> next_deadline() const;
    void look_again(TimePoint time, const Session& session, DueFor why);
    void look_at_due();
    void end_if_idle(Session& session, TimePoint now);
    void watch_reading(Session& session, std::size_t sent);
    void end_if_slow(Session& session, TimePoint now);
    void pace(Session& session);
    std::size_t& strangers_like(const Session& session) noexcept {
        return session.pid() == 0 ? remote_strangers_ : local_strangers_;
    }
    void touch(Session& session) { touched_.push_back(session.id()); }
    void settle_touched();
    void settle(Session& session);
    void warn_closed(const Session& session, ClosedFor reason, std::string_view why);
    void fail(Session& session, ClosedFor reason, const Error& error);
    void close(Session& session);
    void call(std::size_t instance);
    void end_wait() noexcept;
    void begin_stop();
    bool stopped();

    const ServerOptions options_;
    const std::unique_ptr<Acceptor> acceptor_;
    base::UniqueFd epoll_;
    base::UniqueFd wake_;
    std::unique_ptr<ServiceSet> services_;

    const TimePoint started_;
    std::atomic<int> stop_requests_ = 0;
    std::optional<TimePoint> stop_deadline_;  ///< set once stopping
    bool goodbyes_said_ = false;

    ClientPlaces client_places_;  ///< before sessions_, which have them
    std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
    std::uint64_t next_session_ = 0;
    // Sessions with Session::stranger:
    std::size_t remote_strangers_ = 0;
    std::size_t local_strangers_ = 0;      ///< of processes on this host, over the Unix socket
    std::size_t in_flight_ = 0;            ///< accepted, and not delivered to deliver_ended() yet
    std::size_t unfinished_bytes_ = 0;     ///< Session::unfinished_bytes of all
    DueTimes due_;                         ///< the sessions may have gone or changed since
    std::vector<std::uint64_t> readable_;  ///< sessions to read from without waiting for epoll
    std::vector<std::uint64_t> touched_;   ///< sessions to settle at the end of this loop turn
    std::vector<std::byte> scratch_;       ///< what was just received, whoever from
    protocol::Buffer copied_;              ///< of a frame that its sender may still change
    protocol::Buffer own_;                 ///< the encoded event of such a frame
    std::vector<std::string_view> target_names_;  ///< of the event at hand
    TimePoint now_;                               ///< when the input at hand was received
    base::BriefSpin spin_;
    std::deque<std::uint64_t> awaiting_room_;  ///< sessions, for their next event or for credit
    std::vector<Ended> delivering_;

    std::mutex ended_mutex_;
    std::vector<Ended> ended_;
    bool waiting_ = false;  ///< the I/O thread sleeps, or is about to, and nobody has woken it

    ExternalServices external_;
    Exchange exchange_;  ///< behind what its threads use
    RuleReader rules_;
    std::atomic<bool> reload_requested_ = false;
    std::atomic<bool> reloading_ = false;
    std::atomic<bool> reload_again_ = false;  ///< asked for while one was under way
    std::jthread reloader_;
    ClientCounts clients_;
    LogThrottle strangers_log_;  ///< of those closed before they greeted
    std::unique_ptr<MetricsEndpoint> metrics_;
};

}  // namespace crucible::runtime
