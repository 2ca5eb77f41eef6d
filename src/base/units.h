#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::base {

/// Events per second, in (0, 1e9]: no caller divides by zero or asks for two events in one tick.
class Rate {
public:
    /// - Errc::invalid_argument: not in (0, 1e9].
    static Result<Rate> per_second(double events);

    double events_per_second() const noexcept { return events_per_second_; }

    /// Due time of event `index`, from the start of the plan. Computed from the index rather than
    /// by adding intervals: at 30 kHz, 33,333 ns steps would run 10 ppm fast.
    Duration due(std::uint64_t index) const noexcept;

    friend bool operator==(const Rate&, const Rate&) = default;

private:
    explicit Rate(double events_per_second) noexcept : events_per_second_(events_per_second) {}
    double events_per_second_;
};

/// "500/s", "500", "2k/s", "1.5M/s". - Errc::invalid_argument: the message names the text and the
/// form allowed.
Result<Rate> parse_rate(std::string_view text);

/// "200ms", "1.5s", "2m", "1h", "100us", "50ns". A number needs its unit.
Result<Duration> parse_duration(std::string_view text);

/// "512", "512B", "4KiB", "10MiB", "4kB" (1000). Bytes.
Result<std::uint64_t> parse_bytes(std::string_view text);

/// "5%", "0.1%" or "0.05": a fraction.
Result<double> parse_fraction(std::string_view text);

/// Three significant digits and the fitting unit: "1.53 ms", "412 us", "2.00 s".
std::string format_duration(double seconds);
/// "4.2 MiB", "512 B".
std::string format_bytes(double bytes);
/// "12,345" style counts and rates: three significant digits with k/M above 100,000.
std::string format_count(double count);

}  // namespace crucible::base
