#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/units.h"
#include "lab/report/charts.h"
#include "lab/report/svg.h"
#include "lab/report/typography.h"

namespace crucible::lab::report {
namespace {

constexpr double kLatencyWidth = 560;
constexpr double kLatencyHeight = 360;
constexpr double kLatencyLeft = 66;
constexpr double kLatencyRight = 540;
constexpr double kLatencyTop = 16;
constexpr double kLatencyBottom = 306;

struct Percentile {
    double quantile;
    std::string_view label;
};
constexpr std::array<Percentile, 7> kPercentiles{{{0.5, "50 %"},
                                                  {0.9, "90 %"},
                                                  {0.99, "99 %"},
                                                  {0.999, "99.9 %"},
                                                  {0.9999, "99.99 %"},
                                                  {0.99999, "99.999 %"},
                                                  {0.999999, "99.9999 %"}}};

/// 1/(1-q): ten times as much for each further nine.
double rarity(double quantile) {
    return 1 / (1 - quantile);
}

struct Extent {
    double low = std::numeric_limits<double>::infinity();
    double high = 0;
    void include(double value) {
        low = std::min(low, value);
        high = std::max(high, value);
    }
    /// Room around the values, and an axis even for a single one.
    void widen(double factor) {
        const double room = high / low < factor * factor ? factor : std::pow(high / low, 0.06);
        low /= room;
        high *= room;
    }
};

/// Latency at `quantile`, between the points on both sides; nothing outside of the curve.
std::optional<double> value_at(const Curve& curve, double quantile) {
    const auto after = std::ranges::lower_bound(curve, quantile, {}, &Curve::value_type::first);
    if (after == curve.end()) return std::nullopt;
    if (after->first - quantile < 1e-9) return after->second;
    if (after == curve.begin()) return std::nullopt;
    const auto before = after - 1;
    const double share = std::log(rarity(quantile) / rarity(before->first)) /
                         std::log(rarity(after->first) / rarity(before->first));
    return before->second * std::pow(after->second / before->second, share);
}

std::string describe(std::span<const LatencyCurve> curves) {
    std::string text;
    for (const auto& curve : curves) {
        if (curve.points.empty()) {
            text += fmt::format("{}: no curve. ", curve.name);
            continue;
        }
        text += fmt::format("{}:", curve.name);
        for (const auto& [quantile, label] : kPercentiles) {
            if (const auto value = value_at(curve.points, quantile))
                text += fmt::format(" {} within {};", label, base::format_duration(*value));
        }
        text += ' ';
    }
    return text;
}

void draw_axes(Svg& svg, const Scale& x, const Scale& y) {
    for (const double tick : log_ticks(y.low(), y.high())) {
        svg.line("grid", kLatencyLeft, y(tick), kLatencyRight, y(tick));
        svg.text("tick", kLatencyLeft - 8, y(tick) + 4, Anchor::end, typeset_duration(tick));
    }
    for (const auto& [quantile, label] : kPercentiles) {
        const double at = rarity(quantile);
        if (!x.holds(at)) continue;
        svg.line("grid", x(at), kLatencyTop, x(at), kLatencyBottom);
        svg.text("tick", x(at), kLatencyBottom + 18, Anchor::middle, label);
    }
    svg.line("axis", kLatencyLeft, kLatencyBottom, kLatencyRight, kLatencyBottom);
    svg.line("axis", kLatencyLeft, kLatencyTop, kLatencyLeft, kLatencyBottom);
    svg.text("label", (kLatencyLeft + kLatencyRight) / 2, kLatencyBottom + 42, Anchor::middle,
             "share of events that were at least so fast");
    svg.upright_text("label", 13, (kLatencyTop + kLatencyBottom) / 2, "latency");
}

void draw_mark(Svg& svg, std::string_view mark, double x, double y, std::string_view tooltip) {
    const auto style = fmt::format("dot {}", mark);
    if (mark == "b") {
        svg.diamond(style, x, y, 5.5, tooltip);
    } else {
        svg.circle(style, x, y, 4.2, tooltip);
    }
}

void draw_curve(Svg& svg, const LatencyCurve& curve, const Scale& x, const Scale& y) {
    std::vector<std::pair<double, double>> points;
    for (const auto& [quantile, seconds] : curve.points)
        points.emplace_back(x(rarity(quantile)), y(seconds));
    if (points.size() > 1) svg.path(fmt::format("curve {}", curve.mark), points);
    // Marks where people look; with few points on each of them, so that a single one is seen too.
    for (const auto& [quantile, label] : kPercentiles) {
        const auto value = value_at(curve.points, quantile);
        if (!value || curve.points.size() < 8) continue;
        draw_mark(svg, curve.mark, x(rarity(quantile)), y(*value),
                  fmt::format("{} {}: {}", curve.name, label, typeset_duration(*value)));
    }
    if (curve.points.size() >= 8) return;
    for (std::size_t i = 0; i < points.size(); ++i) {
        draw_mark(svg, curve.mark, points[i].first, points[i].second,
                  fmt::format("{} {:g} %: {}", curve.name, curve.points[i].first * 100,
                              typeset_duration(curve.points[i].second)));
    }
}

void draw_legend(Svg& svg, std::span<const LatencyCurve> curves) {
    double y = kLatencyTop + 18;
    for (const auto& curve : curves) {
        if (!curve.points.empty()) {
            svg.line(fmt::format("curve {}", curve.mark), kLatencyLeft + 14, y - 4,
                     kLatencyLeft + 42, y - 4);
            draw_mark(svg, curve.mark, kLatencyLeft + 28, y - 4, {});
        }
        svg.text("legend", kLatencyLeft + 50, y, Anchor::start,
                 curve.points.empty() ? fmt::format("{}: no curve", curve.name)
                                      : std::string(curve.name));
        y += 20;
    }
}

}  // namespace

std::string latency_chart(std::span<const LatencyCurve> curves) {
    Extent rarities;
    Extent latencies;
    for (const auto& curve : curves) {
        for (const auto& [quantile, seconds] : curve.points) {
            rarities.include(rarity(quantile));
            latencies.include(seconds);
        }
    }
    if (rarities.high == 0) return {};
    latencies.widen(1.25);
    // From the median of a short curve at least to the next nine, so that there is a scale.
    rarities.low = std::min(rarities.low, rarity(0.45));
    rarities.high = std::max(rarities.high * 1.04, rarity(0.905));

    const Scale x(rarities.low, rarities.high, kLatencyLeft, kLatencyRight, true);
    const Scale y(latencies.low, latencies.high, kLatencyBottom, kLatencyTop, true);
    Svg svg(kLatencyWidth, kLatencyHeight, "Latency by percentile", describe(curves));
    draw_axes(svg, x, y);
    for (const auto& curve : curves) draw_curve(svg, curve, x, y);
    draw_legend(svg, curves);
    return svg.take();
}

}  // namespace crucible::lab::report
