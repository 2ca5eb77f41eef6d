#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "crucible/time.h"
#include "runtime/route/enum_set.h"

namespace crucible::runtime {

/// Days of the week, UTC.
enum class Weekday : std::uint8_t { mon, tue, wed, thu, fri, sat, sun };
inline constexpr std::size_t kWeekdayCount = 7;
std::string_view to_string(Weekday day) noexcept;
std::optional<Weekday> parse_weekday(std::string_view name) noexcept;
using WeekdaySet = EnumSet<Weekday, kWeekdayCount>;

/// "22:00" or "22:00:30" since midnight, up to "24:00".
std::optional<std::chrono::seconds> parse_time_of_day(std::string_view text) noexcept;

/// A time of day (UTC) on some days of the week. A window that passes midnight belongs to the day
/// on which it began.
struct TimeWindow {
    std::chrono::seconds from{0};            ///< since midnight, inclusive, below 24 h
    std::chrono::seconds to{24L * 60 * 60};  ///< exclusive, up to 24 h; at most `from`: next day
    WeekdaySet days = WeekdaySet::all();

    bool contains(WallTime time) const noexcept;

    friend bool operator==(const TimeWindow&, const TimeWindow&) = default;
};

}  // namespace crucible::runtime
