#include "runtime/event/rfc3339.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace crucible::runtime {
namespace {

/// Takes the text from left to right; after a mismatch everything fails.
class Reader {
public:
    explicit Reader(std::string_view text) noexcept : rest_(text) {}

    bool ok() const noexcept { return ok_; }
    bool at_end() const noexcept { return rest_.empty(); }

    /// Exactly `count` digits.
    int digits(std::size_t count) noexcept {
        if (!ok_ || rest_.size() < count) return fail();
        int value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (!is_digit(rest_[i])) return fail();
            value = value * 10 + (rest_[i] - '0');
        }
        rest_.remove_prefix(count);
        return value;
    }

    /// One of `allowed`; returns it.
    char one_of(std::string_view allowed) noexcept {
        if (!ok_ || rest_.empty() || !allowed.contains(rest_.front())) {
            fail();
            return '\0';
        }
        const char found = rest_.front();
        rest_.remove_prefix(1);
        return found;
    }

    /// ".123" as nanoseconds; 0 when there is none.
    std::int64_t fraction() noexcept {
        if (!ok_ || rest_.empty() || rest_.front() != '.') return 0;
        rest_.remove_prefix(1);
        if (rest_.empty() || !is_digit(rest_.front())) return fail();
        std::int64_t value = 0;
        std::int64_t unit = 100'000'000;
        while (!rest_.empty() && is_digit(rest_.front())) {
            value += (rest_.front() - '0') * unit;
            unit /= 10;
            rest_.remove_prefix(1);
        }
        return value;
    }

private:
    static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
    int fail() noexcept {
        ok_ = false;
        return 0;
    }
    std::string_view rest_;
    bool ok_ = true;
};

// Whole years: near the ends of WallTime, the start of the day would already be outside it.
constexpr int kFirstYear = 1678;
constexpr int kLastYear = 2261;
constexpr WallTime kEarliest =
    std::chrono::sys_days(std::chrono::year(kFirstYear) / std::chrono::January / 1);
constexpr WallTime kLatest =
    WallTime(std::chrono::sys_days(std::chrono::year(kLastYear + 1) / std::chrono::January / 1)) -
    Duration(1);

}  // namespace

std::string to_rfc3339(WallTime time) {
    time = std::clamp(time, kEarliest, kLatest);
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                       clock.subseconds().count());
}

std::optional<WallTime> parse_rfc3339(std::string_view text) noexcept {
    Reader reader(text);
    const int year = reader.digits(4);
    reader.one_of("-");
    const int month = reader.digits(2);
    reader.one_of("-");
    const int day = reader.digits(2);
    reader.one_of("Tt");
    const int hour = reader.digits(2);
    reader.one_of(":");
    const int minute = reader.digits(2);
    reader.one_of(":");
    const int second = reader.digits(2);
    const std::int64_t nanoseconds = reader.fraction();
    const char zone = reader.one_of("Zz+-");
    int offset_minutes = 0;
    if (zone == '+' || zone == '-') {
        const int hours = reader.digits(2);
        reader.one_of(":");
        const int minutes = reader.digits(2);
        if (hours > 23 || minutes > 59) return std::nullopt;
        offset_minutes = (hours * 60 + minutes) * (zone == '-' ? -1 : 1);
    }
    if (!reader.ok() || !reader.at_end()) return std::nullopt;

    const std::chrono::year_month_day date{std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    // The offset moves a time by less than a day: it stays within WallTime.
    if (!date.ok() || year < kFirstYear || year > kLastYear) return std::nullopt;
    if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
    return WallTime(std::chrono::sys_days(date).time_since_epoch()) + std::chrono::hours(hour) +
           std::chrono::minutes(minute - offset_minutes) + std::chrono::seconds(second) +
           Duration(nanoseconds);
}

}  // namespace crucible::runtime
