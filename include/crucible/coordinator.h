#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "crucible/error.h"
#include "crucible/event.h"
#include "crucible/service.h"
#include "crucible/time.h"

namespace crucible {

/// The end of one published event.
struct Acknowledgement {
    std::uint64_t token = 0;  ///< as given to publish()
    Outcome outcome = Outcome::handled;
};

/// The answer to a request.
struct Response {
    Outcome outcome = Outcome::handled;
    std::string payload;
    std::string reason;
};

/// Receives acknowledgements, called from a thread of the coordinator (where no service has to be
/// waited for, as with SimpleRequestRouter, from the publishing thread before publish() returns),
/// one call at a time. It may not call the coordinator.
using AcknowledgementHandler = std::function<void(std::span<const Acknowledgement>)>;

/// Counts since the coordinator was made.
struct CoordinatorStats {
    std::uint64_t published = 0;  ///< accepted by publish() or request()
    std::uint64_t handled = 0;
    std::uint64_t rejected = 0;  ///< refused on acceptance or later
    std::uint64_t failed = 0;
    std::uint64_t expired = 0;
    std::uint64_t queued = 0;  ///< accepted and not ended yet
};

/// Accepts events and brings each to its service. Implemented by DataCoordinator (everything in
/// this process), DaemonClient (everything in the daemon) and SimpleRequestRouter. All members may
/// be called from any thread.
class Coordinator {
public:
    virtual ~Coordinator() = default;

    /// Accepts `event`; its end arrives as an Acknowledgement with `token`. Does not wait for
    /// handling.
    /// - Errc::overloaded: the queue is full; nothing was accepted, no acknowledgement will come.
    /// - Errc::invalid_argument: the event is larger than kEventBytesMax.
    /// - Errc::closed: the coordinator was drained or its daemon is gone; no later call can
    /// succeed.
    virtual Result<> publish(const Event& event, std::uint64_t token) = 0;

    /// Publishes `event` and waits for its service's response, at most `limit`.
    /// - Errc::timeout: no response in time; the event may still be handled.
    /// - and the errors of publish().
    virtual Result<Response> request(const Event& event, Duration limit) = 0;

    /// Waits until every accepted event has ended, at most `limit`. Events may be published again
    /// afterwards.
    /// - Errc::timeout: some have not ended. - Errc::closed: the daemon went away with events
    /// unfinished.
    virtual Result<> drain(Duration limit) = 0;

    virtual CoordinatorStats stats() const = 0;
};

}  // namespace crucible
