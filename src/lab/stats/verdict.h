#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

/// What an interval says about a change when differences within a margin do not matter.
enum class Change : std::uint8_t {
    decreased,              ///< by more than the margin
    increased,              ///< by more than the margin
    equivalent,             ///< inside the margin, and zero is possible
    changed_within_margin,  ///< inside the margin, but not zero
    inconclusive,           ///< the data allow more than one of these
};
/// The enumerator's own name.
std::string_view to_string(Change change) noexcept;

/// Verdict on a log ratio d with margin `delta` = ln(1 + margin) > 0, from the interval at 1 -
/// alpha and the one at 1 - 2 alpha (95 % and 90 %):
///   increased              when interval95.low > delta, decreased when interval95.high < -delta;
///   equivalent             when -delta < interval90.low and interval90.high < delta: two one-sided
///   tests at alpha
///                          (Schuirmann 1987); changed_within_margin if besides 0 is not in
///                          interval95;
///   inconclusive           otherwise. A large p-value alone never makes two systems equal.
Change judge(const Interval& interval95, const Interval& interval90, double delta) noexcept;

/// Rounds that give an 80 % chance to leave "inconclusive" when the effect is `estimate` (log
/// ratio) and stays as noisy as `differences`: ((z_alpha + z_power) sigma / (delta - |estimate|))^2
/// / 0.955, sigma = 1.4826 MAD, 0.955 = 3/pi the efficiency of the signed-rank interval for normal
/// noise. Beyond the margin the distance is |estimate| - delta and the test two-sided. At least 6.
/// nullopt when the estimate is on the margin (no number of rounds decides) or the number exceeds
/// 100,000; also below 2 differences.
std::optional<std::uint32_t> rounds_needed(std::span<const double> differences, double estimate,
                                           double delta, double alpha = 0.05);

}  // namespace crucible::lab::stats
