// An event loop as servers have them: epoll over a timer and a socket, events that arrive encoded,
// are decoded, told on as CloudEvents and kept for a while.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "allocation_overhead/programs.h"
#include "base/clock.h"
#include "base/file.h"
#include "lab/stats/robust.h"
#include "lab/workload/workload.h"
#include "runtime/event/cloud_event.h"
#include "runtime/event/wire.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

/// Light: the loop has nothing to do most of the time.
constexpr Duration kInterval = 1ms;
constexpr std::uint64_t kWarmUpEvents = 100;
constexpr std::size_t kPayloadBytes = 512;
constexpr std::size_t kKeptEvents = 512;
constexpr std::size_t kEncodedMost = 64u << 10;
constexpr std::size_t kReplyMost = 64;

std::unexpected<Error> loop_error(std::string_view what) {
    return std::unexpected(base::errno_error(what, errno));
}

class EventLoop {
public:
    static Result<EventLoop> make() {
        EventLoop loop;
        std::array<int, 2> ends{-1, -1};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) !=
            0)
            return loop_error("socketpair");
        loop.publisher_ = base::UniqueFd(ends[0]);
        loop.service_ = base::UniqueFd(ends[1]);
        loop.timer_ = base::UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
        loop.epoll_ = base::UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
        for (const auto* fd : {&loop.timer_, &loop.publisher_, &loop.service_}) {
            epoll_event wanted{.events = EPOLLIN, .data = {.fd = fd->get()}};
            if (::epoll_ctl(loop.epoll_.get(), EPOLL_CTL_ADD, fd->get(), &wanted) != 0)
                return loop_error("epoll_ctl");
        }
        return loop;
    }

    /// Seconds from when each event was due until its answer was back.
    Result<std::vector<double>> run(std::uint64_t events) {
        latencies_.reserve(events);
        start_ = base::monotonic_now() + kInterval;
        if (auto armed = arm(0); !armed) return std::unexpected(armed.error());
        std::array<epoll_event, 4> ready{};
        while (latencies_.size() < events) {
            const int count =
                ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), -1);
            if (count < 0 && errno != EINTR) return loop_error("epoll_wait");
            for (int i = 0; i < count; ++i) {
                const int fd = ready[static_cast<std::size_t>(i)].data.fd;
                auto done = fd == timer_.get()     ? publish_due()
                            : fd == service_.get() ? handle()
                                                   : take_answer();
                if (!done) return std::unexpected(done.error());
            }
        }
        return std::move(latencies_);
    }

private:
    EventLoop() : workload_({.payload = lab::PayloadSizes::fixed(kPayloadBytes)}) {}

    TimePoint due(std::uint64_t index) const { return start_ + kInterval * index; }

    Result<> arm(std::uint64_t index) {
        const auto at = due(index).time_since_epoch();
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(at);
        const itimerspec when{
            .it_interval = {},
            .it_value = {.tv_sec = seconds.count(), .tv_nsec = (at - seconds).count()}};
        if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr) != 0)
            return loop_error("timerfd_settime");
        return {};
    }

    /// All that are due by now, and the timer for the next.
    Result<> publish_due() {
        for (; due(published_) <= base::monotonic_now(); ++published_) {
            Event event;
            workload_.fill(published_, 0, 1, event);
            event.created = base::wall_now();
            std::vector<std::byte> bytes;
            if (auto encoded = runtime::encode_event(event, bytes); !encoded) return encoded;
            if (::send(publisher_.get(), bytes.data(), bytes.size(), 0) < 0) {
                // The socket is full: the timer comes again when it no longer is.
                if (errno == EAGAIN) break;
                return loop_error("send");
            }
        }
        return arm(published_);
    }

    Result<> handle() {
        const auto size = ::recv(service_.get(), received_.data(), received_.size(), 0);
        if (size < 0) return errno == EAGAIN ? Result<>{} : loop_error("recv");
        Event event;
        const auto bytes = std::span(received_).first(static_cast<std::size_t>(size));
        if (auto decoded = runtime::decode_event(bytes, event); !decoded) return decoded;
        const auto told = runtime::from_cloud_event(runtime::to_cloud_event(event));
        if (!told) return std::unexpected(told.error());
        ++by_type_[told->type];
        kept_.push_back(*told);
        if (kept_.size() > kKeptEvents) kept_.pop_front();
        if (::send(service_.get(), event.id.bytes.data(), event.id.bytes.size(), 0) < 0)
            return loop_error("send");
        return {};
    }

    Result<> take_answer() {
        std::array<std::byte, kReplyMost> answer{};
        if (::recv(publisher_.get(), answer.data(), answer.size(), 0) < 0)
            return errno == EAGAIN ? Result<>{} : loop_error("recv");
        const auto spent = base::monotonic_now() - due(latencies_.size());
        latencies_.push_back(std::chrono::duration<double>(spent).count());
        return {};
    }

    base::UniqueFd publisher_;
    base::UniqueFd service_;
    base::UniqueFd timer_;
    base::UniqueFd epoll_;
    lab::Workload workload_;
    TimePoint start_;
    std::uint64_t published_ = 0;
    std::vector<double> latencies_;
    alignas(8) std::array<std::byte, kEncodedMost> received_{};
    std::map<std::string, std::uint64_t> by_type_;
    std::deque<Event> kept_;
};

}  // namespace

Result<ProgramResult> event_loop(std::uint64_t events) {
    auto loop = EventLoop::make();
    if (!loop) return std::unexpected(loop.error());
    auto latencies = loop->run(events + kWarmUpEvents);
    if (!latencies) return std::unexpected(latencies.error());
    latencies->erase(latencies->begin(),
                     latencies->begin() + static_cast<std::ptrdiff_t>(kWarmUpEvents));
    std::ranges::sort(*latencies);
    return ProgramResult{lab::stats::interpolated_quantile(*latencies, 0.99), events};
}

}  // namespace crucible::bench
