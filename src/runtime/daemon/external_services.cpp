#include "runtime/daemon/external_services.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/session.h"

namespace crucible::runtime {
namespace {

/// Events taken from the queue at a time: what a session has unsent passes its limit by no more.
constexpr std::size_t kTakenAtOnce = 8;

std::unexpected<Error> refuse_service(Errc code, std::string message) {
    return std::unexpected(Error{code, std::move(message)});
}

}  // namespace

ExternalServices::ExternalServices(const ExternalOptions& options, ServiceSet& services,
                                   Exchange& exchange)
    : options_(options),
      services_(services),
      exchange_(exchange),
      places_(services.external().size()) {
    const TimePoint until = base::monotonic_now() + options.grace;
    for (std::size_t i = 0; i < places_.size(); ++i)
        if (services.external().taken(i)) places_[i].awaited_until = until;
}

std::size_t ExternalServices::instance_of(std::size_t place) const {
    return services_.services().size() + place;
}

void ExternalServices::note(std::size_t instance) {
    const std::lock_guard lock(notes_mutex_);
    notes_.push_back(instance);
    any_noted_.store(true);
}

// --- Coming

Result<> ExternalServices::subscribe(Session& session, const protocol::Frame& frame) {
    const auto subscription = protocol::read_subscription(frame);
    if (!subscription) return std::unexpected(subscription.error());
    if (stopping_) return refuse_service(Errc::closed, "the daemon is stopping");
    const auto number = find_place(*subscription);
    if (!number) return std::unexpected(number.error());
    Place& place = places_[*number];
    place.session = &session;
    place.awaited_until.reset();
    place.leaving = false;
    place.more = true;
    place.deliveries = NumberedQueue<Delivery>(1);
    place.watched = 1;
    place.connected.store(true);
    place.pid.store(session.pid());
    place.credits.store(subscription->credits);
    session.service = *number;
    exchange_.set_health(instance_of(*number), Health::healthy);
    protocol::append_empty(session.out(), protocol::Kind::subscribed);
    base::log::info("service connected", {{"service", subscription->name},
                                          {"session", session.id()},
                                          {"peer", session.transport().peer()},
                                          {"credits", subscription->credits}});
    offer_to_others();
    return {};
}

/// The place of a service that was away, or a free one.
Result<std::size_t> ExternalServices::find_place(const protocol::Subscription& subscription) {
    const auto& name = subscription.name;
    ExternalPlaces& external = services_.external();
    const auto instance = services_.find(name);
    if (!instance) return external.take(name, subscription.categories);
    if (!services_.is_external(*instance)) {
        return refuse_service(Errc::already_exists,
                              fmt::format("{} is one of the daemon's own services", name));
    }
    const std::size_t number = *instance - services_.services().size();
    if (const Session* other = places_[number].session) {
        return refuse_service(
            Errc::already_exists,
            fmt::format("a service named {} is connected: {}", name, other->describe()));
    }
    external.serve(number, subscription.categories);
    return number;
}

/// Somebody came: perhaps for what waits for those who are away or too slow.
void ExternalServices::offer_to_others() {
    for (std::size_t i = 0; i < places_.size(); ++i) {
        const Place& place = places_[i];
        if (place.awaited_until || place.leaving || place.late > 0) reassign(i);
    }
}

// --- Deliveries

bool ExternalServices::hand_out(Session& session) {
    if (!session.service) return false;
    const std::size_t number = *session.service;
    Place& place = places_[number];
    if (!place.more || place.leaving || place.session == nullptr) return false;
    bool handed_out = false;
    TimePoint due;
    while (place.more && session.unsent_bytes() < Session::kUnsentBytesMax) {
        const std::uint64_t room = place.credits.load() - place.open.load();
        if (room == 0) break;
        tasks_.clear();
        place.more = exchange_.take_waiting(instance_of(number),
                                            std::min<std::uint64_t>(room, kTakenAtOnce), tasks_);
        if (!tasks_.empty() && !handed_out) due = base::monotonic_now() + options_.timeout;
        for (TaskPtr& task : tasks_) {
            // It was accepted in the same form: it fits.
            const auto appended =
                protocol::append_event(session.out(), protocol::Kind::deliver,
                                       place.deliveries.next_number(), task->event);
            CRUCIBLE_ASSERT(appended.has_value());
            place.delivered.fetch_add(1, std::memory_order_relaxed);
            if (task->event.redelivered())
                place.redelivered.fetch_add(1, std::memory_order_relaxed);
            place.deliveries.push({std::move(task), due});
            place.open.fetch_add(1);
            handed_out = true;
        }
    }
    tasks_.clear();
    return handed_out;
}

Result<> ExternalServices::take_frame(Session& session, const protocol::Frame& frame) {
    if (!session.service) return subscribe(session, frame);
    const std::size_t number = *session.service;
    Place& place = places_[number];
    switch (frame.header.kind) {
        case protocol::Kind::settle:
            return settle(number, frame);
        case protocol::Kind::grant:
            return grant(place, frame.header.token);
        case protocol::Kind::unsubscribe:
            if (place.leaving) return refuse_service(Errc::corrupt, "a service that leaves twice");
            place.leaving = true;
            protocol::append_empty(session.out(), protocol::Kind::unsubscribe);
            exchange_.set_health(instance_of(number), Health::unhealthy);
            reassign(number);
            return {};
        default:
            return refuse_service(Errc::corrupt,
                                  fmt::format("a frame of kind {}, which services do not send",
                                              static_cast<unsigned>(frame.header.kind)));
    }
}

Result<> ExternalServices::settle(std::size_t number, const protocol::Frame& frame) {
    Place& place = places_[number];
    settlements_.clear();
    if (auto read = protocol::read_settlements(frame, settlements_); !read) return read;
    const bool was_late = place.late > 0;
    Result<> settled;
    for (const auto& settlement : settlements_)
        if (settled = settle(place, settlement); !settled) break;
    exchange_.attempted(tasks_, results_);
    tasks_.clear();
    results_.clear();
    watch(place);
    // It was slow, and not dead.
    if (was_late && place.late == 0 && !place.leaving)
        exchange_.set_health(instance_of(number), Health::healthy);
    return settled;
}

Result<> ExternalServices::settle(Place& place, const protocol::Settlement& settlement) {
    const std::uint64_t end = place.deliveries.next_number();
    const auto unknown = [](std::uint64_t delivery) {
        return refuse_service(Errc::corrupt,
                              fmt::format("delivery {} was settled, which is not open", delivery));
    };
    if (settlement.delivery >= end) return unknown(settlement.delivery);
    if (settlement.count > end - settlement.delivery) return unknown(end);
    for (std::uint64_t i = 0; i < settlement.count; ++i) {
        const std::uint64_t number = settlement.delivery + i;
        Delivery* const delivery = place.deliveries.find(number);
        if (delivery == nullptr) return unknown(number);
        place.open.fetch_sub(1);
        if (delivery->task == nullptr) {  // too late to matter
            --place.late;
        } else {
            tasks_.push_back(std::move(delivery->task));
            results_.push_back(protocol::result_of(settlement));
        }
        place.deliveries.erase(number);
    }
    return {};
}

Result<> ExternalServices::grant(Place& place, std::uint64_t credits) {
    const std::uint64_t had = place.credits.load();
    if (credits == 0 || credits > protocol::kCreditsMax - had) {
        return refuse_service(
            Errc::invalid_argument,
            fmt::format("{} more credits for a service with {}: at most {} in all", credits, had,
                        protocol::kCreditsMax));
    }
    place.credits.store(static_cast<std::uint32_t>(had + credits));
    return {};
}

// --- Going

void ExternalServices::lose(Session& session) {
    if (!session.service) return;
    const std::size_t number = *std::exchange(session.service, std::nullopt);
    Place& place = places_[number];
    std::vector<TaskPtr> unanswered;
    place.deliveries.take_all([&](Delivery delivery) {
        if (delivery.task != nullptr) unanswered.push_back(std::move(delivery.task));
    });
    place.session = nullptr;
    place.late = 0;
    place.connected.store(false);
    place.pid.store(0);
    place.credits.store(0);
    place.open.store(0);
    place.awaited_until = base::monotonic_now() + options_.grace;
    exchange_.set_health(instance_of(number), Health::unhealthy);
    const auto level = unanswered.empty() ? base::log::Level::info : base::log::Level::warning;
    base::log::write(
        level, "service went away",
        {{"service", services_.name_of(instance_of(number))}, {"events", unanswered.size()}});
    exchange_.lose(instance_of(number), std::move(unanswered));
    place.more = true;
    if (stopping_) desert(number);
}

/// What waits for it goes to others, as far as there are any.
void ExternalServices::reassign(std::size_t number) {
    exchange_.reassign(instance_of(number));
    places_[number].more = true;
}

/// Nobody waits for the service of that place any longer.
void ExternalServices::desert(std::size_t number) {
    places_[number].awaited_until.reset();
    base::log::info("service did not come back",
                    {{"service", services_.name_of(instance_of(number))}});
    services_.external().leave(number);
    reassign(number);
}

void ExternalServices::stop() {
    stopping_ = true;
    for (std::size_t i = 0; i < places_.size(); ++i)
        if (places_[i].awaited_until) desert(i);
}

// --- Time

/// Moves on to the next delivery whose attempt has not ended.
void ExternalServices::watch(Place& place) {
    const auto* open = place.deliveries.from(place.watched);
    while (open != nullptr && open->value.task == nullptr)
        open = place.deliveries.from(open->number + 1);
    place.watched = open != nullptr ? open->number : place.deliveries.next_number();
}

std::vector<std::pair<Session*, Error>> ExternalServices::end_overdue(TimePoint now) {
    std::vector<std::pair<Session*, Error>> ended;
    if (!services_.external().any_taken()) return ended;
    for (std::size_t i = 0; i < places_.size(); ++i) {
        Place& place = places_[i];
        if (place.awaited_until && *place.awaited_until <= now) desert(i);
        if (place.session == nullptr) continue;
        const auto watched = [&] { return place.deliveries.find(place.watched); };
        for (; watched() != nullptr && watched()->due <= now; watch(place))
            tasks_.push_back(std::move(watched()->task));
        if (tasks_.empty()) continue;
        const std::size_t late = tasks_.size();
        const double seconds = std::chrono::duration<double>(options_.timeout).count();
        base::log::warn("service did not settle in time",
                        {{"service", services_.name_of(instance_of(i))},
                         {"events", late},
                         {"limit_s", seconds}});
        place.late += late;
        place.late_ever.fetch_add(late, std::memory_order_relaxed);
        exchange_.set_health(instance_of(i), Health::unhealthy);
        results_.assign(late, {Outcome::failed,
                               {},
                               fmt::format("its service did not settle it within {} s", seconds)});
        exchange_.attempted(tasks_, results_);
        tasks_.clear();
        results_.clear();
        // Once: what comes later finds it unhealthy when it is routed.
        if (place.late == late) reassign(i);
        if (place.late < place.credits.load()) continue;
        ended.emplace_back(
            place.session,
            Error{Errc::timeout, fmt::format("none of {} events was settled in time", place.late)});
    }
    return ended;
}

std::optional<TimePoint> ExternalServices::next_deadline() const {
    std::optional<TimePoint> next;
    if (!services_.external().any_taken()) return next;
    const auto consider = [&next](TimePoint time) {
        if (!next || time < *next) next = time;
    };
    for (const Place& place : places_) {
        if (place.awaited_until) consider(*place.awaited_until);
        if (const auto* watched = place.deliveries.find(place.watched)) consider(watched->due);
    }
    return next;
}

std::vector<ExternalReport> ExternalServices::report() const {
    std::vector<ExternalReport> reports;
    for (std::size_t i = 0; i < places_.size(); ++i) {
        const Place& place = places_[i];
        if (services_.name_of(instance_of(i)).empty()) continue;
        reports.push_back({.index = instance_of(i),
                           .connected = place.connected.load(),
                           .pid = place.pid.load(),
                           .credits = place.credits.load(),
                           .open = place.open.load(),
                           .delivered = place.delivered.load(),
                           .redelivered = place.redelivered.load(),
                           .late = place.late_ever.load()});
    }
    return reports;
}

}  // namespace crucible::runtime
