#include "base/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "base/text.h"

namespace crucible::base {
namespace {

/// Splits "12.5ms" into 12.5 and "ms". Nothing when there is no finite number in front.
std::optional<std::pair<double, std::string_view>> split_number(std::string_view text) {
    double number = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, status] = std::from_chars(text.data(), end, number);
    if (status != std::errc{} || !std::isfinite(number)) return std::nullopt;
    return std::pair{number, std::string_view(rest, static_cast<std::size_t>(end - rest))};
}

std::unexpected<Error> bad(std::string_view what, std::string_view text, std::string_view allowed) {
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("{} {}: {}", what, in_quotes(text), allowed)});
}

struct Unit {
    std::string_view suffix;
    double factor;
};

std::optional<double> factor_of(std::span<const Unit> units, std::string_view suffix) {
    for (const auto& unit : units) {
        if (unit.suffix == suffix) return unit.factor;
    }
    return std::nullopt;
}

/// `value` to three significant digits. Units are chosen after rounding: 999.96 us is 1.00 ms.
double rounded(double value) {
    if (value == 0 || !std::isfinite(value)) return value;
    const double step = std::pow(10.0, std::floor(std::log10(std::abs(value))) - 2);
    return std::round(value / step) * step;
}

std::string three_digits(double value) {
    const double magnitude = std::abs(rounded(value));
    if (magnitude >= 100) return fmt::format("{:.0f}", value);
    if (magnitude >= 10) return fmt::format("{:.1f}", value);
    return fmt::format("{:.2f}", value);
}

std::string with_thousands(double value) {
    std::string digits = fmt::format("{:.0f}", value);
    const std::size_t first = digits.starts_with('-') ? 1 : 0;
    for (std::size_t at = digits.size(); at > first + 3;) {
        at -= 3;
        digits.insert(at, ",");
    }
    return digits;
}

}  // namespace

Result<Rate> Rate::per_second(double events) {
    if (!(events > 0) || events > 1e9) {
        return bad("rate", fmt::format("{:g}", events), "must be above 0 and at most 1e9 events/s");
    }
    return Rate(events);
}

Duration Rate::due(std::uint64_t index) const noexcept {
    // long double keeps 64 bits of mantissa: the product stays exact to the nanosecond for
    // centuries.
    const long double seconds = static_cast<long double>(index) / events_per_second_;
    return Duration(static_cast<std::int64_t>(std::llround(seconds * 1e9L)));
}

Result<Rate> parse_rate(std::string_view text) {
    constexpr std::array<Unit, 6> units{
        {{"", 1}, {"/s", 1}, {"k", 1e3}, {"k/s", 1e3}, {"M", 1e6}, {"M/s", 1e6}}};
    constexpr std::string_view allowed =
        "a number of events per second above 0 and at most 1e9, e.g. 500/s or 2k/s";
    const auto parts = split_number(text);
    const auto factor = parts ? factor_of(units, parts->second) : std::nullopt;
    if (!factor) return bad("rate", text, allowed);
    const auto rate = Rate::per_second(parts->first * *factor);
    if (!rate) return bad("rate", text, allowed);
    return rate;
}

Result<Duration> parse_duration(std::string_view text) {
    constexpr std::array<Unit, 7> units{
        {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
    const auto parts = split_number(text);
    const auto factor = parts ? factor_of(units, parts->second) : std::nullopt;
    if (!factor || parts->first < 0 || parts->first * *factor > 9e18) {
        return bad("duration", text,
                   "a number of at least 0 with ns, us, ms, s, m or h, e.g. 200ms");
    }
    return Duration(static_cast<std::int64_t>(std::llround(parts->first * *factor)));
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
    constexpr std::array<Unit, 8> units{{{"", 1},
                                         {"B", 1},
                                         {"kB", 1e3},
                                         {"MB", 1e6},
                                         {"KiB", 1024},
                                         {"MiB", 1048576},
                                         {"GiB", 1073741824},
                                         {"GB", 1e9}}};
    const auto parts = split_number(text);
    const auto factor = parts ? factor_of(units, parts->second) : std::nullopt;
    if (!factor || parts->first < 0 || parts->first * *factor > 9e18) {
        return bad("size", text,
                   "a number of at least 0 with B, kB, KiB, MB, MiB, GB or GiB, e.g. 4KiB");
    }
    return static_cast<std::uint64_t>(std::llround(parts->first * *factor));
}

Result<double> parse_fraction(std::string_view text) {
    const auto parts = split_number(text);
    if (!parts || (parts->second != "" && parts->second != "%")) {
        return bad("fraction", text, "a number or a percentage, e.g. 0.05 or 5%");
    }
    return parts->second == "%" ? parts->first / 100 : parts->first;
}

std::string format_duration(double seconds) {
    const double magnitude = std::abs(rounded(seconds));
    if (magnitude >= 1) return three_digits(seconds) + " s";
    if (magnitude >= 1e-3) return three_digits(seconds * 1e3) + " ms";
    if (magnitude >= 1e-6) return three_digits(seconds * 1e6) + " us";
    return three_digits(seconds * 1e9) + " ns";
}

std::string format_bytes(double bytes) {
    const double magnitude = std::abs(bytes);
    if (magnitude >= 1073741824) return three_digits(bytes / 1073741824) + " GiB";
    if (magnitude >= 1048576) return three_digits(bytes / 1048576) + " MiB";
    if (magnitude >= 1024) return three_digits(bytes / 1024) + " KiB";
    return fmt::format("{:.0f} B", bytes);
}

std::string format_count(double count) {
    const double magnitude = std::abs(count);
    if (magnitude >= 1e5 && std::abs(rounded(count)) >= 1e6)
        return three_digits(count / 1e6) + " M";
    if (magnitude >= 1e5) return three_digits(count / 1e3) + " k";
    if (magnitude >= 100 || count == std::floor(count)) return with_thousands(count);
    return three_digits(count);
}

}  // namespace crucible::base
