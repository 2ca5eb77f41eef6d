#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/rng.h"

namespace crucible::bench {

inline constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

/// A value over rounds and the ends of its 95 % interval; what does not exist is NaN. Below 6
/// rounds there is no interval.
struct Estimated {
    double value = kNoValue;
    double low = kNoValue;
    double high = kNoValue;
};

/// The median with its distribution-free interval.
Estimated median_estimate(const std::vector<double>& values);
/// Of what differs within rounds: Hodges-Lehmann's estimate with the interval of
/// lab/stats/effect.h.
Estimated paired_estimate(const std::vector<double>& differences, std::uint64_t seed);
/// The same of ratios, from their logarithms.
Estimated ratio_estimate(const std::vector<double>& logarithms, std::uint64_t seed);

/// Four digits, "-" where there is no value.
std::string four_digits(double value);
/// {"value", "ci_low", "ci_high"}, null where there is none.
nlohmann::json estimate_to_json(const Estimated& estimate);

/// In which the arms of a round take turns.
std::vector<std::size_t> random_order(std::size_t arms, base::Rng& rng);

}  // namespace crucible::bench
