#include "lab/compare/difference_margin.h"

namespace crucible::lab {
namespace {

/// A difference of one error in a thousand events does not matter; neither does one event in a
/// thousand out of order.
constexpr double kEventShareMargin = 0.001;

bool is_share_of_errors(std::string_view metric) noexcept {
    return metric == "error_rate" || metric == "http_req_failed_rate";
}

}  // namespace

bool judged_by_difference(std::string_view metric) noexcept {
    return metric == "lost" || metric == "duplicated" || metric == "reordered" ||
           is_share_of_errors(metric);
}

double difference_margin(std::string_view metric, const DifferenceScale& scale) noexcept {
    // Losing or doubling an event is never within tolerance: half an event.
    if (metric == "lost" || metric == "duplicated") return 0.5;
    if (is_share_of_errors(metric)) return kEventShareMargin;
    if (metric == "reordered") return kEventShareMargin * scale.events;
    return scale.margin * scale.baseline_median;
}

}  // namespace crucible::lab
