#include "lab/target/http_target.h"

#include <fmt/format.h>

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "lab/http/connection.h"
#include "lab/http/request_template.h"
#include "lab/target/polled.h"
#include "lab/target/remarks.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

constexpr Duration kHttpConnectLimit = 5s;
constexpr Duration kRetryInterval = 50ms;
constexpr Duration kGoneAfter = 1s;
constexpr std::size_t kHttpReadBytes = 64 * 1024;
constexpr Duration kReadTogetherMax = 1us;
/// Requests that wait for a connection: bounded in bytes too, for large ones.
constexpr std::size_t kQueueBytesMax = std::size_t{256} << 20;

Result<RequestTemplate> load_template(const HttpOptions& options) {
    if (options.request_file.empty()) return RequestTemplate::cloud_events(options);
    const auto text = base::read_file(options.request_file);
    if (!text) return std::unexpected(text.error());
    return RequestTemplate::parse(*text, options.request_file, options);
}

class HttpTarget final : public PolledTarget {
public:
    static Result<std::unique_ptr<Target>> open(const HttpOptions& options,
                                                CompletionHandler handler) {
        auto request = load_template(options);
        if (!request) return std::unexpected(request.error());
        auto address = resolve(options.host, options.port);
        if (!address) return std::unexpected(address.error());
        SslContext context;
        if (options.tls) {
            auto made = make_ssl_context(options.verify, options.ca_file);
            if (!made) return std::unexpected(made.error());
            context = *std::move(made);
        }
        auto target = std::unique_ptr<HttpTarget>(new HttpTarget(
            options, *std::move(request), *address, std::move(context), std::move(handler)));
        if (const auto ready = target->connect_all(); !ready) return std::unexpected(ready.error());
        return target;
    }

    bool uses_events() const noexcept override { return !request_.is_constant(); }

    Result<> send(const Event& event, std::uint64_t token) override {
        if (const auto gone = gone_error()) return std::unexpected(*gone);
        request_text_.clear();
        request_.write(event, request_text_);
        // A connection may be taken only because its answer has not been read yet.
        if (queue_.empty() && free_link() == nullptr) serve(base::monotonic_now());
        if (Link* link = free_link(); link != nullptr && queue_.empty()) {
            send_on(*link, token, request_text_);
            return {};
        }
        if (queue_.size() >= options_.queue ||
            queue_bytes_ + request_text_.size() > kQueueBytesMax) {
            return std::unexpected(Error{Errc::overloaded, "every connection is in use"});
        }
        queue_bytes_ += request_text_.size();
        queue_.push_back({token, request_text_});
        return {};
    }

    void serve(TimePoint until) override {
        std::array<epoll_event, 64> events;
        const TimePoint before = base::monotonic_now();
        const TimePoint waking = std::min(until, next_retry_);
        const auto wait = std::max(waking - before, Duration::zero());
        const timespec limit{.tv_sec = wait / 1s, .tv_nsec = (wait % 1s) / 1ns};
        const int count = ::epoll_pwait2(epoll_.get(), events.data(),
                                         static_cast<int>(events.size()), &limit, nullptr);
        // Taken once, before the first response is read: what has arrived had arrived by now.
        const TimePoint now = base::monotonic_now();
        now_ = now;
        note_wall_offset(now);
        completions_.clear();
        for (int i = 0; i < count; ++i) {
            auto& link = *links_[events[static_cast<std::size_t>(i)].data.u32];
            handle(link, events[static_cast<std::size_t>(i)].events);
        }
        if (now >= next_retry_) reconnect();
        send_queued();
        hand_on();
    }

    std::string remarks() const override { return remarks_.text(); }

private:
    struct Link {
        Link(std::uint32_t place, const HttpOptions& options)
            : number(place), connection(!options.contains.empty(), options.pipeline > 1) {}
        std::uint32_t number;
        Connection connection;
        Connection::Interest watched{.read = false, .write = false};
        bool free = false;  ///< in free_
    };

    HttpTarget(const HttpOptions& options, RequestTemplate request, const ServerAddress& address,
               SslContext context, CompletionHandler handler)
        : options_(options),
          request_(std::move(request)),
          address_(address),
          context_(std::move(context)),
          handler_(std::move(handler)),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          scratch_(kHttpReadBytes) {
        for (std::uint32_t i = 0; i < options.connections; ++i)
            links_.push_back(std::make_unique<Link>(i, options));
    }

    std::string server() const {
        return fmt::format("{}://{}", options_.tls ? "https" : "http", options_.host_header());
    }

    Result<> connect_all() {
        for (auto& link : links_) begin_connect(*link);
        const TimePoint deadline = base::monotonic_now() + kHttpConnectLimit;
        while (open_count() < links_.size()) {
            if (last_failure_)
                return std::unexpected(Error{
                    last_failure_->code, fmt::format("{}: {}", server(), last_failure_->message)});
            const TimePoint now = base::monotonic_now();
            if (now >= deadline) {
                return std::unexpected(
                    Error{Errc::timeout,
                          fmt::format("{}: {} of {} connections were made in {} s", server(),
                                      open_count(), links_.size(), kHttpConnectLimit / 1s)});
            }
            serve(deadline);
        }
        return {};
    }

    std::size_t open_count() const {
        return static_cast<std::size_t>(std::ranges::count_if(links_, [](const auto& link) {
            return link->connection.state() == Connection::State::open;
        }));
    }

    std::size_t outstanding() const override {
        std::size_t count = queue_.size();
        for (const auto& link : links_) count += link->connection.in_flight();
        return count;
    }

    void begin_connect(Link& link) {
        const auto begun = link.connection.connect(address_, context_.get(),
                                                   options_.verify ? options_.host : std::string());
        link.watched = {.read = false, .write = false};
        if (!begun) return fail(link, begun.error());
        watch(link);
    }

    /// Keeps the descriptor's watch as the connection wants it.
    void watch(Link& link) {
        const auto wanted = link.connection.interest();
        if (wanted == link.watched) return;
        epoll_event event{};
        event.events = (wanted.read ? EPOLLIN : 0u) | (wanted.write ? EPOLLOUT : 0u);
        event.data.u32 = link.number;
        const bool added = link.watched.read || link.watched.write;
        ::epoll_ctl(epoll_.get(), added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                    link.connection.descriptor(), &event);
        link.watched = wanted;
    }

    bool has_room(const Link& link) const {
        return link.connection.state() == Connection::State::open && !link.connection.ending() &&
               link.connection.in_flight() < options_.pipeline;
    }

    void note_free(Link& link) {
        if (link.free || !has_room(link)) return;
        link.free = true;
        free_.push_back(&link);
    }

    /// A connection with room for a request, at the front of free_. The one that was free longest,
    /// so that all are used.
    Link* free_link() {
        while (!free_.empty() && !has_room(*free_.front())) {
            free_.front()->free = false;
            free_.pop_front();
        }
        return free_.empty() ? nullptr : free_.front();
    }

    void send_on(Link& link, std::uint64_t token, std::string_view request) {
        link.free = false;
        free_.pop_front();
        const auto sent = link.connection.send(token, request);
        if (!sent) return fail(link, sent.error());
        note_free(link);
        watch(link);
    }

    void send_queued() {
        while (!queue_.empty()) {
            Link* link = free_link();
            if (link == nullptr) return;
            const auto waiting = std::move(queue_.front());
            queue_.pop_front();
            queue_bytes_ -= waiting.request.size();
            send_on(*link, waiting.token, waiting.request);
        }
    }

    void handle(Link& link, std::uint32_t events) {
        if (link.connection.state() == Connection::State::closed) return;
        const bool was_open = link.connection.state() == Connection::State::open;
        if (!was_open || (events & EPOLLOUT) != 0) {
            if (const auto advanced = link.connection.advance(); !advanced)
                return fail(link, advanced.error());
            if (!was_open && link.connection.state() == Connection::State::open) {
                last_failure_.reset();
                failing_since_.reset();
            }
        }
        if (link.connection.state() == Connection::State::open &&
            (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            const auto received = link.connection.receive(
                scratch_, [this, &link](std::uint64_t token, const ResponseReader& response) {
                    complete(token, response, arrival(link.connection));
                });
            if (!received) return fail(link, received.error());
            if (link.connection.ending()) return reopen(link);
        }
        note_free(link);
        watch(link);
    }

    /// Both clocks are read at once, or nearly: where something came between the readings, the
    /// offset before is the better one.
    void note_wall_offset(TimePoint before) {
        const WallTime wall = base::wall_now();
        const TimePoint after = base::monotonic_now();
        if (wall_offset_ && after - before > kReadTogetherMax) return;
        wall_offset_ = wall.time_since_epoch() - (before + (after - before) / 2).time_since_epoch();
    }

    /// When what is read of the connection arrived, on our clock.
    TimePoint arrival(const Connection& connection) const {
        const auto stamp = connection.arrived();
        if (!stamp) return now_;
        // The wall clock may have been stepped since.
        return std::clamp(TimePoint(stamp->time_since_epoch() - *wall_offset_), handed_on_, now_);
    }

    /// In the order in which they arrived.
    void hand_on() {
        std::ranges::stable_sort(completions_, {}, &Arrived::at);
        for (const auto& [at, completion] : completions_) handler_({&completion, 1}, at);
        if (!completions_.empty()) handed_on_ = completions_.back().at;
        completions_.clear();
    }

    void complete(std::uint64_t token, const ResponseReader& response, TimePoint at) {
        const bool status_fits =
            response.status() >= options_.status_low && response.status() <= options_.status_high;
        const bool body_fits = options_.contains.empty() ||
                               response.body().find(options_.contains) != std::string::npos;
        if (!status_fits) {
            remarks_.add(fmt::format("status {}", response.status()));
        } else if (!body_fits) {
            remarks_.add(fmt::format("a body without '{}'", options_.contains));
        }
        completions_.push_back(
            {at, {token, status_fits && body_fits ? Outcome::handled : Outcome::failed}});
    }

    /// The server has said that it closes: what it has not answered it has not taken.
    void reopen(Link& link) {
        auto untaken = link.connection.take_pending();
        for (auto again = untaken.rbegin(); again != untaken.rend(); ++again) {
            queue_bytes_ += again->request.size();
            queue_.push_front({again->token, std::move(again->request)});
        }
        begin_connect(link);
    }

    void fail(Link& link, const Error& error) {
        const bool was_open = link.connection.state() == Connection::State::open;
        note_lost(link, error.message);
        link.connection.close();
        link.watched = {.read = false, .write = false};
        const TimePoint now = base::monotonic_now();
        if (was_open && error.code == Errc::closed) return begin_connect(link);
        if (!was_open) {
            last_failure_ = error;
            if (!failing_since_) failing_since_ = now;
        }
        next_retry_ = std::min(next_retry_, now + kRetryInterval);
    }

    void note_lost(Link& link, const std::string& why) {
        for (std::size_t i = 0; i < link.connection.in_flight(); ++i)
            remarks_.add(fmt::format("lost: {}", why));
    }

    void reconnect() {
        next_retry_ = TimePoint::max();
        for (auto& link : links_)
            if (link->connection.state() == Connection::State::closed) begin_connect(*link);
    }

    /// Set when no connection could be made for some time.
    std::optional<Error> gone_error() const override {
        if (!failing_since_ || open_count() > 0) return std::nullopt;
        if (base::monotonic_now() - *failing_since_ < kGoneAfter) return std::nullopt;
        return Error{Errc::closed, fmt::format("{}: {}", server(), last_failure_->message)};
    }

    const HttpOptions options_;
    RequestTemplate request_;
    const ServerAddress address_;
    const SslContext context_;
    CompletionHandler handler_;
    base::UniqueFd epoll_;
    std::vector<std::unique_ptr<Link>> links_;
    std::deque<Link*> free_;
    std::deque<Connection::Pending> queue_;
    std::size_t queue_bytes_ = 0;
    std::string request_text_;
    std::vector<char> scratch_;
    struct Arrived {
        TimePoint at;
        Completion completion;
    };
    std::vector<Arrived> completions_;
    TimePoint now_;                        ///< of the present serve()
    TimePoint handed_on_;                  ///< the last arrival of the ones before
    std::optional<Duration> wall_offset_;  ///< wall clock minus monotonic clock
    TimePoint next_retry_ = TimePoint::max();
    std::optional<Error> last_failure_;
    std::optional<TimePoint> failing_since_;
    Remarks remarks_;
};

}  // namespace

Result<std::unique_ptr<Target>> open_http(const HttpOptions& options,
                                          CompletionHandler on_completion) {
    return HttpTarget::open(options, std::move(on_completion));
}

Result<> check_request_file(const HttpOptions& options) {
    const auto request = load_template(options);
    if (!request) return std::unexpected(request.error());
    return {};
}

}  // namespace crucible::lab
