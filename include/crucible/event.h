#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/time.h"

namespace crucible {

/// A 128-bit identifier in network byte order. Ours are UUIDv7 (RFC 9562): sortable by creation
/// time.
struct Uuid {
    std::array<std::uint8_t, 16> bytes{};

    /// All zeros: no identifier (RFC 9562, 5.9).
    bool is_nil() const noexcept {
        const auto halves = std::bit_cast<std::array<std::uint64_t, 2>>(bytes);
        return (halves[0] | halves[1]) == 0;
    }

    friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

/// Which kind of service handles an event.
enum class Category : std::uint8_t { filesystem, database, external, mcp, service, system, custom };
inline constexpr std::size_t kCategoryCount = 7;

/// Order in which waiting events are taken; `critical` first.
enum class Priority : std::uint8_t { critical, high, normal, low };
inline constexpr std::size_t kPriorityCount = 4;

std::string_view to_string(Category category) noexcept;
std::string_view to_string(Priority priority) noexcept;
std::optional<Category> parse_category(std::string_view name) noexcept;
std::optional<Priority> parse_priority(std::string_view name) noexcept;

/// Largest payload and largest encoded event, in bytes.
inline constexpr std::size_t kEventBytesMax = 10u * 1024u * 1024u;

/// Longest content type, in bytes.
inline constexpr std::size_t kContentTypeBytesMax = 255;

/// One event: what happened, where it came from, who should get it. A plain value.
struct Event {
    Uuid id;
    Category category = Category::custom;
    Priority priority = Priority::normal;
    std::string type;    ///< e.g. "file.created"; which types a service knows is its contract
    std::string source;  ///< who published it, e.g. "client-2"
    std::vector<std::string> targets;  ///< names of service instances; empty: routed by category
    std::string payload;
    std::string content_type = "application/json";
    WallTime created{};
    std::optional<Uuid> correlation_id;  ///< the conversation this event belongs to
    std::optional<Uuid> causation_id;    ///< the event that caused this one
    std::uint32_t attempt = 1;           ///< 1 for the first delivery; see redelivered()
    std::optional<WallTime> deadline;    ///< after it the event is refused instead of handled
    std::optional<WallTime> not_before;  ///< until then the event waits: a scheduled one

    /// Whether a service was given it before, or may have been: its publisher sent it to a daemon
    /// that went away. That attempt failed, or got no answer, as when the service died: then the
    /// event may have been handled.
    bool redelivered() const noexcept { return attempt > 1; }

    friend bool operator==(const Event&, const Event&) = default;
};

}  // namespace crucible
