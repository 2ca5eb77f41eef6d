#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ranges>
#include <utility>

#include "base/units.h"
#include "lab/report/charts.h"
#include "lab/report/svg.h"
#include "lab/report/typography.h"

namespace crucible::lab::report {
namespace {

constexpr double kScalingWidth = 560;
constexpr double kScalingHeight = 280;
constexpr double kScalingLeft = 76;
constexpr double kScalingRight = 546;
constexpr double kScalingTop = 44;
constexpr double kScalingBottom = 226;
/// Loads further apart than that are drawn on a logarithmic axis.
constexpr double kLogarithmicFrom = 30;
/// The legend's first line, the next ones below it, and about what a name's letter takes.
constexpr double kLegendTop = 30;
constexpr double kLegendLine = 18;
constexpr double kLegendLetter = 7.2;

using Corners = std::vector<std::pair<double, double>>;

/// Of a target's mark around its point, all of about the same area; that of "a" is round.
Corners corners_of(std::string_view mark) {
    if (mark == "b") return {{0, -4.6}, {4.6, 0}, {0, 4.6}, {-4.6, 0}};
    if (mark == "d") return {{-3.3, -3.3}, {3.3, -3.3}, {3.3, 3.3}, {-3.3, 3.3}};
    if (mark == "e") return {{0, -5}, {4.6, 3.4}, {-4.6, 3.4}};
    if (mark == "f") return {{0, 5}, {4.6, -3.4}, {-4.6, -3.4}};
    return {{-1.5, -4.8}, {1.5, -4.8}, {1.5, -1.5}, {4.8, -1.5}, {4.8, 1.5},   {1.5, 1.5},
            {1.5, 4.8},   {-1.5, 4.8}, {-1.5, 1.5}, {-4.8, 1.5}, {-4.8, -1.5}, {-1.5, -1.5}};
}

void draw_dot(Svg& svg, std::string_view mark, double x, double y, std::string_view tooltip) {
    const auto style = fmt::format("dot {}", mark);
    if (mark == "a") {
        svg.circle(style, x, y, 3.6, tooltip);
        return;
    }
    auto corners = corners_of(mark);
    for (auto& [dx, dy] : corners) {
        dx += x;
        dy += y;
    }
    svg.polygon(style, corners, tooltip);
}

struct ChartPoint {
    double load = 0;
    Estimate value;
};

struct ChartSide {
    std::string_view mark;
    const ScalingTarget* target;
    std::vector<ChartPoint> points;
};

struct ChartRange {
    double load_low = std::numeric_limits<double>::infinity();
    double load_high = 0;
    double low = std::numeric_limits<double>::infinity();  ///< above 0
    double high = 0;

    void add(double load, std::optional<double> value) {
        load_low = std::min(load_low, load);
        load_high = std::max(load_high, load);
        if (!value || !std::isfinite(*value) || *value <= 0) return;
        low = std::min(low, *value);
        high = std::max(high, *value);
    }
};

std::vector<ChartPoint> points_of(const ScalingTarget& target, std::string_view metric) {
    std::vector<ChartPoint> points;
    for (const auto& point : target.points) {
        const auto found = std::ranges::find(point.metrics, metric, &MemoryMetric::name);
        if (found != point.metrics.end() && found->estimate.value)
            points.push_back({point.load, found->estimate});
    }
    return points;
}

class ScalingChart {
public:
    ScalingChart(const ScalingDocument& document, std::string_view metric)
        : document_(document), metric_(metric), with_law_(metric == "throughput") {
        for (std::size_t i = 0; i < document.targets.size(); ++i) {
            const auto& target = document.targets[i];
            sides_.push_back({target_mark(i), &target, points_of(target, metric)});
            for (const auto& [load, value] : sides_.back().points) {
                for (const auto& each : {value.value, value.low, value.high})
                    range_.add(load, each);
            }
        }
        place_legend();
    }

    std::string draw() {
        if (!(range_.high > 0) || !(range_.load_high > range_.load_low)) return {};
        const bool log_loads = range_.load_high / range_.load_low > kLogarithmicFrom;
        // Latencies span decades; of the others zero is part of the picture.
        const bool log_values = unit() == "s";
        const double pad = (range_.load_high - range_.load_low) * 0.03;
        const Scale x(log_loads ? range_.load_low / 1.15 : std::max(0.0, range_.load_low - pad),
                      log_loads ? range_.load_high * 1.15 : range_.load_high + pad, kScalingLeft,
                      kScalingRight, log_loads);
        const Scale y = log_values
                            ? Scale(range_.low / 1.4, range_.high * 1.4, bottom(), top(), true)
                            : Scale(0, range_.high * 1.08, bottom(), top(), false);
        Svg svg(kScalingWidth, kScalingHeight + lower_by_,
                metric_label(metric_) + " by " + document_.axis, description());
        draw_axes(svg, x, y, log_loads, log_values);
        for (const auto& side : sides_) {
            if (with_law_) draw_law(svg, side, x, y);
            draw_break(svg, side, x);
        }
        for (const auto& side : sides_) draw_points(svg, side, x, y);
        draw_legend(svg);
        return svg.take();
    }

private:
    std::string_view unit() const {
        if (metric_ == "throughput") return "events/s";
        return metric_.starts_with("latency") ? "s" : "bytes";
    }
    std::string text_of(double value) const {
        return typeset(exact(format_value(metric_, unit(), value)));
    }

    double top() const { return kScalingTop + lower_by_; }
    double bottom() const { return kScalingBottom + lower_by_; }

    std::string description() const {
        std::string text;
        for (const auto& side : sides_) {
            if (side.points.empty()) continue;
            const auto& last = side.points.back();
            text += fmt::format("{}: {} at {}. ", side.target->target, text_of(*last.value.value),
                                format_axis_load(document_, last.load));
        }
        return text;
    }

    void draw_axes(Svg& svg, const Scale& x, const Scale& y, bool log_loads,
                   bool log_values) const {
        svg.text("heading", 2, 14, Anchor::start,
                 metric_label(metric_) + " against " + document_.axis);
        const double factor = unit() == "bytes" ? tick_factor(y.high()) : 1;
        auto values = log_values ? log_ticks(y.low(), y.high())
                                 : linear_ticks(y.low() / factor, y.high() / factor, 5);
        for (double& value : values) {
            value *= factor;
            svg.line("grid", kScalingLeft, y(value), kScalingRight, y(value));
            svg.text("tick", kScalingLeft - 8, y(value) + 4, Anchor::end, text_of(value));
        }
        for (const double load :
             log_loads ? log_ticks(x.low(), x.high()) : linear_ticks(x.low(), x.high(), 8)) {
            svg.text("tick", x(load), bottom() + 18, Anchor::middle,
                     document_.axis == "payload" ? typeset(exact(base::format_bytes(load)))
                                                 : base::format_count(load));
        }
        svg.line("axis", kScalingLeft, bottom(), kScalingRight, bottom());
        svg.text("label", (kScalingLeft + kScalingRight) / 2, bottom() + 40, Anchor::middle,
                 document_.unit);
    }

    static double tick_factor(double highest) {
        double factor = 1;
        while (highest / factor >= 1024) factor *= 1024;
        return factor;
    }

    void draw_law(Svg& svg, const ChartSide& side, const Scale& x, const Scale& y) const {
        std::vector<std::pair<double, double>> line;
        std::vector<std::pair<double, double>> upper;
        std::vector<std::pair<double, double>> lower;
        const auto inside = [&y](double value) { return y(std::clamp(value, y.low(), y.high())); };
        for (const auto& [load, throughput] : side.target->law.curve) {
            if (!throughput.value || !x.holds(load)) continue;
            line.emplace_back(x(load), inside(*throughput.value));
            if (!throughput.has_interval()) continue;
            upper.emplace_back(x(load), inside(*throughput.high));
            lower.emplace_back(x(load), inside(*throughput.low));
        }
        if (line.size() < 2) return;
        upper.insert(upper.end(), lower.rbegin(), lower.rend());
        if (upper.size() > 3) svg.polygon(fmt::format("law {}", side.mark), upper);
        svg.path(fmt::format("curve thin {}", side.mark), line);
    }

    void draw_break(Svg& svg, const ChartSide& side, const Scale& x) const {
        if (!side.target->breaking_point) return;
        const auto& point = *side.target->breaking_point;
        const auto at = point.estimate.value ? point.estimate.value : point.upper;
        if (!at || !x.holds(*at)) return;
        svg.line(fmt::format("break {}", side.mark), x(*at), top(), x(*at), bottom());
    }

    void draw_points(Svg& svg, const ChartSide& side, const Scale& x, const Scale& y) const {
        std::vector<std::pair<double, double>> joined;
        for (const auto& [load, value] : side.points) {
            if (!y.holds(*value.value)) continue;
            joined.emplace_back(x(load), y(*value.value));
        }
        if (!with_law_ || side.target->law.curve.empty())
            svg.path(fmt::format("curve thin {}", side.mark), joined);
        for (const auto& [load, value] : side.points) {
            if (!y.holds(*value.value)) continue;
            if (value.has_interval()) {
                svg.line(fmt::format("error {}", side.mark), x(load),
                         y(std::clamp(*value.low, y.low(), y.high())), x(load),
                         y(std::clamp(*value.high, y.low(), y.high())));
            }
            const auto tooltip =
                fmt::format("{}: {}", format_axis_load(document_, load), text_of(*value.value));
            draw_dot(svg, side.mark, x(load), y(*value.value), tooltip);
        }
    }

    void draw_legend(Svg& svg) const {
        for (std::size_t i = 0; i < legend_.size(); ++i) {
            const auto& [left, y] = legend_[i];
            const auto& side = sides_[i];
            svg.line(fmt::format("curve thin {}", side.mark), left, y, left + 22, y);
            draw_dot(svg, side.mark, left + 11, y, {});
            svg.text("legend", left + 28, y + 4, Anchor::start, side.target->target);
        }
    }

    /// As many names on a line as fit; the picture begins below the last one.
    void place_legend() {
        if (sides_.size() < 2) return;
        double left = kScalingLeft;
        for (const auto& side : sides_) {
            const double width =
                60 + kLegendLetter * static_cast<double>(side.target->target.size());
            if (left > kScalingLeft && left + width > kScalingWidth) {
                left = kScalingLeft;
                lower_by_ += kLegendLine;
            }
            legend_.emplace_back(left, kLegendTop + lower_by_);
            left += width;
        }
    }

    const ScalingDocument& document_;
    std::string_view metric_;
    bool with_law_;
    std::vector<ChartSide> sides_;
    ChartRange range_;
    std::vector<std::pair<double, double>> legend_;  ///< where each target's name begins
    double lower_by_ = 0;                            ///< what the legend takes beyond one line
};

}  // namespace

std::string scaling_chart(const ScalingDocument& document, std::string_view metric) {
    return ScalingChart(document, metric).draw();
}

}  // namespace crucible::lab::report
