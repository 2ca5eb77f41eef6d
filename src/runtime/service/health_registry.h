#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "crucible/error.h"
#include "runtime/service/append_file.h"
#include "runtime/service/service_set.h"

namespace crucible::runtime {

/// A component's life: starting -> healthy | degraded | unhealthy | stopped; healthy, degraded ->
/// each other, unhealthy, stopped; unhealthy -> degraded, starting (a restart), stopped; stopped ->
/// starting. Straight from unhealthy to healthy is not possible: what failed is first seen working
/// in part or restarted.
enum class Health : std::uint8_t { starting, healthy, degraded, unhealthy, stopped };
inline constexpr std::size_t kHealthCount = 5;

std::string_view to_string(Health health) noexcept;
std::optional<Health> parse_health(std::string_view name) noexcept;

/// Whether `from` may be followed by `to`. Staying is no transition. A component not seen before
/// (nullopt) may only start.
bool may_follow(std::optional<Health> from, Health to) noexcept;

/// State and configuration of components, by source and name. Journalled: it is the same after a
/// restart of the process with the same journal. Thread-safe.
class HealthRegistry {
public:
    static constexpr std::size_t kComponentsMax = 100'000;

    struct Component {
        std::optional<Health> health;  ///< none: only configured so far
        std::int64_t configuration_version = 0;
    };

    /// Reads the journal; with Durability::normal starts it anew with one line per component.
    /// - Errc::io, Errc::permission_denied, Errc::corrupt.
    static Result<std::unique_ptr<HealthRegistry>> open(const std::filesystem::path& journal,
                                                        Durability durability);

    /// `component` was seen in state `health`, which may be the one it is in.
    /// - Errc::failed: the transition is not possible, or there are kComponentsMax already.
    Result<Component> observe(std::string_view source, std::string_view component, Health health);

    /// `component` changes to `health`. The same errors, and staying is one unless `redelivered`.
    Result<Component> change(std::string_view source, std::string_view component, Health health,
                             bool redelivered);

    /// A new configuration. - Errc::failed: `version` is not above the present one (equal is
    /// accepted when `redelivered`).
    Result<Component> configure(std::string_view source, std::string_view component,
                                std::int64_t version, bool redelivered);

    /// Makes every change durable that was made before the call.
    Result<> flush();

private:
    explicit HealthRegistry(std::unique_ptr<AppendFile> journal);
    Result<Component*> at(std::string_view source, std::string_view component);

    std::mutex mutex_;
    std::map<std::string, Component, std::less<>> components_;  ///< key: source/component
    std::string key_;
    std::string unwritten_;
    std::unique_ptr<AppendFile> journal_;
};

}  // namespace crucible::runtime
