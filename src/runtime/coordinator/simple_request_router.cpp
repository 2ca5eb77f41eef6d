#include "runtime/coordinator/simple_request_router.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "crucible/allocation.h"
#include "runtime/dispatch/run_service.h"
#include "runtime/dispatch/task.h"

namespace crucible::runtime {
namespace {

const AllocationOwner kRouterOwner("router");
const AllocationOwner kEndsOwner("acknowledgement");

class SimpleRequestRouter final : public Coordinator {
public:
    SimpleRequestRouter(std::unique_ptr<ServiceSet> services,
                        AcknowledgementHandler on_acknowledged)
        : services_(std::move(services)),
          on_acknowledged_(std::move(on_acknowledged)),
          service_mutexes_(services_->services().size()) {
        for (const auto& service : services_->services()) owners_.emplace_back(service->name());
    }

    Result<> publish(const Event& event, std::uint64_t token) override {
        HandleResult result;
        if (auto accepted = run(event, result); !accepted) return accepted;
        const AllocationScope scope(kEndsOwner);
        const Acknowledgement acknowledgement{token, result.outcome};
        if (on_acknowledged_) {
            const std::lock_guard lock(acknowledge_mutex_);
            on_acknowledged_({&acknowledgement, 1});
        }
        end(result.outcome);
        return {};
    }

    Result<Response> request(const Event& event, Duration limit) override {
        const TimePoint started = base::monotonic_now();
        HandleResult result;
        if (auto accepted = run(event, result); !accepted)
            return std::unexpected(std::move(accepted.error()));
        end(result.outcome);
        if (base::monotonic_now() - started > limit)
            return std::unexpected(Error{Errc::timeout, {}});
        return Response{result.outcome, std::move(result.response), std::move(result.reason)};
    }

    /// Waits for the calls that other threads are in.
    Result<> drain(Duration limit) override {
        std::unique_lock lock(stats_mutex_);
        const Duration wait = std::min<Duration>(limit, std::chrono::hours(24 * 365));
        if (!ended_.wait_for(lock, wait, [this] { return stats_.queued == 0; })) {
            return std::unexpected(Error{Errc::timeout, {}});
        }
        return {};
    }

    CoordinatorStats stats() const override {
        const std::lock_guard lock(stats_mutex_);
        return stats_;
    }

private:
    Result<> run(const Event& event, HandleResult& result) {
        const AllocationScope routing(kRouterOwner);
        if (event_bytes(event) > kEventBytesMax)
            return std::unexpected(Error{Errc::invalid_argument, {}});
        {
            const std::lock_guard lock(stats_mutex_);
            ++stats_.published;
            ++stats_.queued;
        }
        const auto service = services_->route(event);
        if (!service) {
            result = {Outcome::rejected, {}, "no service for this event"};
            return {};
        }
        if (event.not_before && *event.not_before > base::wall_now()) {
            result = {Outcome::rejected, {}, "its time has not come, and nothing waits here"};
            return {};
        }
        const std::lock_guard lock(service_mutexes_[*service]);
        if (event.deadline && *event.deadline < base::wall_now()) {
            result = {Outcome::expired, {}, "its deadline passed while it waited"};
            return {};
        }
        const AllocationScope handling(owners_[*service]);
        const std::array<const Event*, 1> events{&event};
        run_service(*services_->services()[*service], events, {&result, 1});
        return {};
    }

    void end(Outcome outcome) {
        const std::lock_guard lock(stats_mutex_);
        switch (outcome) {
            case Outcome::handled:
                ++stats_.handled;
                break;
            case Outcome::rejected:
                ++stats_.rejected;
                break;
            case Outcome::failed:
                ++stats_.failed;
                break;
            case Outcome::expired:
                ++stats_.expired;
                break;
        }
        if (--stats_.queued == 0) ended_.notify_all();
    }

    const std::unique_ptr<ServiceSet> services_;
    const AcknowledgementHandler on_acknowledged_;
    std::vector<AllocationOwner> owners_;  ///< of what each service allocates
    std::vector<std::mutex> service_mutexes_;
    std::mutex acknowledge_mutex_;
    mutable std::mutex stats_mutex_;
    std::condition_variable ended_;
    CoordinatorStats stats_;
};

}  // namespace

Result<std::unique_ptr<Coordinator>> make_simple_request_router(
    const ServiceOptions& options, AcknowledgementHandler on_acknowledged) {
    auto services = ServiceSet::open(options);
    if (!services) return std::unexpected(services.error());
    return make_simple_request_router(std::move(*services), std::move(on_acknowledged));
}

std::unique_ptr<Coordinator> make_simple_request_router(std::unique_ptr<ServiceSet> services,
                                                        AcknowledgementHandler on_acknowledged) {
    return std::make_unique<SimpleRequestRouter>(std::move(services), std::move(on_acknowledged));
}

}  // namespace crucible::runtime
