#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "lab/report/charts.h"
#include "lab/report/svg.h"
#include "lab/report/typography.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {
namespace {

constexpr double kRoundWidth = 300;
constexpr double kRoundHeight = 190;
constexpr double kRoundLeft = 74;
constexpr double kRoundRight = 292;
constexpr double kRoundTop = 30;
constexpr double kRoundBottom = 158;

struct ArmMark {
    const char* arm;
    std::string_view mark;
    double shift;  ///< beside each other within a round, in units of the room of a round
};
constexpr std::array<ArmMark, 3> kArms{
    {{"baseline", "dot a", -0.22}, {"control", "dot a hollow", 0}, {"candidate", "dot b", 0.22}}};

std::optional<double> value_of(const Round& round, const char* arm, const std::string& metric) {
    const auto values = round.values.find(arm);
    if (values == round.values.end()) return std::nullopt;
    const auto value = values->second.find(metric);
    if (value == values->second.end()) return std::nullopt;
    return value->second;
}

struct ValueRange {
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();
};

ValueRange values_range(const std::string& metric, std::span<const Round> rounds) {
    ValueRange range;
    for (const auto& round : rounds) {
        for (const auto& arm : kArms) {
            if (const auto value = value_of(round, arm.arm, metric)) {
                range.low = std::min(range.low, *value);
                range.high = std::max(range.high, *value);
            }
        }
    }
    if (range.low > range.high || (range.low == 0 && range.high == 0)) return range;
    // Ten percent of room, and an axis where all values are one.
    const double room = std::max((range.high - range.low) * 0.1, std::abs(range.high) * 0.02);
    range.low -= room;
    range.high += room;
    return range;
}

/// Sizes are shown in powers of 1024: a tick is round in that unit, not in bytes.
double tick_unit(std::string_view unit, double highest) {
    double factor = 1;
    if (unit == "bytes" || unit == "bytes/s") {
        while (highest / factor >= 1024) factor *= 1024;
    }
    return factor;
}

void draw_axes(Svg& svg, const ComparedMetric& metric, const Scale& y) {
    const double unit = tick_unit(metric.unit, y.high());
    for (const double round_value : linear_ticks(y.low() / unit, y.high() / unit, 4)) {
        const double tick = round_value * unit;
        svg.line("grid", kRoundLeft, y(tick), kRoundRight, y(tick));
        svg.text("tick", kRoundLeft - 7, y(tick) + 4, Anchor::end,
                 typeset(exact(format_value(metric.name, metric.unit, tick))));
    }
    svg.line("axis", kRoundLeft, kRoundBottom, kRoundRight, kRoundBottom);
    svg.text("label", (kRoundLeft + kRoundRight) / 2, kRoundBottom + 30, Anchor::middle, "round");
}

void draw_round(Svg& svg, const ComparedMetric& metric, const Round& round, double centre,
                double room, const Scale& y) {
    if (!round.valid)
        svg.rectangle("invalid", centre - room / 2, kRoundTop, room, kRoundBottom - kRoundTop);
    for (const auto& [arm, mark, shift] : kArms) {
        const auto value = value_of(round, arm, metric.name);
        if (!value) continue;
        const double x = centre + shift * room;
        const auto tooltip = typeset(fmt::format("round {}, {}: {}", round.number, arm,
                                                 format_value(metric.name, metric.unit, *value)));
        if (std::string_view(arm) == "candidate") {
            svg.diamond(mark, x, y(*value), 4.4, tooltip);
        } else {
            svg.circle(mark, x, y(*value), 3.2, tooltip);
        }
    }
}

}  // namespace

std::string round_chart(const ComparedMetric& metric, std::span<const Round> rounds) {
    const auto range = values_range(metric.name, rounds);
    // Zero in every trial is told by the table.
    if (range.low > range.high || (range.low == 0 && range.high == 0)) return {};
    const auto label = metric_label(metric.name);
    Svg svg(kRoundWidth, kRoundHeight, label + " by round",
            fmt::format("One mark for each round and arm: baseline, its second copy, candidate; {} "
                        "rounds.",
                        rounds.size()));
    const Scale y(range.low, range.high, kRoundBottom, kRoundTop, false);
    svg.text("heading", 2, 16, Anchor::start, label);
    draw_axes(svg, metric, y);
    const double room = (kRoundRight - kRoundLeft) / static_cast<double>(rounds.size());
    // Every round has its number as long as they do not touch.
    const auto step = static_cast<std::size_t>(std::ceil(20 / room));
    for (std::size_t i = 0; i < rounds.size(); ++i) {
        const double centre = kRoundLeft + room * (static_cast<double>(i) + 0.5);
        draw_round(svg, metric, rounds[i], centre, room, y);
        if (i % step == 0) {
            svg.text("tick", centre, kRoundBottom + 14, Anchor::middle,
                     std::to_string(rounds[i].number));
        }
    }
    return svg.take();
}

}  // namespace crucible::lab::report
