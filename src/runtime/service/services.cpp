#include "runtime/service/services.h"

#include <algorithm>

#include "base/assert.h"
#include "runtime/service/payload.h"

namespace crucible::runtime {
namespace {

class IdleService final : public NamedService {
public:
    using NamedService::NamedService;

    void handle(std::span<const Event* const>, std::span<HandleResult> results) override {
        for (auto& result : results) reset(result);
    }
};

class CombinedService final : public NamedService {
public:
    CombinedService(std::string name, std::vector<std::unique_ptr<Service>> parts)
        : NamedService(std::move(name), parts.front()->category(), batch_of(parts)),
          parts_(std::move(parts)) {}

    /// The worst that one of its parts says.
    CheckResult check() override {
        CheckResult worst = CheckResult::passed;
        for (const auto& part : parts_) worst = std::max(worst, part->check());
        return worst;
    }

    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        std::size_t done = 0;
        for (const auto& part : parts_) {
            events_.clear();
            positions_.clear();
            for (std::size_t i = 0; i < events.size(); ++i) {
                if (events[i]->category != part->category()) continue;
                events_.push_back(events[i]);
                positions_.push_back(i);
            }
            if (events_.empty()) continue;
            results_.resize(events_.size());
            part->handle(events_, results_);
            for (std::size_t i = 0; i < positions_.size(); ++i) {
                std::swap(results[positions_[i]], results_[i]);
            }
            done += positions_.size();
        }
        if (done != events.size()) reject_strangers(events, results);
    }

private:
    static std::size_t batch_of(std::span<const std::unique_ptr<Service>> parts) {
        std::size_t least = kTogether;
        for (const auto& part : parts) least = std::min(least, part->batch_max());
        return least;
    }

    void reject_strangers(std::span<const Event* const> events, std::span<HandleResult> results) {
        for (std::size_t i = 0; i < events.size(); ++i) {
            bool known = false;
            for (const auto& part : parts_) known |= part->category() == events[i]->category;
            if (known) continue;
            reset(results[i]);
            conclude(results[i],
                     invalid(std::string(name()) + ": unknown type " + events[i]->type));
        }
    }

    std::vector<std::unique_ptr<Service>> parts_;
    std::vector<const Event*> events_;
    std::vector<std::size_t> positions_;
    std::vector<HandleResult> results_;
};

}  // namespace

std::unique_ptr<Service> make_idle_service(std::string name, Category category) {
    return std::make_unique<IdleService>(std::move(name), category);
}

std::unique_ptr<Service> make_combined_service(std::string name,
                                               std::vector<std::unique_ptr<Service>> parts) {
    CRUCIBLE_ASSERT(!parts.empty());
    return std::make_unique<CombinedService>(std::move(name), std::move(parts));
}

std::unique_ptr<Service> make_service(Category category, std::string name, Workshop& shop) {
    switch (category) {
        case Category::filesystem:
            return make_filesystem_service(std::move(name), shop);
        case Category::database:
            return make_database_service(std::move(name), shop);
        case Category::external:
            return make_external_service(std::move(name), shop);
        case Category::mcp:
            return make_mcp_service(std::move(name), shop);
        case Category::service:
            return make_component_service(std::move(name), shop);
        case Category::system:
            return make_system_service(std::move(name), shop);
        case Category::custom:
            break;
    }
    CRUCIBLE_ASSERT(category != Category::custom);
    return nullptr;
}

}  // namespace crucible::runtime
