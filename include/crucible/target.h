#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "crucible/error.h"
#include "crucible/event.h"
#include "crucible/service.h"
#include "crucible/time.h"

namespace crucible {

/// One completion as the target saw it. `at` is taken once per batch, as soon as the client side
/// has it.
struct Completion {
    std::uint64_t token = 0;
    Outcome outcome = Outcome::handled;
};
/// Called from the target's own thread, or from inside send(), serve() or drain(); one call at a
/// time.
using CompletionHandler = std::function<void(std::span<const Completion>, TimePoint at)>;

/// One system under test, as one client of it sees it. Each load worker owns its own; send() and
/// drain() are called from one thread.
class Target {
public:
    virtual ~Target() = default;

    /// Hands one event over without waiting for it to be handled.
    /// - Errc::overloaded: the target's queue is full and nothing was sent; the runner counts a
    /// rejection.
    /// - Errc::closed: the peer is gone; no later send can succeed.
    virtual Result<> send(const Event& event, std::uint64_t token) = 0;

    /// Waits until every accepted event has completed, at most `limit`.
    /// - Errc::timeout: some never did; the ledger reports them lost, they are not dropped from the
    /// sample.
    /// - Errc::closed: the peer went away.
    virtual Result<> drain(Duration limit) = 0;

    /// True when the target has no thread of its own: nothing completes unless serve() is called
    /// from the thread that sends.
    virtual bool polled() const noexcept { return false; }
    /// Handles what has arrived; where nothing has, waits for it until `until` at most.
    virtual void serve(TimePoint /*until*/) {}

    /// False when every send is the same, whatever the event: then none needs to be made.
    virtual bool uses_events() const noexcept { return true; }

    /// Processes of the system that this client has started; their CPU and memory are the system's.
    virtual std::vector<pid_t> processes() const { return {}; }

    /// What went otherwise than expected, with counts, in one line: "status 503 (12x)". Empty when
    /// all was well. After drain().
    virtual std::string remarks() const { return {}; }
};

}  // namespace crucible
