#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "crucible/daemon_client.h"
#include "crucible/error.h"
#include "crucible/event.h"
#include "crucible/service.h"

namespace crucible {

/// How a process of your own serves a daemon's events.
struct DaemonServiceOptions {
    /// Where the daemon is, and what happens when it goes away: with `reconnect_for` the service
    /// looks for it again and registers anew; without, it ends. Nothing is buffered.
    DaemonClientOptions daemon;
    /// Whose events it takes, beside those that name it; none: the service's own category.
    std::vector<Category> categories;
    /// Events it has at once, 1 to 65,536. Each is to be handled within the daemon's
    /// `external_timeout` of its delivery: a service that takes its time should have few.
    std::uint32_t credits = 256;
};

/// Counts since the service was started.
struct DaemonServiceStats {
    std::uint64_t events = 0;       ///< handed to the service
    std::uint64_t redelivered = 0;  ///< of those, Event::redelivered()
    std::uint64_t handled = 0;      ///< of all, those with this outcome
    std::uint64_t connections = 0;  ///< registrations
};

/// A Service of this process, registered with a daemon under its name. Events are delivered at
/// least once: one that was not settled when its service or the connection died is given out again,
/// to this or another service (Event::redelivered()); docs/delivery.md says what each crash leaves.
///
/// The service is run by one thread, in the order in which the daemon delivers, with up to 64
/// events at a time; they are settled when handle() returns.
class DaemonService {
public:
    /// Most events that handle() is given at once.
    static constexpr std::size_t kBatchMax = 64;

    /// Connects, registers `service` by its name and begins to serve. `service` outlives it.
    /// - Errc::invalid_argument: a name that none can have, or credits out of range.
    /// - Errc::already_exists: a service of that name is connected, or the daemon has one.
    /// - Errc::overloaded: the daemon takes no more services. - the errors of
    /// DaemonClient::connect().
    static Result<std::unique_ptr<DaemonService>> start(const DaemonServiceOptions& options,
                                                        Service& service);

    /// Stops, and waits for that.
    virtual ~DaemonService() = default;

    /// Takes no more events, handles those it has, and leaves. From any thread or signal handler.
    virtual void request_stop() noexcept = 0;

    /// Waits for the end. - Errc::closed: the daemon went away, and was not found again in time.
    /// - Errc::timeout: stopping, it did not hear from the daemon within `connect_limit`.
    /// - the errors of start(), when registering anew was refused for good.
    virtual Result<> wait() = 0;

    virtual DaemonServiceStats stats() const = 0;
};

}  // namespace crucible
