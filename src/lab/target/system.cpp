#include "lab/target/system.h"

#include <fmt/format.h>

#include "base/file.h"
#include "lab/target/broker_options.h"
#include "lab/target/daemon_options.h"
#include "lab/target/daemon_system.h"
#include "lab/target/endpoint.h"
#include "lab/target/nats_stream.h"
#include "lab/target/registered.h"
#include "lab/target/synthetic.h"

namespace crucible::lab {
namespace {

/// A system that is nothing but what its clients embed; with a data directory they share, or
/// without one.
class EmbeddedSystem final : public System {
public:
    EmbeddedSystem(std::string endpoint, std::optional<base::TempDir> data)
        : endpoint_(std::move(endpoint)), data_(std::move(data)) {}

    std::string endpoint() const override { return endpoint_; }
    std::vector<pid_t> processes() const override { return {}; }
    std::optional<std::string> data_directory() const override {
        if (!data_) return std::nullopt;
        return data_->path().string();
    }
    std::optional<std::string> failure() override { return std::nullopt; }
    Result<> stop() override {
        data_.reset();
        return {};
    }

private:
    std::string endpoint_;
    std::optional<base::TempDir> data_;
};

/// A server that others run, or that clients start. Its processes are known where the user names
/// one, or from the clients.
class Server final : public System {
public:
    explicit Server(const TargetUrl& url) : endpoint_(url.text) {
        if (url.option("pid") != nullptr)
            processes_.push_back(static_cast<pid_t>(count_option(url, "pid", 0)));
    }

    std::string endpoint() const override { return endpoint_; }
    std::vector<pid_t> processes() const override { return processes_; }
    bool includes_clients() const override { return false; }
    std::optional<std::string> data_directory() const override { return std::nullopt; }
    std::optional<std::string> failure() override { return std::nullopt; }
    Result<> stop() override { return {}; }

private:
    std::string endpoint_;
    std::vector<pid_t> processes_;
};

Result<std::unique_ptr<System>> start_embedded(const TargetUrl& url, const SystemOptions& options) {
    auto data = base::TempDir::make(url.scheme);
    if (!data) return std::unexpected(data.error());
    std::string endpoint = fmt::format("{}:{}?services={}", url.scheme, data->path().string(),
                                       count_option(url, "services", options.services));
    for (const auto& [name, value] : url.options) {
        if (name != "services" && name != "clients") endpoint += fmt::format("&{}={}", name, value);
    }
    return std::make_unique<EmbeddedSystem>(std::move(endpoint), *std::move(data));
}

}  // namespace

Result<std::unique_ptr<System>> start_system(const TargetUrl& url, const SystemOptions& options) {
    if (url.scheme == "coordinator" || url.scheme == "router") return start_embedded(url, options);
    if (is_over_tcp(url)) {
        // Its process is known where the user names it: TCP does not tell.
        if (auto reached = reach_daemon(url); !reached) return std::unexpected(reached.error());
        return std::make_unique<Server>(url);
    }
    if (url.scheme == "daemon") {
        return url.path.empty() ? start_private_daemon(url, options) : use_running_daemon(url);
    }
    if (url.scheme == "synthetic") return start_synthetic(url, options.seed);
    if (registered_target(url.scheme) != nullptr)
        return std::make_unique<EmbeddedSystem>(url.text, std::nullopt);
    if (url.scheme == "null") return std::make_unique<EmbeddedSystem>("null:", std::nullopt);
    if (is_broker(url)) {
        const auto broker = broker_options(url);
        if (!broker) return std::unexpected(broker.error());
        if (broker->mode == "jetstream" && broker->stream.empty())
            return start_nats_stream(url, *broker);
        return std::make_unique<Server>(url);
    }
    if (is_http(url) || url.scheme == "exec") return std::make_unique<Server>(url);
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("{}: unknown target", url.text)});
}

}  // namespace crucible::lab
