#include "runtime/service/health_registry.h"

#include <array>

#include "runtime/service/payload.h"

namespace crucible::runtime {
namespace {

constexpr std::array<std::string_view, kHealthCount> kNames = {"starting", "healthy", "degraded",
                                                               "unhealthy", "stopped"};

// Row: from; column: to; in the order of the enumerators.
constexpr bool kMayFollow[kHealthCount][kHealthCount] = {
    {false, true, true, true, true},     // starting
    {false, false, true, true, true},    // healthy
    {false, true, false, true, true},    // degraded
    {true, false, true, false, true},    // unhealthy
    {true, false, false, false, false},  // stopped
};

std::string_view state_name(const HealthRegistry::Component& component) noexcept {
    return component.health ? to_string(*component.health) : "unknown";
}

void append_entry(std::string& out, std::string_view key,
                  const HealthRegistry::Component& component) {
    out += R"({"component":)";
    append_json_string(out, key);
    out.append(R"(,"state":")").append(state_name(component));
    out.append(R"(","configuration_version":)")
        .append(std::to_string(component.configuration_version))
        .append("}\n");
}

}  // namespace

std::string_view to_string(Health health) noexcept {
    return kNames[static_cast<std::size_t>(health)];
}

std::optional<Health> parse_health(std::string_view name) noexcept {
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (kNames[i] == name) return static_cast<Health>(i);
    }
    return std::nullopt;
}

bool may_follow(std::optional<Health> from, Health to) noexcept {
    if (!from) return to == Health::starting;
    return kMayFollow[static_cast<std::size_t>(*from)][static_cast<std::size_t>(to)];
}

HealthRegistry::HealthRegistry(std::unique_ptr<AppendFile> journal)
    : journal_(std::move(journal)) {}

Result<std::unique_ptr<HealthRegistry>> HealthRegistry::open(const std::filesystem::path& journal,
                                                             Durability durability) {
    std::map<std::string, Component, std::less<>> components;
    const auto text = base::read_file(journal);
    if (!text && text.error().code != Errc::not_found) return std::unexpected(text.error());
    if (text) {
        PayloadParser parser;
        for (std::string_view rest = *text; !rest.empty();) {
            const auto end = rest.find('\n');
            if (end == std::string_view::npos) break;  // the process died in this write
            const auto fields = parser.parse(rest.substr(0, end));
            rest.remove_prefix(end + 1);
            if (!fields)
                return refuse(Errc::corrupt, journal.string() + ": " + fields.error().message);
            const auto key = string_field(*fields, "component");
            const auto state = string_field(*fields, "state");
            const auto version = integer_field(*fields, "configuration_version");
            if (!key || !state || !version) {
                return refuse(Errc::corrupt, journal.string() + ": an entry lacks a field");
            }
            components[std::string(*key)] = {parse_health(*state), *version};
        }
        std::string compact;
        for (const auto& [key, component] : components) append_entry(compact, key, component);
        // The replacement is not flushed before the rename, so a journal that must survive power
        // loss stays.
        if (durability == Durability::normal) {
            if (const auto done = base::write_file(journal, compact); !done) {
                return std::unexpected(done.error());
            }
        }
    }
    auto file = AppendFile::open(journal, durability);
    if (!file) return std::unexpected(file.error());
    auto registry = std::unique_ptr<HealthRegistry>(new HealthRegistry(std::move(*file)));
    registry->components_ = std::move(components);
    return registry;
}

Result<HealthRegistry::Component*> HealthRegistry::at(std::string_view source,
                                                      std::string_view component) {
    key_.assign(source).append("/").append(component);
    const auto found = components_.find(key_);
    if (found != components_.end()) return &found->second;
    if (components_.size() >= kComponentsMax) {
        return refuse(Errc::failed, "the registry is full: 100000 components");
    }
    return &components_[key_];
}

Result<HealthRegistry::Component> HealthRegistry::observe(std::string_view source,
                                                          std::string_view component,
                                                          Health health) {
    return change(source, component, health, true);
}

Result<HealthRegistry::Component> HealthRegistry::change(std::string_view source,
                                                         std::string_view component, Health health,
                                                         bool redelivered) {
    const std::scoped_lock lock(mutex_);
    const auto found = at(source, component);
    if (!found) return std::unexpected(found.error());
    Component& state = **found;
    if (state.health == health && redelivered) return state;
    if (!may_follow(state.health, health)) {
        const std::string from(state_name(state));
        // Looking it up made the entry of a component that nothing is known of.
        if (!state.health && state.configuration_version == 0) components_.erase(key_);
        return refuse(Errc::failed, std::string(component) + ": cannot go from " + from + " to " +
                                        std::string(to_string(health)));
    }
    state.health = health;
    append_entry(unwritten_, key_, state);
    return state;
}

Result<HealthRegistry::Component> HealthRegistry::configure(std::string_view source,
                                                            std::string_view component,
                                                            std::int64_t version,
                                                            bool redelivered) {
    const std::scoped_lock lock(mutex_);
    const auto found = at(source, component);
    if (!found) return std::unexpected(found.error());
    Component& state = **found;
    if (state.configuration_version == version && redelivered) return state;
    if (version <= state.configuration_version) {
        const std::string present = std::to_string(state.configuration_version);
        if (!state.health && state.configuration_version == 0) components_.erase(key_);
        return refuse(Errc::failed, std::string(component) + ": configuration version " +
                                        std::to_string(version) + " is not above " + present);
    }
    state.configuration_version = version;
    append_entry(unwritten_, key_, state);
    return state;
}

Result<> HealthRegistry::flush() {
    // Held during the write: a change of another thread that this one has taken over is durable
    // before that thread's own flush() returns.
    const std::scoped_lock lock(mutex_);
    auto done = journal_->append(unwritten_);
    if (done) unwritten_.clear();
    return done;
}

}  // namespace crucible::runtime
