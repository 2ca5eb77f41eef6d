#include "runtime/service/service_set.h"

#include <algorithm>
#include <array>
#include <functional>
#include <unordered_map>

#include "base/assert.h"
#include "crucible/allocation.h"
#include "runtime/service/deal.h"
#include "runtime/service/payload.h"
#include "runtime/service/services.h"

namespace crucible::runtime {
namespace {

/// FNV-1a. The names of clients differ in their last digits, which this hash takes last:
/// consecutive clients get consecutive low bits and so different instances, where a stronger hash
/// would let some collide.
std::uint64_t hash_source(std::string_view source) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : source) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return hash;
}

struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept {
        return std::hash<std::string_view>{}(name);
    }
};

bool is_file_name(std::string_view name) {
    return !name.empty() && name.size() <= 200 && name.find('/') == std::string_view::npos &&
           name.find('\0') == std::string_view::npos && !name.starts_with('.');
}

Result<std::unique_ptr<Workshop>> open_workshop(const ServiceOptions& options) {
    if (!is_file_name(options.process_name)) {
        return invalid("process name \"" + options.process_name + "\" is no file name");
    }
    const auto& data = options.data_directory;
    auto vault = Vault::open(data / "vault", options.durability);
    if (!vault) return std::unexpected(vault.error());
    auto database = Database::open(data / "crucible.db", options.durability);
    if (!database) return std::unexpected(database.error());
    auto outbox =
        AppendFile::open(data / "outbox" / (options.process_name + ".jsonl"), options.durability);
    if (!outbox) return std::unexpected(outbox.error());
    auto log_path = data / "log" / (options.process_name + ".log");
    auto log = AppendFile::open(log_path, options.durability);
    if (!log) return std::unexpected(log.error());
    auto health = HealthRegistry::open(data / "health" / (options.process_name + ".jsonl"),
                                       options.durability);
    if (!health) return std::unexpected(health.error());
    return std::unique_ptr<Workshop>(new Workshop{std::move(*vault),
                                                  std::move(*database),
                                                  std::move(*outbox),
                                                  std::move(*log),
                                                  std::move(log_path),
                                                  std::move(*health),
                                                  {},
                                                  options.webhook_secret});
}

}  // namespace

Result<Work> parse_work(std::string_view name) {
    if (name == "real") return Work::real;
    if (name == "none") return Work::none;
    return invalid("work \"" + std::string(name) + "\" is not real or none");
}

Result<Durability> parse_durability(std::string_view name) {
    if (name == "normal") return Durability::normal;
    if (name == "full") return Durability::full;
    return invalid("durability \"" + std::string(name) + "\" is not normal or full");
}

struct ServiceSet::State {
    std::unique_ptr<Workshop> shop;  ///< null with Work::none; outlives the services
    std::vector<std::unique_ptr<Service>> services;
    std::array<std::vector<std::size_t>, kCategoryCount> by_category;
    std::unordered_map<std::string, std::size_t, NameHash, std::equal_to<>> by_name;
    std::size_t idle = 0;  ///< so many, from the first on, only acknowledge
    std::unique_ptr<ExternalPlaces> external = std::make_unique<ExternalPlaces>();

    void add(std::unique_ptr<Service> service, std::span<const Category> categories) {
        const std::size_t index = services.size();
        by_name.emplace(service->name(), index);
        for (const Category category : categories) {
            by_category[static_cast<std::size_t>(category)].push_back(index);
        }
        services.push_back(std::move(service));
    }

    std::unique_ptr<Service> make(Category category, std::string name) {
        if (shop == nullptr) return make_idle_service(std::move(name), category);
        return make_service(category, std::move(name), *shop);
    }

    void deal(std::uint32_t count) {
        std::array<std::uint32_t, kCategoryCount> numbers{};
        for (const auto& categories : deal_categories(count)) {
            const Category first = categories.front();
            const auto number = ++numbers[static_cast<std::size_t>(first)];
            std::string name = std::string(to_string(first)) + "-" + std::to_string(number);
            const AllocationScope scope{AllocationOwner(name)};
            if (categories.size() == 1 || shop == nullptr) {
                add(make(first, std::move(name)), categories);
                continue;
            }
            std::vector<std::unique_ptr<Service>> parts;
            for (const Category category : categories) parts.push_back(make(category, name));
            add(make_combined_service(std::move(name), std::move(parts)), categories);
        }
    }
};

ServiceSet::ServiceSet(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServiceSet::~ServiceSet() = default;

Result<std::unique_ptr<ServiceSet>> ServiceSet::open(const ServiceOptions& options) {
    if (options.services < 1 || options.services > kServicesMax) {
        return invalid("services: 1 to " + std::to_string(kServicesMax) + " are possible");
    }
    static const AllocationOwner owner("services");  // what they share
    const AllocationScope scope(owner);
    auto state = std::make_unique<State>();
    if (options.work == Work::real) {
        auto shop = open_workshop(options);
        if (!shop) return std::unexpected(shop.error());
        state->shop = std::move(*shop);
    }
    state->deal(options.services);
    if (options.work == Work::none) state->idle = state->services.size();
    return std::unique_ptr<ServiceSet>(new ServiceSet(std::move(state)));
}

std::span<const std::unique_ptr<Service>> ServiceSet::services() const noexcept {
    return state_->services;
}

std::string ServiceSet::name_of(std::size_t index) const {
    if (is_external(index)) return external().name_of(index - services().size());
    return std::string(services()[index]->name());
}

Category ServiceSet::category_of(std::size_t index) const {
    if (is_external(index)) return external().category_of(index - services().size());
    return services()[index]->category();
}

ExternalPlaces& ServiceSet::external() noexcept {
    return *state_->external;
}

const ExternalPlaces& ServiceSet::external() const noexcept {
    return *state_->external;
}

Result<> ServiceSet::make_external_places(std::size_t count,
                                          std::span<const ExpectedService> expected) {
    if (count > ExternalPlaces::kMax || expected.size() > count) {
        return invalid("places for external services: at most " +
                       std::to_string(ExternalPlaces::kMax) +
                       ", and at least as many as are expected");
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const auto& [name, categories] = expected[i];
        if (!is_service_name(name)) return invalid("'" + name + "' cannot be a service's name");
        if (categories.empty()) return invalid("the service " + name + " has no category");
        const bool twice = std::ranges::find(expected.first(i), name, &ExpectedService::name) !=
                           expected.first(i).end();
        if (twice || state_->by_name.contains(name))
            return refuse(Errc::already_exists, "two services named " + name);
    }
    state_->external = std::make_unique<ExternalPlaces>(count, expected);
    return {};
}

std::optional<std::size_t> ServiceSet::find(std::string_view name) const {
    const auto found = state_->by_name.find(name);
    if (found != state_->by_name.end()) return found->second;
    if (const auto place = external().find(name)) return services().size() + *place;
    return std::nullopt;
}

Result<std::size_t> ServiceSet::route(const EventView& event) const {
    for (std::size_t i = 0; i < event.targets.size(); ++i)
        if (const auto found = find(event.targets[i])) return *found;
    if (!event.targets.empty()) {
        return refuse(Errc::not_found, "no service named " + std::string(event.targets[0]));
    }
    const Candidates candidates = instances_of(event.category);
    if (candidates.size() == 0) {
        return refuse(Errc::not_found,
                      "no service for category " + std::string(to_string(event.category)));
    }
    if (candidates.size() == 1) return candidates[0];
    return candidates[hash_source(event.source) % candidates.size()];
}

Candidates ServiceSet::instances_of(Category category) const noexcept {
    return {state_->by_category[static_cast<std::size_t>(category)], external().serving(category),
            services().size()};
}

bool ServiceSet::acknowledges_unseen(std::size_t index) const noexcept {
    return index < state_->idle;
}

Result<> ServiceSet::add(std::unique_ptr<Service> service) {
    CRUCIBLE_ASSERT(service != nullptr && external().size() == 0);
    if (state_->by_name.contains(service->name())) {
        return refuse(Errc::already_exists,
                      "a service named " + std::string(service->name()) + " exists already");
    }
    const Category category = service->category();
    state_->add(std::move(service), {&category, 1});
    return {};
}

}  // namespace crucible::runtime
