#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "lab/report/document.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {

// Charts as inline SVG elements. Colours come from the page's style sheet by class ("a" baseline or
// target, "b" candidate, "d" to "g" further ones; "c" is a control), so that they follow its light
// and dark theme; marks differ in shape too.
// Each has a <title> and a <desc> for those who cannot see it, and is empty without data.

/// The class of a result's target by its place: so many are told apart.
inline constexpr std::array<std::string_view, 6> kTargetMarks{"a", "b", "d", "e", "f", "g"};
constexpr std::string_view target_mark(std::size_t place) noexcept {
    return kTargetMarks[place % kTargetMarks.size()];
}

/// A curve of latencies with its class and its name in the legend.
struct LatencyCurve {
    std::string_view mark;  ///< "a" or "b"
    std::string_view name;
    const Curve& points;
};

/// Latency over percentiles: x is 1/(1-q) on a logarithmic scale, so that each further nine takes
/// the same room; y is logarithmic.
std::string latency_chart(std::span<const LatencyCurve> curves);

/// The ratios of all metrics that have one, with their intervals, the control's beside, and the
/// band of ±margin; gated metrics first. `verdict_words` says how a verdict reads.
std::string forest_chart(std::span<const ComparedMetric> metrics, double margin,
                         std::string (*verdict_words)(std::string_view) = verdict_word);

/// One metric, round by round: baseline, control and candidate.
std::string round_chart(const ComparedMetric& metric, std::span<const Round> rounds);

/// One metric of all targets against the load: points with their intervals; of throughput with the
/// fitted law and where each target breaks.
std::string scaling_chart(const ScalingDocument& document, std::string_view metric);

/// A line of a time chart. Each mark has its own colour and dash; values that are not there (NaN)
/// interrupt it.
struct TimeLine {
    std::string_view mark;  ///< "a", "b" or "c"
    std::string_view name;  ///< in the legend
    const Series& series;
    double scale = 1;  ///< what the values are multiplied by, e.g. to make counts rates
};
struct TimeChart {
    std::string_view title;
    std::string_view unit;     ///< of the scaled values: "events", "events/s" or "s"
    bool logarithmic = false;  ///< the values' axis; zeros are left out
};

/// What changed over the time of a phase.
std::string time_chart(const TimeChart& chart, std::span<const TimeLine> lines);

using base::escape_html;

}  // namespace crucible::lab::report
