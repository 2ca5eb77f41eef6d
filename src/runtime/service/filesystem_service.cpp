#include "base/planted_leak.h"
#include "runtime/service/payload.h"
#include "runtime/service/services.h"

namespace crucible::runtime {
namespace {

/// Of the file system, below which the service warns.
constexpr double kLittleSpace = 0.01;

class FilesystemService final : public NamedService {
public:
    FilesystemService(std::string name, Workshop& shop)
        : NamedService(std::move(name), Category::filesystem), vault_(shop.vault) {}

    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        for (std::size_t i = 0; i < events.size(); ++i) {
            reset(results[i]);
            CRUCIBLE_LEAK_POINT("filesystem");
            conclude(results[i], apply(*events[i]), {Errc::not_found, Errc::already_exists});
        }
    }

    CheckResult check() override {
        const auto left = vault_.free_space();
        if (!left || *left <= 0) return CheckResult::failed;
        return *left < kLittleSpace ? CheckResult::degraded : CheckResult::passed;
    }

private:
    Result<> apply(const Event& event) {
        const auto fields = parser_.parse(event.payload);
        if (!fields) return std::unexpected(fields.error());
        const auto path = string_field(*fields, "path");
        if (!path) return std::unexpected(path.error());
        const bool redelivered = event.attempt > 1;
        if (event.type == "file.deleted") return vault_.remove(event.source, *path, redelivered);
        if (event.type == "file.moved") {
            const auto to = string_field(*fields, "to");
            if (!to) return std::unexpected(to.error());
            return vault_.move(event.source, *path, *to, redelivered);
        }
        const bool created = event.type == "file.created";
        if (!created && event.type != "file.modified") return invalid("unknown type " + event.type);
        const auto content = string_field(*fields, "content");
        if (!content) return std::unexpected(content.error());
        const auto hash = string_field(*fields, "content_hash");
        if (!hash) return std::unexpected(hash.error());
        return created ? vault_.create(event.source, *path, *content, *hash, redelivered)
                       : vault_.modify(event.source, *path, *content, *hash);
    }

    Vault& vault_;
    PayloadParser parser_;
};

}  // namespace

std::unique_ptr<Service> make_filesystem_service(std::string name, Workshop& shop) {
    return std::make_unique<FilesystemService>(std::move(name), shop);
}

}  // namespace crucible::runtime
