#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "crucible/error.h"
#include "crucible/event.h"

namespace crucible {

/// How an event ended.
enum class Outcome : std::uint8_t {
    handled,   ///< its service has done its work and made it durable as configured
    rejected,  ///< refused before any work: queue full, malformed, no such service
    failed,    ///< its service ran and could not do the work
    expired,   ///< its deadline passed before a worker took it
};
std::string_view to_string(Outcome outcome) noexcept;

/// What a service made of one event.
struct HandleResult {
    Outcome outcome = Outcome::handled;
    std::string response;  ///< for requests, in the event's content type; empty otherwise
    std::string reason;    ///< one line for people when the outcome is not `handled`
    /// With `failed`: the service cannot do it now and says nothing of itself by that. The attempt
    /// counts, but not against its circuit breaker.
    bool not_now = false;
    /// With `failed`: it is the event's own fault, which asks for what cannot be done as things are
    /// (a record that does not exist). It does not count against the service's circuit breaker,
    /// and is tried again only while an event that failed otherwise is, which may make what it
    /// lacks.
    bool for_good = false;
};

/// What a service says of itself when it is asked.
enum class CheckResult : std::uint8_t {
    passed,
    degraded,  ///< it works, but not as it should: it is still used
    failed,    ///< it cannot work now
};

/// A handler of events. The dispatcher calls one instance from one thread at a time, in the order
/// in which a source published within a priority.
class Service {
public:
    virtual ~Service() = default;

    /// Unique within a coordinator, e.g. "database-2". Usable in Event::targets.
    virtual std::string_view name() const noexcept = 0;
    virtual Category category() const noexcept = 0;

    /// Most events that it wants at once. More than these where a batch has a cost of its own that
    /// they share: a transaction, a flush to disk. Asked once.
    virtual std::size_t batch_max() const noexcept { return 64; }

    /// Whether it can work now: asked every few seconds, between two calls of handle() and from
    /// the thread of the next one. Be brief. Who does not answer in time counts as failed, so that
    /// a service that hangs is found out without one of its own.
    virtual CheckResult check() { return CheckResult::passed; }

    /// Handles `events` in order and fills `results[i]` for `events[i]` (same size). When it
    /// returns, every event whose outcome is `handled` is durable as configured. Handing several
    /// over at once lets a service share one transaction or one flush among them; it is never used
    /// to make events wait for company.
    virtual void handle(std::span<const Event* const> events, std::span<HandleResult> results) = 0;
};

}  // namespace crucible
