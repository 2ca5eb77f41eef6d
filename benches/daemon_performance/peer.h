#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::bench {

/// A system that takes events from one publisher and says which it has dealt with: the daemon, and
/// what one would use in its place. Each is driven by the leanest client that its protocol allows,
/// which sends in batches as ours does, so that no adapter makes it slow.
class Peer {
public:
    virtual ~Peer() = default;

    virtual std::string_view name() const noexcept = 0;
    /// What "acknowledged" means with it, in a few words.
    virtual std::string_view acknowledged_means() const noexcept = 0;

    /// Starts the server and connects. - the errors of starting it.
    virtual Result<> start(std::size_t payload_bytes) = 0;
    /// Publishes one event without waiting for it; false once the connection is lost. It may leave
    /// later, together with others.
    virtual bool publish() = 0;
    /// Sends what publish() left behind.
    virtual void flush() = 0;
    /// Events acknowledged since start(), from any thread.
    std::uint64_t acknowledged() const noexcept {
        return acknowledged_.load(std::memory_order_acquire);
    }
    /// Sleeps until more than `so_many` are; false after 20 s without.
    bool await_acknowledged(std::uint64_t so_many) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(20),
                                 [&] { return acknowledged() > so_many; });
    }
    /// Publishes one and waits until it is acknowledged; false once the connection is lost.
    virtual bool round_trip() = 0;
    virtual void stop() = 0;

protected:
    void add_acknowledged(std::uint64_t more) noexcept {
        if (more == 0) return;
        acknowledged_.fetch_add(more, std::memory_order_release);
        // Empty on purpose: whoever is between its check and its wait holds the mutex.
        { const std::lock_guard lock(mutex_); }
        changed_.notify_one();
    }

private:
    std::atomic<std::uint64_t> acknowledged_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
};

std::unique_ptr<Peer> make_daemon_peer();
std::unique_ptr<Peer> make_nats_peer();          ///< core: publish, server, subscriber
std::unique_ptr<Peer> make_nats_request_peer();  ///< core: request and reply
std::unique_ptr<Peer> make_redis_pubsub_peer();
std::unique_ptr<Peer> make_redis_stream_peer();  ///< XADD, XREADGROUP, XACK

}  // namespace crucible::bench
