#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/rng.h"
#include "crucible/coordinator.h"
#include "crucible/error.h"
#include "runtime/dispatch/dispatcher.h"
#include "runtime/dispatch/joint_delivery.h"
#include "runtime/dispatch/task.h"
#include "runtime/dispatch/task_pool.h"
#include "runtime/route/circuit_breaker.h"
#include "runtime/route/dead_letters.h"
#include "runtime/route/health_check.h"
#include "runtime/route/instance_states.h"
#include "runtime/route/retry.h"
#include "runtime/route/rule_book.h"
#include "runtime/route/seen_events.h"
#include "runtime/route/timer_queue.h"
#include "runtime/service/health_registry.h"
#include "runtime/service/service_set.h"

namespace crucible::runtime {

/// What happens to an event that comes while the queue is full.
enum class Overflow : std::uint8_t {
    reject,  ///< it is refused
    block,   ///< its publisher waits
    shed,    ///< a waiting event of a lower priority is rejected in its place, the lowest first
};
std::string_view to_string(Overflow overflow) noexcept;
Result<Overflow> parse_overflow(std::string_view name);

struct ExchangeOptions {
    DispatcherOptions dispatch;
    std::size_t queue_events_max = 65'536;  ///< accepted and not ended, at least 1
    std::size_t queue_bytes_max =
        256u << 20;  ///< the same in bytes; one event is let in whatever its size
    Overflow overflow = Overflow::reject;
    RetryPolicy retry;
    CircuitBreaker::Options breaker;
    HealthCheckOptions health;  ///< `interval` 0: services are not checked
    /// `events_max` 0: repeated events are not looked for.
    SeenEvents::Options seen;
    DeadLetters::Options dead_letters;
};

/// The end of one event. `result` may be moved from; it is gone after the call.
struct Completion {
    std::uint64_t owner = 0;
    std::uint64_t token = 0;
    HandleResult* result = nullptr;
    std::size_t bytes = 0;  ///< of the event, as event_bytes() says of its Arrival
};

/// Called from the exchange's threads, from several at the same time. It may not call the exchange.
using CompletionSink = std::function<void(std::span<const Completion>)>;

/// An owner that is not told of the end.
inline constexpr std::uint64_t kNobody = ~std::uint64_t{0};

/// What is known of one service instance now.
struct InstanceReport {
    std::size_t index = 0;  ///< ServiceSet's
    std::string name;
    Category category = Category::custom;
    CircuitBreaker::State breaker = CircuitBreaker::State::closed;
    Health health = Health::healthy;
    std::size_t events = 0;         ///< given to it and not ended
    std::uint64_t handed_over = 0;  ///< attempts that have ended
    std::uint64_t failed = 0;       ///< of those, with `failed`
};

/// What the queue has left.
struct QueueRoom {
    std::size_t events = 0;
    std::size_t bytes = 0;
};

struct ExchangeReport {
    CoordinatorStats events;
    std::size_t queued_bytes = 0;
    std::uint64_t shed = 0;     ///< rejected to make room for others
    std::uint64_t retries = 0;  ///< attempts after an event's first
    std::size_t waiting_for_retry = 0;
    std::size_t scheduled = 0;  ///< whose time has not come
    SeenEvents::Stats seen;
    DeadLetters::Stats dead_letters;
};

/// Takes events in, brings each to its services and says how it ended: rules, repeated events,
/// circuit breakers, retries, dead letters and the limits of the queue. One in each process of
/// either architecture, so that they differ only in where it lives; docs/design/routing.md.
/// All members may be called from any thread, except the destructor.
class Exchange {
public:
    /// `services` outlive the exchange. `call`: for whoever carries the events of external
    /// instances to them, see take_waiting(); needed where there are places for such.
    Exchange(const ExchangeOptions& options, const ServiceSet& services, CompletionSink sink,
             ExternalCall call = {});
    /// Finishes the batches being run; what still waits is dropped and gets no completion. drain()
    /// first to have it handled.
    ~Exchange();

    /// An event at the door.
    struct Arrival {
        const Uuid& id;
        const EventView& view;
        std::uint64_t owner = 0;
        std::uint64_t token = 0;
        TimePoint now;                ///< a moment old at most
        bool wants_response = false;  ///< of its service; else only the outcome is told
    };

    /// Takes an event; nothing when its end will come as a completion, or how it has ended already:
    /// no service wants it, a rule drops it, it was handled before, nothing is to be done. One that
    /// is scheduled waits in the queue until its time, and is then routed as of then.
    /// An event of the nil id is nobody's repeat. `fill(Event&) -> Result<>` makes the event, and
    /// is called only when it is taken and has to be handed to somebody. `table` is that of
    /// rules(), as the calling thread sees it.
    /// - Errc::overloaded: the queue is full and nothing can be shed; without a message, and
    ///   nothing was taken. With Overflow::block, wait_for_room() and try again.
    /// - Errc::closed: close() was called. - the errors of `fill`.
    template <typename Fill>
    Result<std::optional<HandleResult>> take(const Arrival& arrival, const RuleTable& table,
                                             const Fill& fill) {
        return take_by(arrival, table, FillRef(fill));
    }

    /// How many events have ended; for wait_for_room(), to be asked before take().
    std::uint64_t ended() const noexcept { return ended_.load(); }
    /// Returns when more have, or close() was called, or after a while.
    void wait_for_room(std::uint64_t ended_before);

    RuleBook& rules() noexcept { return rules_; }
    /// The names of the instances that `event` would go to now: for people who ask. A pool's turn
    /// moves on. - Errc::failed: none; the message is the reason it would be rejected with.
    Result<std::vector<std::string>> places_of(const EventView& event) const;
    /// What the conditions of rules are judged by now, `now` included.
    RouteState route_state() const noexcept;

    // External instances: for the one thread that carries events to them and brings the ends back.
    // At first each is unhealthy: nobody is there.

    /// Up to `count` events that wait for that instance, in their order, to the end of `out`; those
    /// whose deadline has passed end. True when more wait; else `call` is called with the next.
    bool take_waiting(std::size_t instance, std::size_t count, std::vector<TaskPtr>& out);
    /// How attempts at events of take_waiting() have ended, all of one instance.
    void attempted(std::span<TaskPtr> tasks, std::span<HandleResult> results);
    /// Nobody will say how the attempts at `unanswered` ended, in the order in which they were
    /// taken; together they count as one failure of the instance. Those that may be tried again go
    /// before what waits for it, and all is handed out as by reassign().
    void lose(std::size_t instance, std::vector<TaskPtr> unanswered);
    /// Hands what waits for that instance to others that can take it, in its order; the rest waits
    /// on. What waits for a place that nobody has ends.
    void reassign(std::size_t instance);
    void set_health(std::size_t instance, Health health) noexcept {
        states_.set_health(instance, health);
    }

    /// Waits until everything taken has ended and its completion was delivered, at most `limit`.
    /// Events taken meanwhile count too. - Errc::timeout.
    Result<> drain(Duration limit);

    /// Takes nothing any more; what was taken is still handled.
    void close() noexcept;

    /// Rejects the events whose time has not come, and has none wait for a circuit breaker from now
    /// on: for who stops before that ends.
    void end_scheduled();

    /// Consistent at any moment: published = handled + rejected + failed + expired + queued.
    CoordinatorStats stats() const noexcept;
    Overflow overflow() const noexcept { return options_.overflow; }
    /// A moment old.
    QueueRoom room() const noexcept;

    ExchangeReport report() const;
    std::vector<InstanceReport> instances() const;

    /// Calls `look` with the letters, the oldest first. Nothing dies meanwhile: be brief.
    void read_dead_letters(const std::function<void(const std::deque<DeadLetter>&)>& look) const;
    /// Takes that dead letter in again, as a new event with the same id and its first attempt. A
    /// deadline that has passed holds no more.
    /// - Errc::not_found: no such letter. - Errc::overloaded, Errc::closed: it stays dead.
    /// - Errc::failed: the same, with the reason why it ended at once.
    Result<> replay(std::uint64_t number);
    /// Throws that dead letter away. - Errc::not_found.
    Result<> discard(std::uint64_t number);

private:
    /// A reference to take()'s callable.
    class FillRef {
    public:
        template <typename Fill>
        explicit FillRef(const Fill& fill)
            : fill_(&fill), call_([](const void* object, Event& event) -> Result<> {
                  return (*static_cast<const Fill*>(object))(event);
              }) {}
        Result<> operator()(Event& event) const { return call_(fill_, event); }

    private:
        const void* fill_;
        Result<> (*call_)(const void*, Event&);
    };

    struct Instance {
        explicit Instance(const CircuitBreaker::Options& options,
                          CircuitBreaker::ChangeHandler on_change)
            : breaker(options, std::move(on_change)) {}
        CircuitBreaker breaker;
        std::atomic<std::uint64_t> handed_over = 0;
        std::atomic<std::uint64_t> failed = 0;
        std::size_t awaiting_breaker = 0;  ///< events; under timer_mutex_
    };
    /// Where an event goes.
    struct Places {
        std::vector<std::size_t> instances;  ///< more than one, or none
        std::size_t one = 0;                 ///< when `instances` is empty
    };
    /// Tasks that have ended for good, and how. A worker's own, or the timer's; reused.
    struct Ends {
        std::vector<TaskPtr> tasks;
        std::vector<HandleResult*> results;  ///< of the tasks, in their order
        std::vector<Completion> completions;
        std::uint64_t events = 0;  ///< that have ended: of several copies, and of owners nobody too
        std::deque<HandleResult> answers;  ///< for whoever published the same event again
    };
    struct Check {
        std::size_t instance = 0;
        HealthCheck check;
    };
    struct Repeat {
        std::uint64_t owner = 0;
        std::uint64_t token = 0;
        std::size_t bytes = 0;
        bool wants_response = false;
    };
    struct UuidHash {
        std::size_t operator()(const Uuid& id) const noexcept;
    };

    Result<std::optional<HandleResult>> take_by(const Arrival& arrival, const RuleTable& table,
                                                FillRef fill);
    std::optional<HandleResult> take_repeat(const Arrival& arrival,
                                            const SeenEvents::Sighting& sighting);
    Result<std::optional<HandleResult>> take_first(const Arrival& arrival, const Places& places,
                                                   FillRef fill);
    Result<std::optional<HandleResult>> take_for_later(TaskPtr task);
    Result<std::optional<HandleResult>> take_for_one(TaskPtr task);
    void take_for_several(TaskPtr task, std::span<const std::size_t> instances);
    std::optional<HandleResult> find_places(const EventView& view, const RuleTable& table,
                                            Places& places) const;
    double queue_fill() const noexcept;
    bool acknowledged_unseen(const Places& places) const;
    std::size_t stand_in(const EventView& view, std::size_t instance) const noexcept;

    Result<> reserve(std::size_t events, std::size_t bytes) noexcept;
    Result<> make_room(std::size_t events, std::size_t bytes, Priority priority);
    void release(std::size_t events, std::size_t bytes) noexcept;

    Result<> hand_over(TaskPtr& task);
    Result<> hand_over_or_shed(TaskPtr& task);
    void after_attempts(Ends& ends, std::span<TaskPtr> tasks, std::span<HandleResult> results);
    void count_attempt(Task& task) const;
    bool try_again(TaskPtr& task, bool own_fault = false);
    bool may_lack_another(const Task& task) const noexcept;
    bool await_breaker(TaskPtr& task);
    bool wait_until(TimePoint due, TaskPtr& task);
    void end(TaskPtr task, HandleResult& result);
    void end_all(Ends& ends);
    void end_shed(TaskPtr task, Priority priority);
    void deliver(Ends& ends);
    void tell_waiters();
    void tell_repeats(const Uuid& id, const HandleResult& result);
    void answer_repeats(const Uuid& id, const HandleResult& result, Ends& ends);
    void bury(const Task& task, std::string_view reason);
    void bury(const Task& task, const JointDelivery::Failure& failure, std::string_view reason);

    void breaker_changed(std::size_t instance, CircuitBreaker::State state, bool admits);
    void begin_checks();
    std::optional<TimePoint> refresh_checks(TimePoint now);
    void check_ended(std::size_t instance, std::uint64_t number, CheckResult result);
    void health_changed(std::size_t instance, Health health);
    void poke_timer();
    void run_timer(const std::stop_token& stop);
    void begin_scheduled(TaskPtr task);
    void hand_over_again(TaskPtr task);
    void hand_over_or_wait(TaskPtr task);
    void hand_out(std::size_t instance, std::span<TaskPtr> tasks);
    void end_deserted(TaskPtr task, std::string reason);

    const ExchangeOptions options_;
    const ServiceSet& services_;
    const CompletionSink sink_;
    RuleBook rules_;
    InstanceStates states_;
    std::deque<Instance> instances_;
    std::optional<SeenEvents> seen_;
    TaskPool pool_;

    // Publishers write the first group for each event, workers the second once for each batch.
    alignas(64) std::atomic<std::size_t> queued_events_ = 0;
    std::atomic<std::size_t> queued_bytes_ = 0;
    std::atomic<std::uint64_t> published_ = 0;             ///< those that ended at once apart
    std::array<std::atomic<std::uint64_t>, 4> at_once_{};  ///< by Outcome
    std::atomic<std::uint64_t> shed_ = 0;
    std::atomic<bool> closed_ = false;
    std::atomic<bool> hurried_ = false;  ///< nobody waits for a circuit breaker any more
    alignas(64) std::array<std::atomic<std::uint64_t>, 4> outcomes_{};  ///< by Outcome
    std::atomic<std::uint64_t> ended_ = 0;                              ///< completions delivered
    std::atomic<std::uint64_t> retries_ = 0;
    /// Events that failed by no fault of their own, and have not ended.
    std::atomic<std::size_t> being_retried_ = 0;

    std::atomic<std::uint32_t> waiters_ = 0;  ///< of drain() and wait_for_room()
    std::mutex waiters_mutex_;
    std::condition_variable progressed_;

    std::atomic<std::size_t> repeats_waiting_ = 0;
    std::mutex repeats_mutex_;
    std::unordered_multimap<Uuid, Repeat, UuidHash> repeats_;

    mutable std::mutex dead_mutex_;
    DeadLetters dead_letters_;

    std::mutex checks_mutex_;
    std::vector<Check> checks_;  ///< by instance

    mutable std::mutex timer_mutex_;
    std::condition_variable_any timer_changed_;
    TimerQueue<TaskPtr> retrying_;  ///< and what is scheduled for later
    std::size_t scheduled_ = 0;     ///< of those
    base::Rng random_;
    bool poked_ = false;  ///< the timer has to look anew
    bool stopping_ = false;

    std::vector<Ends> worker_ends_;  ///< one for each worker
    Ends external_ends_;             ///< of who carries events to external instances
    std::optional<Dispatcher> dispatcher_;
    std::jthread timer_;  ///< started when first needed; under timer_mutex_
};

}  // namespace crucible::runtime
