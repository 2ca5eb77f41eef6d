#include "runtime/coordinator/data_coordinator.h"

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "runtime/coordinator/dispatcher_options.h"
#include "runtime/coordinator/request_table.h"
#include "runtime/dispatch/dispatcher.h"

namespace crucible::runtime {
namespace {

class DataCoordinator final : public Coordinator {
public:
    DataCoordinator(const DispatcherOptions& options, std::unique_ptr<ServiceSet> services,
                    AcknowledgementHandler on_acknowledged)
        : services_(std::move(services)),
          on_acknowledged_(std::move(on_acknowledged)),
          dispatcher_(options, services_->services(),
                      [this](std::span<const Completion> completions) { deliver(completions); }) {}

    Result<> publish(const Event& event, std::uint64_t token) override {
        return submit(event, kPublished, token);
    }

    Result<Response> request(const Event& event, Duration limit) override {
        const std::uint64_t id = requests_.begin();
        if (auto accepted = submit(event, kRequested, id); !accepted) {
            requests_.cancel(id);
            return std::unexpected(std::move(accepted.error()));
        }
        return requests_.wait(id, limit);
    }

    Result<> drain(Duration limit) override { return dispatcher_.drain(limit); }

    CoordinatorStats stats() const override {
        auto stats = dispatcher_.stats();
        const auto unseen = unseen_.load(std::memory_order_relaxed);
        stats.published += unseen;
        stats.handled += unseen;
        return stats;
    }

private:
    // Task::owner: what its token means.
    static constexpr std::uint64_t kPublished = 0;
    static constexpr std::uint64_t kRequested = 1;

    Result<> submit(const Event& event, std::uint64_t owner, std::uint64_t token) {
        if (event_bytes(event) > kEventBytesMax)
            return std::unexpected(Error{Errc::invalid_argument, {}});
        const auto service = services_->route(event);
        if (service && services_->acknowledges_unseen(*service)) {
            unseen_.fetch_add(1, std::memory_order_relaxed);
            HandleResult handled;
            const Completion end{owner, token, &handled};
            deliver({&end, 1});
            return {};
        }
        return dispatcher_.submit(service ? *service : Dispatcher::kNoService, event, owner, token);
    }

    /// Called by several threads; the handler is promised one call at a time.
    void deliver(std::span<const Completion> completions) {
        const std::lock_guard lock(deliver_mutex_);
        for (const auto& [owner, token, result] : completions) {
            if (owner == kPublished) {
                acknowledgements_.push_back({token, result->outcome});
            } else {
                requests_.complete(token, {result->outcome, std::move(result->response),
                                           std::move(result->reason)});
            }
        }
        if (acknowledgements_.empty()) return;
        if (on_acknowledged_) on_acknowledged_(acknowledgements_);
        acknowledgements_.clear();
    }

    const std::unique_ptr<ServiceSet> services_;
    const AcknowledgementHandler on_acknowledged_;
    RequestTable requests_;
    std::atomic<std::uint64_t> unseen_ = 0;  ///< acknowledged without a service
    std::mutex deliver_mutex_;
    std::vector<Acknowledgement> acknowledgements_;  ///< reused between calls
    Dispatcher dispatcher_;                          // last: its workers use all of the above
};

}  // namespace

Result<std::unique_ptr<Coordinator>> make_data_coordinator(const CoordinatorOptions& options,
                                                           AcknowledgementHandler on_acknowledged) {
    if (auto checked = dispatcher_options(options); !checked)
        return std::unexpected(checked.error());
    auto services = ServiceSet::open(options.services);
    if (!services) return std::unexpected(services.error());
    return make_data_coordinator(options, std::move(*services), std::move(on_acknowledged));
}

Result<std::unique_ptr<Coordinator>> make_data_coordinator(const CoordinatorOptions& options,
                                                           std::unique_ptr<ServiceSet> services,
                                                           AcknowledgementHandler on_acknowledged) {
    const auto dispatch = dispatcher_options(options);
    if (!dispatch) return std::unexpected(dispatch.error());
    return std::make_unique<DataCoordinator>(*dispatch, std::move(services),
                                             std::move(on_acknowledged));
}

}  // namespace crucible::runtime
