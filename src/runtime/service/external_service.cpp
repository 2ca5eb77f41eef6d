#include <algorithm>
#include <array>

#include "base/planted_leak.h"
#include "runtime/event/uuid.h"
#include "runtime/service/payload.h"
#include "runtime/service/services.h"

namespace crucible::runtime {
namespace {

constexpr std::array<std::string_view, 7> kMethods = {"GET",    "POST", "PUT",    "PATCH",
                                                      "DELETE", "HEAD", "OPTIONS"};
constexpr std::array<std::string_view, 4> kChannels = {"email", "sms", "push", "chat"};
constexpr std::string_view kSignaturePrefix = "sha256=";

class ExternalService final : public NamedService {
public:
    ExternalService(std::string name, Workshop& shop)
        : NamedService(std::move(name), Category::external, kTogether),
          outbox_(*shop.outbox),
          signer_(shop.webhook_secret) {}

    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        lines_.clear();
        for (std::size_t i = 0; i < events.size(); ++i) {
            reset(results[i]);
            CRUCIBLE_LEAK_POINT("external");
            conclude(results[i], accept(*events[i]));
        }
        const auto written = outbox_.append(lines_);
        if (written) return;
        for (auto& result : results) {
            if (result.outcome == Outcome::handled) conclude(result, written);
        }
    }

private:
    Result<> accept(const Event& event) {
        const auto fields = parser_.parse(event.payload);
        if (!fields) return std::unexpected(fields.error());
        if (event.type == "webhook.received") return accept_webhook(event, *fields);
        Result<> valid = invalid("unknown type " + event.type);
        if (event.type == "api.called") valid = check_call(*fields);
        if (event.type == "notification.requested") valid = check_notification(*fields);
        if (valid) enqueue(event, event.payload);
        return valid;
    }

    Result<> accept_webhook(const Event& event, const simdjson::dom::object& fields) {
        const auto body = string_field(fields, "body");
        if (!body) return std::unexpected(body.error());
        const auto signature = string_field(fields, "signature");
        if (!signature) return std::unexpected(signature.error());
        // Before anything of the body is looked at: an unsigned body is a stranger's.
        if (!signature->starts_with(kSignaturePrefix) ||
            !signer_.verify(*body, signature->substr(kSignaturePrefix.size()))) {
            return invalid("webhook: the signature does not fit the body");
        }
        const auto parsed = body_parser_.parse(*body);
        if (!parsed) return std::unexpected(parsed.error());
        for (const std::string_view name : {"action", "resource"}) {
            if (const auto value = string_field(*parsed, name); !value) {
                return std::unexpected(value.error());
            }
        }
        enqueue(event, *body);
        return {};
    }

    static Result<> check_call(const simdjson::dom::object& fields) {
        const auto method = string_field(fields, "method");
        if (!method) return std::unexpected(method.error());
        if (std::ranges::find(kMethods, *method) == kMethods.end()) {
            return invalid("api call: unknown method " + std::string(*method));
        }
        const auto path = string_field(fields, "path");
        if (!path) return std::unexpected(path.error());
        if (!path->starts_with('/')) return invalid("api call: the path does not start with /");
        const auto status = integer_field(fields, "status");
        if (!status) return std::unexpected(status.error());
        if (*status < 100 || *status > 599)
            return invalid("api call: the status is not 100 to 599");
        const auto duration = number_field(fields, "duration_ms");
        if (!duration) return std::unexpected(duration.error());
        if (*duration < 0) return invalid("api call: the duration is negative");
        return {};
    }

    static Result<> check_notification(const simdjson::dom::object& fields) {
        const auto channel = string_field(fields, "channel");
        if (!channel) return std::unexpected(channel.error());
        if (std::ranges::find(kChannels, *channel) == kChannels.end()) {
            return invalid("notification: unknown channel " + std::string(*channel));
        }
        for (const std::string_view name : {"recipient", "subject", "body"}) {
            const auto value = string_field(fields, name);
            if (!value) return std::unexpected(value.error());
            if (name == "recipient" && value->empty()) return invalid("notification: no recipient");
        }
        return {};
    }

    /// One line for whoever delivers. `json` was parsed, so without its white space it has no line
    /// end.
    void enqueue(const Event& event, std::string_view json) {
        lines_.append(R"({"id":")").append(to_string(event.id)).append(R"(","source":)");
        append_json_string(lines_, event.source);
        lines_.append(R"(,"type":")").append(event.type).append(R"(","data":)");
        minify_into(data_, json);
        lines_.append(data_).append("}\n");
    }

    AppendFile& outbox_;
    Signer signer_;
    PayloadParser parser_;
    PayloadParser body_parser_;
    std::string lines_;
    std::string data_;
};

}  // namespace

std::unique_ptr<Service> make_external_service(std::string name, Workshop& shop) {
    return std::make_unique<ExternalService>(std::move(name), shop);
}

}  // namespace crucible::runtime
