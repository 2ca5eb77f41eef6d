#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/service.h"
#include "runtime/event/event_view.h"

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

/// The services of one process and the routing of events to them.
class ServiceSet {
public:
    /// Opens the data directory and makes the instances. With Work::none no file is touched.
    /// - Errc::invalid_argument: `services` out of range, a process name that is no file name.
    /// - Errc::io, Errc::permission_denied, Errc::timeout, Errc::corrupt, Errc::unsupported: the
    /// data directory.
    static Result<std::unique_ptr<ServiceSet>> open(const ServiceOptions& options);
    ~ServiceSet();

    std::span<const std::unique_ptr<Service>> services() const noexcept;

    /// Index into services() of the instance that handles `event`: the first of its targets that
    /// exists here, or without targets one of its category, always the same for one source so that
    /// its order is kept (a hash of the payload's subject would spread further, but a moved file
    /// has two). - Errc::not_found: no instance fits. Thread-safe, allocates nothing on success.
    Result<std::size_t> route(const EventView& event) const;
    Result<std::size_t> route(const Event& event) const { return route(view_of(event)); }

    /// The instances that serve `category`, in the order of their names.
    std::span<const std::size_t> instances_of(Category category) const noexcept;

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
