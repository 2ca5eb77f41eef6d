#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/service.h"
#include "runtime/service/append_file.h"
#include "runtime/service/database.h"
#include "runtime/service/digest.h"
#include "runtime/service/health_registry.h"
#include "runtime/service/metric_registry.h"
#include "runtime/service/vault.h"

namespace crucible::runtime {

/// What all service instances of one process work on together. Each part is thread-safe; instances
/// themselves run on one thread at a time and hold only their own scratch memory.
struct Workshop {
    Vault vault;
    std::unique_ptr<Database> database;
    std::unique_ptr<AppendFile> outbox;
    std::unique_ptr<AppendFile> log;
    std::filesystem::path log_path;
    std::unique_ptr<HealthRegistry> health;
    MetricRegistry metrics;
    std::string webhook_secret;
};

/// A service that has a name, a category and how much it wants at once, and nothing else yet.
class NamedService : public Service {
public:
    static constexpr std::size_t kSingly = 64;  ///< each event is work of its own
    /// The events of a batch share a write or a transaction, and a flush: the more the cheaper.
    static constexpr std::size_t kTogether = 256;

    NamedService(std::string name, Category category, std::size_t batch_max = kSingly)
        : name_(std::move(name)), category_(category), batch_max_(batch_max) {}

    std::string_view name() const noexcept override { return name_; }
    Category category() const noexcept override { return category_; }
    std::size_t batch_max() const noexcept override { return batch_max_; }

private:
    const std::string name_;
    const Category category_;
    const std::size_t batch_max_;
};

// The six services. `shop` outlives them. docs/formats/payloads.md says which types and fields they
// know; an unknown type, a malformed payload or a missing field is `rejected`, work that cannot be
// done is `failed`.

/// Changes files of the vault.
std::unique_ptr<Service> make_filesystem_service(std::string name, Workshop& shop);
/// Changes records; one transaction per handle().
std::unique_ptr<Service> make_database_service(std::string name, Workshop& shop);
/// Verifies webhooks, validates calls and notifications, and enqueues them; one write per handle().
std::unique_ptr<Service> make_external_service(std::string name, Workshop& shop);
/// Answers JSON-RPC calls of tools and resources.
std::unique_ptr<Service> make_mcp_service(std::string name, Workshop& shop);
/// Keeps the health registry; one journal write per handle().
std::unique_ptr<Service> make_component_service(std::string name, Workshop& shop);
/// Aggregates metrics, keeps the log and maintains the database; one log write per handle().
std::unique_ptr<Service> make_system_service(std::string name, Workshop& shop);

/// The service of one of the six categories.
std::unique_ptr<Service> make_service(Category category, std::string name, Workshop& shop);

/// Acknowledges everything at once: Work::none.
std::unique_ptr<Service> make_idle_service(std::string name, Category category);

/// One instance for several categories: hands each its own events of a batch, in order, in one
/// call. Its category() is that of the first part.
std::unique_ptr<Service> make_combined_service(std::string name,
                                               std::vector<std::unique_ptr<Service>> parts);

}  // namespace crucible::runtime
