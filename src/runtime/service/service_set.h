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

namespace crucible::runtime {

/// Whether services do their work. `none` isolates the cost of routing: services acknowledge at once.
enum class Work : std::uint8_t { real, none };

/// How durable a handled event is. `normal`: survives a crash of the process (SQLite synchronous=NORMAL in WAL
/// mode). `full`: survives power loss (synchronous=FULL, files and logs fsynced).
enum class Durability : std::uint8_t { normal, full };

Result<Work> parse_work(std::string_view name);
Result<Durability> parse_durability(std::string_view name);

/// What the services of one process work on.
struct ServiceOptions {
    std::filesystem::path data_directory;  ///< created when missing; may be shared by several processes
    std::string process_name = "daemon";   ///< unique among the processes sharing the directory: names logs and outboxes
    std::uint32_t services = 6;            ///< instances in all, at least 1; dealt to categories by their share of the mix
    Work work = Work::real;
    Durability durability = Durability::normal;
    std::string webhook_secret = "crucible-webhook-secret";
};

/// The services of one process and the routing of events to them.
class ServiceSet {
public:
    /// Opens the data directory and makes the instances. - Errc::io, Errc::permission_denied, Errc::corrupt.
    static Result<std::unique_ptr<ServiceSet>> open(const ServiceOptions& options);
    ~ServiceSet();

    std::span<const std::unique_ptr<Service>> services() const noexcept;

    /// Index into services() of the instance that handles `event`: the one named in targets, else one of its
    /// category, always the same for one source and subject so that their order is kept. Nothing when no instance
    /// fits (Errc::not_found). Thread-safe, allocates nothing on success.
    Result<std::size_t> route(const Event& event) const;

    /// Adds a service of the embedding program. Before the first event only. - Errc::already_exists: its name is taken.
    Result<> add(std::unique_ptr<Service> service);

private:
    struct State;
    explicit ServiceSet(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace crucible::runtime
