#include "runtime/route/time_window.h"

#include <array>

namespace crucible::runtime {
namespace {

constexpr std::array<std::string_view, kWeekdayCount> kWeekdays{"mon", "tue", "wed", "thu",
                                                                "fri", "sat", "sun"};

/// Two digits; -1 where they are none.
int two_digits(std::string_view text) noexcept {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (text.size() != 2 || !is_digit(text[0]) || !is_digit(text[1])) return -1;
    return (text[0] - '0') * 10 + (text[1] - '0');
}

Weekday weekday_of(std::chrono::sys_days day) noexcept {
    // iso_encoding() counts Monday as 1 and Sunday as 7.
    return static_cast<Weekday>(std::chrono::weekday(day).iso_encoding() - 1);
}

}  // namespace

std::string_view to_string(Weekday day) noexcept {
    const auto index = static_cast<std::size_t>(day);
    return index < kWeekdays.size() ? kWeekdays[index] : "unknown";
}

std::optional<Weekday> parse_weekday(std::string_view name) noexcept {
    for (std::size_t i = 0; i < kWeekdays.size(); ++i) {
        if (kWeekdays[i] == name) return static_cast<Weekday>(i);
    }
    return std::nullopt;
}

std::optional<std::chrono::seconds> parse_time_of_day(std::string_view text) noexcept {
    if (text.size() != 5 && text.size() != 8) return std::nullopt;
    const int hours = two_digits(text.substr(0, 2));
    const int minutes = two_digits(text.substr(3, 2));
    const int seconds = text.size() == 8 ? two_digits(text.substr(6)) : 0;
    if (text[2] != ':' || (text.size() == 8 && text[5] != ':')) return std::nullopt;
    if (hours < 0 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 59)
        return std::nullopt;
    const auto time =
        std::chrono::hours(hours) + std::chrono::minutes(minutes) + std::chrono::seconds(seconds);
    if (time > std::chrono::hours(24)) return std::nullopt;
    return time;
}

bool TimeWindow::contains(WallTime time) const noexcept {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const auto time_of_day = time - day;
    if (from < to) return time_of_day >= from && time_of_day < to && days.contains(weekday_of(day));
    if (time_of_day >= from) return days.contains(weekday_of(day));
    return time_of_day < to && days.contains(weekday_of(day - std::chrono::days(1)));
}

}  // namespace crucible::runtime
