#include "lab/target/nats_stream.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "lab/target/endpoint.h"
#include "lab/target/nats_handles.h"

namespace crucible::lab {
namespace {

class NatsStream final : public System {
public:
    NatsStream(const TargetUrl& url, BrokerOptions broker, NatsConnection connection,
               JetStream context, std::string name)
        : broker_(std::move(broker)),
          connection_(std::move(connection)),
          context_(std::move(context)),
          name_(std::move(name)) {
        endpoint_ = fmt::format("{}:{}?stream={}", url.scheme, url.path, name_);
        for (const auto& [option, value] : url.options) {
            if (option != "storage" && option != "clients" && option != "pid")
                endpoint_ += fmt::format("&{}={}", option, value);
        }
        if (url.option("pid") != nullptr)
            processes_.push_back(static_cast<pid_t>(count_option(url, "pid", 0)));
    }
    ~NatsStream() override { [[maybe_unused]] const auto ended = stop(); }

    std::string endpoint() const override { return endpoint_; }
    std::vector<pid_t> processes() const override { return processes_; }
    bool includes_clients() const override { return false; }
    std::optional<std::string> data_directory() const override { return std::nullopt; }
    std::optional<std::string> failure() override { return std::nullopt; }

    Result<> stop() override {
        if (!context_) return {};
        const auto context = std::exchange(context_, nullptr);
        const auto status = js_DeleteStream(context.get(), name_.c_str(), nullptr, nullptr);
        if (status == NATS_OK) return {};
        return std::unexpected(
            Error{Errc::failed, fmt::format("{}: the stream {} could not be deleted: {}",
                                            broker_.server(), name_, nats_error_text(status))});
    }

private:
    const BrokerOptions broker_;
    NatsConnection connection_;
    JetStream context_;  // before the connection it uses
    const std::string name_;
    std::string endpoint_;
    std::vector<pid_t> processes_;
};

}  // namespace

Result<std::unique_ptr<System>> start_nats_stream(const TargetUrl& url,
                                                  const BrokerOptions& broker) {
    auto options = nats_options(broker);
    if (!options) return std::unexpected(options.error());
    auto connection = nats_connect(broker, options->get());
    if (!connection) return std::unexpected(connection.error());
    auto context = nats_jetstream(broker, connection->get());
    if (!context) return std::unexpected(context.error());

    // Two systems of one process get two names.
    static int number = 0;
    const std::string name = fmt::format("CRUCIBLE_{}_{}", ::getpid(), number++);
    const std::string subjects = broker.name + ".>";
    const char* subject_list[] = {subjects.c_str()};
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = name.c_str();
    config.Subjects = subject_list;
    config.SubjectsLen = 1;
    config.Storage = broker.memory ? js_MemoryStorage : js_FileStorage;
    // The first client's first event and the last one's last are worth the same.
    config.Discard = js_DiscardNew;
    const auto status = js_AddStream(nullptr, context->get(), &config, nullptr, nullptr);
    if (status != NATS_OK) {
        return std::unexpected(
            Error{Errc::failed,
                  fmt::format("{}: no stream for {} could be made: {}; an existing one is named by "
                              "the option stream",
                              broker.server(), subjects, nats_error_text(status))});
    }
    return std::make_unique<NatsStream>(url, broker, *std::move(connection), *std::move(context),
                                        name);
}

}  // namespace crucible::lab
