#include "runtime/dispatch/exchange.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "crucible/allocation.h"
#include "runtime/dispatch/joint_delivery.h"
#include "runtime/route/keyed_hash.h"

namespace crucible::runtime {

namespace {

const AllocationOwner kRouterOwner("router");
const AllocationOwner kTaskOwner("queue");

/// Longest that a publisher waits for room without looking anew.
constexpr Duration kLookAgain = std::chrono::milliseconds(100);

/// Times further away are as good as never, and would overflow a clock's time.
constexpr Duration kLongest = std::chrono::hours(24 * 365 * 100);

constexpr std::string_view kFirstRefused = "the event that it repeats was refused";

std::vector<InstanceInfo> infos_of(const ServiceSet& services) {
    std::vector<InstanceInfo> infos;
    for (const auto& service : services.services())
        infos.push_back({std::string(service->name()), {}});
    // The expected external ones come first; others have no name yet, and rules cannot know them.
    for (std::size_t i = 0; i < services.external().size(); ++i) {
        if (auto name = services.external().name_of(i); !name.empty())
            infos.push_back({std::move(name), {}});
    }
    for (std::size_t i = 0; i < kCategoryCount; ++i) {
        const auto category = static_cast<Category>(i);
        const Candidates candidates = services.instances_of(category);
        for (std::size_t at = 0; at < candidates.size(); ++at)
            infos[candidates[at]].categories.add(category);
    }
    return infos;
}

}  // namespace

std::string_view to_string(Overflow overflow) noexcept {
    switch (overflow) {
        case Overflow::reject:
            return "reject";
        case Overflow::block:
            return "block";
        case Overflow::shed:
            return "shed";
    }
    return "unknown";
}

Result<Overflow> parse_overflow(std::string_view name) {
    for (const auto overflow : {Overflow::reject, Overflow::block, Overflow::shed})
        if (to_string(overflow) == name) return overflow;
    return std::unexpected(Error{Errc::invalid_argument, "overflow \"" + std::string(name) +
                                                             "\" is not reject, block or shed"});
}

std::size_t Exchange::UuidHash::operator()(const Uuid& id) const noexcept {
    // Only ids that are in flight become keys, a bounded number; theirs are mostly random already.
    std::size_t hash = 0;
    std::memcpy(&hash, id.bytes.data() + 8, sizeof hash);
    return hash;
}

Exchange::Exchange(const ExchangeOptions& options, const ServiceSet& services, CompletionSink sink,
                   ExternalCall call)
    : options_(options),
      services_(services),
      sink_(std::move(sink)),
      rules_(infos_of(services)),
      states_(services.size()),
      dead_letters_(options.dead_letters),
      retrying_(options.queue_events_max),
      random_(HashKey::random().low),
      worker_ends_(options.dispatch.workers) {
    const AllocationScope scope(kRouterOwner);
    for (std::size_t i = 0; i < states_.size(); ++i) {
        instances_.emplace_back(options.breaker,
                                [this, i](CircuitBreaker::State state, bool admits) {
                                    breaker_changed(i, state, admits);
                                });
    }
    for (std::size_t i = services.services().size(); i < states_.size(); ++i)
        states_.set_health(i, Health::unhealthy);
    if (options.seen.events_max > 0) seen_.emplace(options.seen, HashKey::random());
    dispatcher_.emplace(
        options.dispatch, services.services(),
        [this](std::uint32_t worker, std::span<TaskPtr> tasks, std::span<HandleResult> results) {
            after_attempts(worker_ends_[worker], tasks, results);
        },
        services.external().size(), std::move(call),
        [this](std::size_t instance, std::uint64_t number, CheckResult result) {
            check_ended(instance, number, result);
        });
    begin_checks();
}

Exchange::~Exchange() {
    close();
    std::jthread timer;
    {
        const std::lock_guard lock(timer_mutex_);
        stopping_ = true;
        timer = std::move(timer_);
    }
    timer = {};  // stops and joins it: it uses the dispatcher, which goes next
    dispatcher_.reset();
}

// --- Taking an event in

/// Nobody of those it goes to would do anything.
bool Exchange::acknowledged_unseen(const Places& places) const {
    if (places.instances.empty()) return services_.acknowledges_unseen(places.one);
    return std::ranges::all_of(places.instances, [this](std::size_t instance) {
        return services_.acknowledges_unseen(instance);
    });
}

Result<std::optional<HandleResult>> Exchange::take_by(const Arrival& arrival,
                                                      const RuleTable& table, FillRef fill) {
    if (closed_.load()) return std::unexpected(Error{Errc::closed, {}});
    const AllocationScope scope(kRouterOwner);
    Places places;
    auto ends_as = find_places(arrival.view, table, places);
    if (!ends_as && !arrival.view.scheduled && acknowledged_unseen(places)) ends_as.emplace();
    // Whoever waits for room comes with the same event again and again: that is no repeat.
    if (!ends_as && options_.overflow == Overflow::block &&
        queued_events_.load() >= options_.queue_events_max)
        return std::unexpected(Error{Errc::overloaded, {}});
    // The nil id is none: who gives no ids does not ask for repeats to be found.
    const bool watched = seen_ && !arrival.id.is_nil();
    if (watched) {
        const auto known = ends_as ? std::optional(ends_as->outcome) : std::nullopt;
        const auto sighting = seen_->see(arrival.id, arrival.now, known);
        if (!sighting.first) return take_repeat(arrival, sighting);
    }
    if (ends_as) {
        at_once_[static_cast<std::size_t>(ends_as->outcome)].fetch_add(1);
        return ends_as;
    }
    auto taken = take_first(arrival, places, fill);
    if (!taken && watched) {
        seen_->forget(arrival.id);
        tell_repeats(arrival.id, {Outcome::rejected, {}, std::string(kFirstRefused)});
    }
    return taken;
}

/// An event that was published before: its end is that of the first, which may be still to come.
std::optional<HandleResult> Exchange::take_repeat(const Arrival& arrival,
                                                  const SeenEvents::Sighting& sighting) {
    HandleResult result{sighting.outcome.value_or(Outcome::rejected), {}, {}};
    if (result.outcome != Outcome::handled) result.reason = "as when it was first published";
    if (!sighting.outcome && repeats_waiting_.load() >= options_.queue_events_max) {
        result.reason = "too many wait for the end of events they repeat";
    } else if (!sighting.outcome) {
        published_.fetch_add(1);
        {
            const std::lock_guard lock(repeats_mutex_);
            repeats_.emplace(arrival.id, Repeat{arrival.owner, arrival.token,
                                                event_bytes(arrival.view), arrival.wants_response});
            repeats_waiting_.fetch_add(1);
        }
        // Either who ends the first sees the one who waits, or we see that it has ended. Both:
        // whoever takes the entry out answers.
        const auto known = seen_->find(arrival.id);
        if (known && !known->outcome) return std::nullopt;
        if (known) {
            result.outcome = *known->outcome;
        } else {
            result.reason = kFirstRefused;
        }
        const std::lock_guard lock(repeats_mutex_);
        const auto [begin, end] = repeats_.equal_range(arrival.id);
        const auto ours = std::find_if(begin, end, [&](const auto& entry) {
            return entry.second.owner == arrival.owner && entry.second.token == arrival.token;
        });
        if (ours == end) return std::nullopt;
        repeats_.erase(ours);
        repeats_waiting_.fetch_sub(1);
        published_.fetch_sub(1);
        tell_waiters();
    }
    at_once_[static_cast<std::size_t>(result.outcome)].fetch_add(1);
    return result;
}

double Exchange::queue_fill() const noexcept {
    const auto share = [](std::size_t used, std::size_t limit) {
        return static_cast<double>(used) / static_cast<double>(limit);
    };
    return std::min(1.0, std::max(share(queued_events_.load(), options_.queue_events_max),
                                  share(queued_bytes_.load(), options_.queue_bytes_max)));
}

RouteState Exchange::route_state() const noexcept {
    return {.now = base::wall_now(), .queue_fill = queue_fill(), .instances = &states_};
}

/// Another instance of the category while the one that always has this source's events is not
/// available; itself when none is.
std::size_t Exchange::stand_in(const EventView& view, std::size_t instance) const noexcept {
    const Candidates candidates = services_.instances_of(view.category);
    std::size_t first = 0;
    while (first < candidates.size() && candidates[first] != instance) ++first;
    for (std::size_t i = 1; i < candidates.size(); ++i) {
        const std::size_t other = candidates[(first + i) % candidates.size()];
        if (states_.available(other)) return other;
    }
    return instance;
}

/// Where an event goes now, or how it ends because nobody gets it.
std::optional<HandleResult> Exchange::find_places(const EventView& view, const RuleTable& table,
                                                  Places& places) const {
    if (table.size() > 0) {
        // What no rule asks is not found out: a clock and counters that workers write cost as much
        // as the decision.
        RouteState state{.instances = &states_};
        if (table.asks_time()) state.now = base::wall_now();
        if (table.asks_queue()) state.queue_fill = queue_fill();
        const Decision decision = table.route(view, state);
        const Rule* dropped_by = nullptr;
        bool found = false;
        // Mostly there is one place, and it needs no memory.
        const auto add = [&places, &found](std::size_t instance) {
            if (!std::exchange(found, true)) {
                places.one = instance;
                return;
            }
            if (places.instances.empty()) {
                if (instance == places.one) return;
                places.instances.push_back(places.one);
            }
            if (std::ranges::find(places.instances, instance) == places.instances.end())
                places.instances.push_back(instance);
        };
        for (const std::uint32_t rank : decision.ranks()) {
            const Delivery delivery = table.delivery(rank);
            if (delivery.drops()) dropped_by = &table.rule(rank);
            for (const std::size_t instance : delivery.instances) add(instance);
            if (!delivery.pool) continue;
            Pool& pool = table.pool(*delivery.pool);
            // Without an available member one of them has it, and its circuit breaker the say.
            add(pool.pick(delivery.strategy, view.source, states_)
                    .value_or(pool.members().front().instance));
        }
        if (found) return std::nullopt;
        if (dropped_by != nullptr) {
            return HandleResult{Outcome::rejected, {}, std::get<Drop>(dropped_by->action).reason};
        }
    }
    const auto service = services_.route(view);
    if (!service) return HandleResult{Outcome::rejected, {}, "no service for this event"};
    places.one = *service;
    if (view.targets.empty() && !states_.available(*service)) places.one = stand_in(view, *service);
    return std::nullopt;
}

Result<std::vector<std::string>> Exchange::places_of(const EventView& event) const {
    Places places;
    if (auto ended = find_places(event, *rules_.table(), places))
        return std::unexpected(Error{Errc::failed, std::move(ended->reason)});
    if (places.instances.empty()) places.instances.push_back(places.one);
    std::vector<std::string> names;
    for (const std::size_t instance : places.instances)
        names.push_back(services_.name_of(instance));
    return names;
}

Result<std::optional<HandleResult>> Exchange::take_first(const Arrival& arrival,
                                                         const Places& places, FillRef fill) {
    const bool scheduled = arrival.view.scheduled;
    const bool single = places.instances.empty() || scheduled;
    const std::size_t copies = single ? 1 : places.instances.size();
    const std::size_t bytes = event_bytes(arrival.view);
    if (auto room = make_room(copies, copies * bytes, arrival.view.priority); !room)
        return std::unexpected(std::move(room.error()));
    const AllocationScope scope(kTaskOwner);
    TaskPtr task = pool_.acquire();
    if (auto filled = fill(task->event); !filled) {
        release(copies, copies * bytes);
        pool_.recycle({&task, 1});
        return std::unexpected(std::move(filled.error()));
    }
    task->owner = arrival.owner;
    task->token = arrival.token;
    task->bytes = bytes;
    task->attempts = 0;
    task->scheduled = scheduled;
    task->waited_out = false;
    task->instance = places.one;
    published_.fetch_add(1);
    if (scheduled) return take_for_later(std::move(task));
    if (single) return take_for_one(std::move(task));
    take_for_several(std::move(task), places.instances);
    return std::nullopt;
}

Result<std::optional<HandleResult>> Exchange::take_for_later(TaskPtr task) {
    const WallTime time = *task->event.not_before;
    HandleResult result{Outcome::rejected, {}, "its deadline is before its time"};
    if (!task->event.deadline || *task->event.deadline >= time) {
        const WallTime now = base::wall_now();
        const Duration left = time > now ? std::min(time - now, kLongest) : Duration::zero();
        const std::lock_guard lock(timer_mutex_);
        // They may wait for days: the other half is left to events of now.
        if (scheduled_ < std::max<std::size_t>(options_.queue_events_max / 2, 1) &&
            wait_until(base::monotonic_now() + left, task)) {
            ++scheduled_;
            return std::nullopt;
        }
        result.reason = "too many events wait for their time";
        if (seen_) seen_->forget(task->event.id);  // published again it is no repeat
    }
    task->owner = kNobody;  // who asks is told by the return value
    end(std::move(task), result);
    return result;
}

Result<std::optional<HandleResult>> Exchange::take_for_one(TaskPtr task) {
    const auto handed_over = hand_over_or_shed(task);
    if (handed_over) return std::nullopt;
    if (handed_over.error().code == Errc::overloaded) {
        published_.fetch_sub(1);
        release(1, task->bytes);
        pool_.recycle({&task, 1});
        tell_waiters();
        return std::unexpected(handed_over.error());
    }
    if (await_breaker(task) || try_again(task)) return std::nullopt;
    HandleResult failed{Outcome::failed, {}, handed_over.error().message};
    bury(*task, failed.reason);
    task->owner = kNobody;  // who asks is told by the return value
    end(std::move(task), failed);
    return failed;
}

/// A copy for each instance. Those that cannot be handed over end alone: the event was taken.
void Exchange::take_for_several(TaskPtr task, std::span<const std::size_t> instances) {
    auto joint = std::make_shared<JointDelivery>();
    joint->left = instances.size();
    std::vector<TaskPtr> copies;
    for (std::size_t i = 1; i < instances.size(); ++i) {
        TaskPtr copy = pool_.acquire();
        copy->event = task->event;
        copies.push_back(std::move(copy));
    }
    const std::uint64_t owner = task->owner;
    const std::uint64_t token = task->token;
    const std::size_t bytes = task->bytes;
    copies.push_back(std::move(task));
    for (std::size_t i = 0; i < instances.size(); ++i) {
        Task& copy = *copies[i];
        copy.owner = owner;
        copy.token = token;
        copy.bytes = bytes;
        copy.attempts = 0;
        copy.scheduled = false;
        copy.waited_out = false;
        copy.instance = instances[i];
        copy.joint = joint;
    }
    for (TaskPtr& copy : copies) {
        const auto handed_over = hand_over_or_shed(copy);
        if (handed_over) continue;
        const bool full = handed_over.error().code == Errc::overloaded;
        if (!full && (await_breaker(copy) || try_again(copy))) continue;
        HandleResult result{
            full ? Outcome::rejected : Outcome::failed,
            {},
            full ? "the queue of one of its services is full" : handed_over.error().message};
        if (!full) bury(*copy, result.reason);
        end(std::move(copy), result);
    }
}

// --- The limits of the queue

Result<> Exchange::reserve(std::size_t events, std::size_t bytes) noexcept {
    const std::size_t before_events = queued_events_.fetch_add(events);
    // One event is let in whatever it needs, else it could never be.
    if (before_events > 0 && before_events + events > options_.queue_events_max) {
        queued_events_.fetch_sub(events);
        return std::unexpected(Error{Errc::overloaded, {}});
    }
    const std::size_t before_bytes = queued_bytes_.fetch_add(bytes);
    if (before_bytes > 0 && before_bytes + bytes > options_.queue_bytes_max) {
        release(events, bytes);
        return std::unexpected(Error{Errc::overloaded, {}});
    }
    return {};
}

Result<> Exchange::make_room(std::size_t events, std::size_t bytes, Priority priority) {
    for (;;) {
        auto room = reserve(events, bytes);
        if (room || options_.overflow != Overflow::shed) return room;
        TaskPtr shed = dispatcher_->take_below(priority);
        if (!shed) return room;
        end_shed(std::move(shed), priority);
    }
}

/// Ends a waiting event in favour of one of `priority`.
void Exchange::end_shed(TaskPtr task, Priority priority) {
    states_.end(task->instance);
    instances_[task->instance].breaker.abandoned(task->permit);
    shed_.fetch_add(1);
    // Published again it is no repeat: it was not handled for want of room alone.
    if (seen_) seen_->forget(task->event.id);
    HandleResult result{Outcome::rejected,
                        {},
                        std::string("the queue is full: given up for an event of priority ") +
                            std::string(to_string(priority))};
    end(std::move(task), result);
}

QueueRoom Exchange::room() const noexcept {
    const auto left = [](std::size_t most, std::size_t taken) {
        return most > taken ? most - taken : 0;
    };
    return {left(options_.queue_events_max, queued_events_.load(std::memory_order_relaxed)),
            left(options_.queue_bytes_max, queued_bytes_.load(std::memory_order_relaxed))};
}

void Exchange::release(std::size_t events, std::size_t bytes) noexcept {
    queued_bytes_.fetch_sub(bytes);
    queued_events_.fetch_sub(events);
}

void Exchange::wait_for_room(std::uint64_t ended_before) {
    waiters_.fetch_add(1);
    {
        std::unique_lock lock(waiters_mutex_);
        progressed_.wait_for(lock, kLookAgain,
                             [&] { return closed_.load() || ended_.load() != ended_before; });
    }
    waiters_.fetch_sub(1);
}

}  // namespace crucible::runtime
