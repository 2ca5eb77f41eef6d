#include "runtime/coordinator/data_coordinator.h"

#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "runtime/coordinator/exchange_options.h"
#include "runtime/coordinator/request_table.h"
#include "runtime/dispatch/exchange.h"

namespace crucible::runtime {
namespace {

class DataCoordinator final : public Coordinator {
public:
    DataCoordinator(const ExchangeOptions& options, std::unique_ptr<ServiceSet> services,
                    AcknowledgementHandler on_acknowledged)
        : services_(std::move(services)),
          on_acknowledged_(std::move(on_acknowledged)),
          exchange_(options, *services_,
                    [this](std::span<const Completion> completions) { deliver(completions); }),
          no_rules_(exchange_.rules().table()) {}

    ~DataCoordinator() override {
        exchange_.close();
        exchange_.end_scheduled();
    }

    RuleBook& rules() { return exchange_.rules(); }

    Result<> publish(const Event& event, std::uint64_t token) override {
        return take(event, kPublished, token);
    }

    Result<Response> request(const Event& event, Duration limit) override {
        const std::uint64_t id = requests_.begin();
        if (auto accepted = take(event, kRequested, id); !accepted) {
            requests_.cancel(id);
            return std::unexpected(std::move(accepted.error()));
        }
        return requests_.wait(id, limit);
    }

    Result<> drain(Duration limit) override { return exchange_.drain(limit); }

    CoordinatorStats stats() const override { return exchange_.stats(); }

private:
    // Completion::owner: what its token means.
    static constexpr std::uint64_t kPublished = 0;
    static constexpr std::uint64_t kRequested = 1;

    Result<> take(const Event& event, std::uint64_t owner, std::uint64_t token) {
        if (event_bytes(event) > kEventBytesMax)
            return std::unexpected(Error{Errc::invalid_argument, {}});
        const auto copy = [&event](Event& target) {
            target = event;
            return Result<>();
        };
        for (;;) {
            const std::uint64_t ended = exchange_.ended();
            // Without rules no lock is taken that publishers would share.
            const bool ruled = rules().version() > 0;
            const auto table = ruled ? rules().table() : nullptr;
            auto taken = exchange_.take({event.id, view_of(event), owner, token,
                                         base::monotonic_now(), owner == kRequested},
                                        ruled ? *table : *no_rules_, copy);
            if (!taken) {
                if (taken.error().code != Errc::overloaded ||
                    exchange_.overflow() != Overflow::block)
                    return std::unexpected(std::move(taken.error()));
                exchange_.wait_for_room(ended);
                continue;
            }
            if (*taken) {
                const Completion end{owner, token, &**taken, 0};
                deliver({&end, 1});
            }
            return {};
        }
    }

    /// Called by several threads; the handler is promised one call at a time.
    void deliver(std::span<const Completion> completions) {
        const std::lock_guard lock(deliver_mutex_);
        for (const auto& [owner, token, result, bytes] : completions) {
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
    std::mutex deliver_mutex_;
    std::vector<Acknowledgement> acknowledgements_;  ///< reused between calls
    Exchange exchange_;                              ///< behind what its threads use
    const std::shared_ptr<const RuleTable> no_rules_;
};

}  // namespace

Result<std::unique_ptr<Coordinator>> make_data_coordinator(const CoordinatorOptions& options,
                                                           AcknowledgementHandler on_acknowledged) {
    if (auto checked = exchange_options(options); !checked) return std::unexpected(checked.error());
    auto services = ServiceSet::open(options.services);
    if (!services) return std::unexpected(services.error());
    return make_data_coordinator(options, std::move(*services), std::move(on_acknowledged));
}

Result<std::unique_ptr<Coordinator>> make_data_coordinator(const CoordinatorOptions& options,
                                                           std::unique_ptr<ServiceSet> services,
                                                           AcknowledgementHandler on_acknowledged) {
    const auto exchange = exchange_options(options);
    if (!exchange) return std::unexpected(exchange.error());
    auto coordinator = std::make_unique<DataCoordinator>(*exchange, std::move(services),
                                                         std::move(on_acknowledged));
    if (auto loaded = load_rules(options, coordinator->rules()); !loaded)
        return std::unexpected(loaded.error());
    return coordinator;
}

}  // namespace crucible::runtime
