#pragma once

#include <string_view>

namespace crucible::lab {

/// Counts of events and shares of them: they may be zero, so that a ratio would not always exist.
/// They are judged by their difference.
bool judged_by_difference(std::string_view metric) noexcept;

/// What a difference in a metric without a ratio is measured against.
struct DifferenceScale {
    double margin = 0;           ///< as a share: 0.03
    double baseline_median = 0;  ///< of the metric
    double events = 0;           ///< behind one value, on average
};

/// Differences up to it do not matter, in the metric's own unit; 0 when none can be said.
double difference_margin(std::string_view metric, const DifferenceScale& scale) noexcept;

}  // namespace crucible::lab
