#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "crucible/coordinator.h"
#include "crucible/error.h"

namespace crucible::runtime {

/// The requests that wait for their responses. A response that comes after its caller gave up finds
/// nobody and is dropped. Thread-safe.
class RequestTable {
public:
    /// Registers a request; the id goes with the event and comes back with its response.
    std::uint64_t begin();

    /// Waits for the response to `id`, at most `limit`, and forgets the request.
    /// - Errc::timeout. - the error given to fail_all().
    Result<Response> wait(std::uint64_t id, Duration limit);

    /// Forgets a request that was not sent.
    void cancel(std::uint64_t id);

    /// Delivers the response to whoever waits for `id`.
    void complete(std::uint64_t id, Response response);

    /// Ends all waiting requests with `error`.
    void fail_all(const Error& error);

private:
    struct Pending {
        std::condition_variable answered;
        bool done = false;
        Result<Response> response;
    };
    std::mutex mutex_;
    std::uint64_t last_id_ = 0;
    std::unordered_map<std::uint64_t, std::unique_ptr<Pending>> pending_;
};

}  // namespace crucible::runtime
