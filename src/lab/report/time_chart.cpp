#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "lab/report/charts.h"
#include "lab/report/svg.h"
#include "lab/report/typography.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {
namespace {

constexpr double kTimeWidth = 560;
constexpr double kTimeHeight = 236;
constexpr double kTimeLeft = 66;
constexpr double kTimeRight = 546;
constexpr double kTimeTop = 44;
constexpr double kTimeBottom = 186;

double value_of(const TimeLine& line, std::size_t i) {
    return line.series.values[i] * line.scale;
}

std::string value_text(const TimeChart& chart, double value) {
    if (chart.unit == "s") return typeset_duration(value);
    return base::format_count(value) + (chart.unit == "events/s" ? "/s" : "");
}

struct LineRange {
    double lowest = 0;  ///< above zero; zero when there is none
    double highest = 0;
    double duration = 0;
};

LineRange range_of(std::span<const TimeLine> lines) {
    LineRange range;
    for (const auto& line : lines) {
        const auto count = line.series.values.size();
        range.duration =
            std::max(range.duration, line.series.interval * static_cast<double>(count));
        for (std::size_t i = 0; i < count; ++i) {
            const double value = value_of(line, i);
            if (!(value > 0)) continue;
            range.lowest = range.lowest == 0 ? value : std::min(range.lowest, value);
            range.highest = std::max(range.highest, value);
        }
    }
    return range;
}

/// Each stretch of values without a gap. A value is drawn in the middle of its interval.
void draw_line(Svg& svg, const TimeChart& chart, const TimeLine& line, const Scale& x,
               const Scale& y) {
    std::vector<std::pair<double, double>> points;
    const auto draw = [&] {
        if (points.size() == 1)
            svg.circle(fmt::format("dot {}", line.mark), points[0].first, points[0].second, 2);
        if (points.size() > 1) svg.path(fmt::format("curve thin {}", line.mark), points);
        points.clear();
    };
    for (std::size_t i = 0; i < line.series.values.size(); ++i) {
        const double value = value_of(line, i);
        if (std::isnan(value) || (chart.logarithmic && value <= 0)) {
            draw();
            continue;
        }
        points.emplace_back(x(line.series.interval * (static_cast<double>(i) + 0.5)), y(value));
    }
    draw();
}

std::string describe(const TimeChart& chart, std::span<const TimeLine> lines) {
    std::string text;
    for (const auto& line : lines) {
        double highest = 0;
        for (std::size_t i = 0; i < line.series.values.size(); ++i)
            if (value_of(line, i) > highest) highest = value_of(line, i);
        text += fmt::format("{}: at most {}. ", line.name, value_text(chart, highest));
    }
    return text;
}

}  // namespace

std::string time_chart(const TimeChart& chart, std::span<const TimeLine> lines) {
    const LineRange range = range_of(lines);
    if (range.duration <= 0 || (chart.logarithmic && range.lowest == 0)) return {};
    const double top = std::max(range.highest, chart.logarithmic ? 0.0 : 1e-9);
    const Scale x(0, range.duration, kTimeLeft, kTimeRight, false);
    const Scale y = chart.logarithmic
                        ? Scale(range.lowest / 1.25, top * 1.25, kTimeBottom, kTimeTop, true)
                        : Scale(0, std::max(top, chart.unit == "s" ? top : 1.0) * 1.08, kTimeBottom,
                                kTimeTop, false);
    Svg svg(kTimeWidth, kTimeHeight, chart.title, describe(chart, lines));
    svg.text("heading", 2, 14, Anchor::start, chart.title);
    for (const double tick :
         chart.logarithmic ? log_ticks(y.low(), y.high()) : linear_ticks(y.low(), y.high(), 4)) {
        if (chart.unit == "events" && tick != std::floor(tick)) continue;
        svg.line("grid", kTimeLeft, y(tick), kTimeRight, y(tick));
        svg.text("tick", kTimeLeft - 8, y(tick) + 4, Anchor::end, value_text(chart, tick));
    }
    for (const double tick : linear_ticks(0, range.duration, 6)) {
        svg.text("tick", x(tick), kTimeBottom + 18, Anchor::middle,
                 tick == 0 ? std::string("0") : typeset_duration(tick));
    }
    svg.line("axis", kTimeLeft, kTimeBottom, kTimeRight, kTimeBottom);
    svg.text("label", (kTimeLeft + kTimeRight) / 2, kTimeBottom + 40, Anchor::middle,
             "time since the start of the phase, its warm-up included");
    for (const auto& line : lines) draw_line(svg, chart, line, x, y);
    double left = kTimeLeft;
    for (const auto& line : lines) {
        if (lines.size() == 1) break;
        svg.line(fmt::format("curve thin {}", line.mark), left, 30, left + 22, 30);
        svg.text("legend", left + 28, 34, Anchor::start, line.name);
        left += 60 + 7.2 * static_cast<double>(line.name.size());
    }
    return svg.take();
}

}  // namespace crucible::lab::report
