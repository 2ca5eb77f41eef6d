#include "base/planted_leak.h"
#include "runtime/service/payload.h"
#include "runtime/service/services.h"

namespace crucible::runtime {
namespace {

class ComponentService final : public NamedService {
public:
    ComponentService(std::string name, Workshop& shop)
        : NamedService(std::move(name), Category::service, kTogether), registry_(*shop.health) {}

    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        for (std::size_t i = 0; i < events.size(); ++i) {
            reset(results[i]);
            CRUCIBLE_LEAK_POINT("component");
            conclude(results[i], apply(*events[i], results[i].response), {Errc::failed});
        }
        const auto written = registry_.flush();
        if (written) return;
        for (auto& result : results) {
            if (result.outcome == Outcome::handled) conclude(result, written);
        }
    }

private:
    Result<> apply(const Event& event, std::string& response) {
        const auto fields = parser_.parse(event.payload);
        if (!fields) return std::unexpected(fields.error());
        const auto component = string_field(*fields, "component");
        if (!component) return std::unexpected(component.error());
        if (component->empty() || component->size() > 200) {
            return invalid("payload: a component's name has 1 to 200 bytes");
        }
        const auto state = apply_to(*component, event, *fields);
        if (!state) return std::unexpected(state.error());
        response.append(R"({"component":)");
        append_json_string(response, *component);
        response.append(R"(,"state":")");
        response.append(state->health ? to_string(*state->health) : "unknown");
        response.append(R"(","configuration_version":)");
        response.append(std::to_string(state->configuration_version)).append("}");
        return {};
    }

    Result<HealthRegistry::Component> apply_to(std::string_view component, const Event& event,
                                               const simdjson::dom::object& fields) {
        const bool redelivered = event.attempt > 1;
        if (event.type == "configuration.changed") {
            const auto version = integer_field(fields, "version");
            if (!version) return std::unexpected(version.error());
            if (const auto settings = object_field(fields, "settings"); !settings) {
                return std::unexpected(settings.error());
            }
            return registry_.configure(event.source, component, *version, redelivered);
        }
        const bool checked = event.type == "health.checked";
        if (!checked && event.type != "status.changed")
            return invalid("unknown type " + event.type);
        const auto name = string_field(fields, "status");
        if (!name) return std::unexpected(name.error());
        const auto health = parse_health(*name);
        if (!health) return invalid("payload: unknown status " + std::string(*name));
        return checked ? registry_.observe(event.source, component, *health)
                       : registry_.change(event.source, component, *health, redelivered);
    }

    HealthRegistry& registry_;
    PayloadParser parser_;
};

}  // namespace

std::unique_ptr<Service> make_component_service(std::string name, Workshop& shop) {
    return std::make_unique<ComponentService>(std::move(name), shop);
}

}  // namespace crucible::runtime
