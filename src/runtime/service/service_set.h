#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/service.h"
#include "runtime/event/event_view.h"
#include "runtime/service/external_places.h"

namespace crucible::runtime {

/// Whether services do their work. `none` isolates the cost of routing: services acknowledge at
/// once.
enum class Work : std::uint8_t { real, none };

/// How durable a handled event is. `normal`: survives a crash of the process (SQLite
/// synchronous=NORMAL in WAL mode). `full`: survives power loss (synchronous=FULL, files and logs
/// fsynced).
enum class Durability : std::uint8_t { normal, full };

Result<Work> parse_work(std::string_view name);
Result<Durability> parse_durability(std::string_view name);

/// Most instances one process can have.
inline constexpr std::uint32_t kServicesMax = 10'000;

/// What the services of one process work on.
struct ServiceOptions {
    std::filesystem::path
        data_directory;  ///< created when missing; may be shared by several processes
    std::string process_name =
        "daemon";  ///< unique among the processes sharing the directory: names logs and outboxes
    std::uint32_t services =
        6;  ///< instances in all, 1 to kServicesMax; dealt to categories by their share
            ///< of the mix (deal.h); with fewer than six, one serves several
    Work work = Work::real;
    Durability durability = Durability::normal;
    std::string webhook_secret = "crucible-webhook-secret";
};

/// The instances that serve a category at one moment, as indices: those of this process in the
/// order of their names, then the external ones.
class Candidates {
public:
    Candidates(std::span<const std::size_t> own, std::uint64_t external,
               std::size_t first_external) noexcept
        : own_(own), external_(external), first_external_(first_external) {}

    std::size_t size() const noexcept {
        if (external_ == 0) return own_.size();
        return own_.size() + static_cast<std::size_t>(std::popcount(external_));
    }
    std::size_t operator[](std::size_t at) const noexcept {
        if (at < own_.size()) return own_[at];
        std::uint64_t bits = external_;
        for (std::size_t i = own_.size(); i < at; ++i) bits &= bits - 1;
        return first_external_ + static_cast<std::size_t>(std::countr_zero(bits));
    }

private:
    std::span<const std::size_t> own_;
    std::uint64_t external_;
    std::size_t first_external_;
};

/// The services of one process and the routing of events to them. Instances have an index: first
/// those of this process, then the places of services outside it.
class ServiceSet {
public:
    /// Opens the data directory and makes the instances. With Work::none no file is touched.
    /// - Errc::invalid_argument: `services` out of range, a process name that is no file name.
    /// - Errc::io, Errc::permission_denied, Errc::timeout, Errc::corrupt, Errc::unsupported: the
    /// data directory.
    static Result<std::unique_ptr<ServiceSet>> open(const ServiceOptions& options);
    ~ServiceSet();

    /// Those of this process.
    std::span<const std::unique_ptr<Service>> services() const noexcept;

    /// All instances: services() and the places of external ones.
    std::size_t size() const noexcept { return services().size() + external().size(); }
    bool is_external(std::size_t index) const noexcept { return index >= services().size(); }
    /// Empty for a place that nobody has, nor is kept for anybody. Thread-safe.
    std::string name_of(std::size_t index) const;
    /// The first that it serves. Thread-safe.
    Category category_of(std::size_t index) const;

    /// Places for services outside this process; place i is the instance services().size() + i.
    /// None at first.
    ExternalPlaces& external() noexcept;
    const ExternalPlaces& external() const noexcept;
    /// Makes such places, instead of those there are. Before the first event only, and after add().
    /// - Errc::invalid_argument: more than ExternalPlaces::kMax, more expected than places, a name
    /// that is none, no category. - Errc::already_exists: a name that an instance has.
    Result<> make_external_places(std::size_t count,
                                  std::span<const ExpectedService> expected = {});

    /// Index of the instance that handles `event`: the first of its targets that
    /// exists here, or without targets one of its category, always the same for one source so that
    /// its order is kept (a hash of the payload's subject would spread further, but a moved file
    /// has two). - Errc::not_found: no instance fits. Thread-safe, allocates nothing on success.
    Result<std::size_t> route(const EventView& event) const;
    Result<std::size_t> route(const Event& event) const { return route(view_of(event)); }

    /// The instance of that name. Thread-safe.
    std::optional<std::size_t> find(std::string_view name) const;

    /// The instances that serve `category`. Thread-safe.
    Candidates instances_of(Category category) const noexcept;

    /// Whether the instance of that index does nothing but acknowledge (Work::none): then nobody
    /// needs to hand it anything.
    bool acknowledges_unseen(std::size_t index) const noexcept;

    /// Adds a service of the embedding program. Before the first event only. -
    /// Errc::already_exists: its name is taken.
    Result<> add(std::unique_ptr<Service> service);

private:
    struct State;
    explicit ServiceSet(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace crucible::runtime
