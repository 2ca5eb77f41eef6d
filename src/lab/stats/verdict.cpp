#include "lab/stats/verdict.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "lab/stats/robust.h"

namespace crucible::lab::stats {
namespace {

constexpr double kPower = 0.8;
constexpr double kEfficiency = 0.955;
constexpr double kRoundsMin = 6;
constexpr double kRoundsMax = 100'000;

/// Robust where it can be; when more than half the differences are equal the MAD is 0 and says
/// nothing.
double noise(std::span<const double> differences) {
    const double sigma = kMadToSigma * median_absolute_deviation(differences);
    if (sigma > 0) return sigma;
    double mean = 0;
    for (const double d : differences) mean += d;
    mean /= static_cast<double>(differences.size());
    double squares = 0;
    for (const double d : differences) squares += (d - mean) * (d - mean);
    return std::sqrt(squares / static_cast<double>(differences.size() - 1));
}

}  // namespace

std::string_view to_string(Change change) noexcept {
    switch (change) {
        case Change::decreased:
            return "decreased";
        case Change::increased:
            return "increased";
        case Change::equivalent:
            return "equivalent";
        case Change::changed_within_margin:
            return "changed_within_margin";
        case Change::inconclusive:
            return "inconclusive";
    }
    return "unknown";
}

Change judge(const Interval& interval95, const Interval& interval90, double delta) noexcept {
    CRUCIBLE_ASSERT(delta > 0);
    if (interval95.low > delta) return Change::increased;
    if (interval95.high < -delta) return Change::decreased;
    if (-delta < interval90.low && interval90.high < delta) {
        const bool zero_possible = interval95.low <= 0 && 0 <= interval95.high;
        return zero_possible ? Change::equivalent : Change::changed_within_margin;
    }
    return Change::inconclusive;
}

std::optional<std::uint32_t> rounds_needed(std::span<const double> differences, double estimate,
                                           double delta, double alpha) {
    require_finite(differences);
    CRUCIBLE_ASSERT(delta > 0 && alpha > 0 && alpha < 1);
    if (differences.size() < 2) return std::nullopt;
    const double distance = delta - std::abs(estimate);
    if (distance == 0) return std::nullopt;
    const boost::math::normal normal;
    const double z_alpha = boost::math::quantile(normal, 1 - (distance > 0 ? alpha : alpha / 2));
    const double z_power = boost::math::quantile(normal, kPower);
    const double ratio = (z_alpha + z_power) * noise(differences) / distance;
    const double rounds = std::max(kRoundsMin, std::ceil(ratio * ratio / kEfficiency));
    if (rounds > kRoundsMax) return std::nullopt;
    return static_cast<std::uint32_t>(rounds);
}

}  // namespace crucible::lab::stats
