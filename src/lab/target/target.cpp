#include "lab/target/target.h"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "base/clock.h"
#include "crucible/daemon_client.h"
#include "lab/target/broker_options.h"
#include "lab/target/daemon_options.h"
#include "lab/target/endpoint.h"
#include "lab/target/exec_target.h"
#include "lab/target/http_target.h"
#include "lab/target/nats_target.h"
#include "lab/target/redis_target.h"
#include "lab/target/registered.h"
#include "lab/target/synthetic.h"
#include "runtime/coordinator/data_coordinator.h"
#include "runtime/coordinator/simple_request_router.h"

namespace crucible::lab {
namespace {

/// Everything that implements Coordinator, through the same few lines: what is compared can't
/// differ by its adapter.
class CoordinatorTarget final : public Target {
public:
    using Opener = std::function<Result<std::unique_ptr<Coordinator>>(AcknowledgementHandler)>;

    static Result<std::unique_ptr<Target>> open(const Opener& opener, CompletionHandler handler) {
        auto target = std::make_unique<CoordinatorTarget>(std::move(handler));
        auto coordinator =
            opener([raw = target.get()](std::span<const Acknowledgement> acknowledgements) {
                raw->forward(acknowledgements);
            });
        if (!coordinator) return std::unexpected(coordinator.error());
        target->coordinator_ = *std::move(coordinator);
        return target;
    }

    explicit CoordinatorTarget(CompletionHandler handler) : handler_(std::move(handler)) {}

    Result<> send(const Event& event, std::uint64_t token) override {
        return coordinator_->publish(event, token);
    }
    Result<> drain(Duration limit) override { return coordinator_->drain(limit); }

private:
    void forward(std::span<const Acknowledgement> acknowledgements) {
        const TimePoint at = base::monotonic_now();
        completions_.clear();
        for (const auto& [token, outcome] : acknowledgements)
            completions_.push_back({token, outcome});
        handler_(completions_, at);
    }

    CompletionHandler handler_;
    std::vector<Completion> completions_;
    std::unique_ptr<Coordinator> coordinator_;  // last: its threads use the above
};

/// Completes everything at once: what is left is the harness itself.
class NullTarget final : public Target {
public:
    explicit NullTarget(CompletionHandler handler) : handler_(std::move(handler)) {}

    Result<> send(const Event&, std::uint64_t token) override {
        const Completion completion{.token = token, .outcome = Outcome::handled};
        handler_({&completion, 1}, base::monotonic_now());
        return {};
    }
    Result<> drain(Duration) override { return {}; }

private:
    CompletionHandler handler_;
};

Result<runtime::CoordinatorOptions> coordinator_options(const TargetUrl& url,
                                                        std::uint32_t client) {
    runtime::CoordinatorOptions options;
    options.services.data_directory = url.path;
    options.services.process_name = fmt::format("client-{}", client);
    options.services.services =
        static_cast<std::uint32_t>(count_option(url, "services", options.services.services));
    options.workers = static_cast<std::uint32_t>(count_option(url, "workers", options.workers));
    options.queue_events_max = count_option(url, "queue", options.queue_events_max);
    options.batch_max = static_cast<std::uint32_t>(count_option(url, "batch", options.batch_max));
    if (const std::string* name = url.option("work")) {
        const auto work = runtime::parse_work(*name);
        if (!work) return std::unexpected(work.error());
        options.services.work = *work;
    }
    if (const std::string* name = url.option("durability")) {
        const auto durability = runtime::parse_durability(*name);
        if (!durability) return std::unexpected(durability.error());
        options.services.durability = *durability;
    }
    return options;
}

Result<std::unique_ptr<Target>> open_embedded(const TargetUrl& url, std::uint32_t client,
                                              CompletionHandler handler) {
    const auto options = coordinator_options(url, client);
    if (!options) return std::unexpected(options.error());
    const bool router = url.scheme == "router";
    return CoordinatorTarget::open(
        [&](AcknowledgementHandler on_acknowledged) {
            return router ? runtime::make_simple_request_router(options->services,
                                                                std::move(on_acknowledged))
                          : runtime::make_data_coordinator(*options, std::move(on_acknowledged));
        },
        std::move(handler));
}

Result<std::unique_ptr<Target>> open_daemon(const TargetUrl& url, CompletionHandler handler) {
    return CoordinatorTarget::open(
        [&](AcknowledgementHandler on_acknowledged) -> Result<std::unique_ptr<Coordinator>> {
            const auto options = daemon_options(url);
            if (!options) return std::unexpected(options.error());
            return DaemonClient::connect(*options, std::move(on_acknowledged));
        },
        std::move(handler));
}

}  // namespace

Result<std::unique_ptr<Target>> open_target(const std::string& endpoint, std::uint32_t client,
                                            CompletionHandler on_completion) {
    const auto url = split_url(endpoint);
    if (!url) return std::unexpected(url.error());
    if (url->scheme == "null") return std::make_unique<NullTarget>(std::move(on_completion));
    if (url->scheme == "synthetic") return open_synthetic(*url, client, std::move(on_completion));
    if (url->scheme == "daemon") return open_daemon(*url, std::move(on_completion));
    if (url->scheme == "coordinator" || url->scheme == "router")
        return open_embedded(*url, client, std::move(on_completion));
    if (url->scheme == "exec") return open_exec(url->path, std::move(on_completion));
    if (is_broker(*url)) {
        const auto broker = broker_options(*url);
        if (!broker) return std::unexpected(broker.error());
        return url->scheme == "nats" ? open_nats(*broker, client, std::move(on_completion))
                                     : open_redis(*broker, client, std::move(on_completion));
    }
    if (is_http(*url)) {
        const auto options = http_options(*url);
        if (!options) return std::unexpected(options.error());
        return open_http(*options, std::move(on_completion));
    }
    if (const auto* factory = registered_target(url->scheme))
        return (*factory)({client, url->path, url->options}, std::move(on_completion));
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("{}: not an endpoint", endpoint)});
}

}  // namespace crucible::lab
