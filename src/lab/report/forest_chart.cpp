#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "lab/report/charts.h"
#include "lab/report/svg.h"
#include "lab/report/typography.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {
namespace {

constexpr double kForestWidth = 560;
constexpr double kForestLeft = 140;
constexpr double kForestRight = 546;
constexpr double kForestTop = 30;
constexpr double kRow = 24;
/// Beyond a quarter and four times, an arrow tells enough.
constexpr double kRatioMin = 0.25;
constexpr double kRatioMax = 4;

struct RatioRange {
    double low;
    double high;
};

RatioRange ratio_range(std::span<const ComparedMetric* const> metrics, double margin) {
    RatioRange range{1 / (1 + 2 * margin), 1 + 2 * margin};
    const auto include = [&range](const std::optional<Estimate>& estimate) {
        if (!estimate) return;
        for (const auto& value : {estimate->value, estimate->low, estimate->high}) {
            if (!value || *value <= 0) continue;
            range.low = std::min(range.low, *value);
            range.high = std::max(range.high, *value);
        }
    };
    for (const auto* metric : metrics) {
        include(metric->ratio);
        include(metric->control);
    }
    return {std::max(range.low / 1.02, kRatioMin), std::min(range.high * 1.02, kRatioMax)};
}

void draw_ticks(Svg& svg, const Scale& x, double bottom) {
    constexpr std::array kPercent{0.0,  -50.0, 100.0, -25.0, 50.0, 25.0, -10.0, 10.0,
                                  -75., 200.,  -5.0,  5.0,   -2.0, 2.0,  -1.0,  1.0};
    constexpr double kRoom = 44;
    std::vector<double> taken;
    for (const double percent : kPercent) {
        const double ratio = 1 + percent / 100;
        if (!x.holds(ratio)) continue;
        const double at = x(ratio);
        const bool crowded =
            std::ranges::any_of(taken, [at](double other) { return std::abs(other - at) < kRoom; });
        if (crowded) continue;
        taken.push_back(at);
        svg.line("grid", at, kForestTop, at, bottom);
        svg.text("tick", at, bottom + 18, Anchor::middle,
                 percent == 0 ? std::string("0 %") : typeset(fmt::format("{:+.0f} %", percent)));
    }
}

/// An interval's line; an arrow where it leaves the chart.
void draw_interval(Svg& svg, std::string_view mark, const Estimate& estimate, const Scale& x,
                   double y) {
    if (!estimate.has_interval()) return;
    const double low = std::clamp(*estimate.low, x.low(), x.high());
    const double high = std::clamp(*estimate.high, x.low(), x.high());
    svg.line(mark, x(low), y, x(high), y);
    const auto arrow = [&](double at, double direction) {
        const std::array<std::pair<double, double>, 3> points{
            {{at, y}, {at - direction * 7, y - 4}, {at - direction * 7, y + 4}}};
        svg.polygon("arrow", points);
    };
    if (*estimate.low < low) arrow(x(low), -1);
    if (*estimate.high > high) arrow(x(high), 1);
}

/// The verdict as a class of the style sheet; what the file says else is none.
std::string_view verdict_class(std::string_view verdict) {
    constexpr std::array<std::string_view, 5> kKnown{"better", "worse", "equivalent",
                                                     "changed_within_margin", "inconclusive"};
    return std::ranges::find(kKnown, verdict) == kKnown.end() ? "unknown" : verdict;
}

using Words = std::string (*)(std::string_view verdict);

void draw_estimate(Svg& svg, const ComparedMetric& metric, const Scale& x, double y, Words words) {
    const auto& ratio = *metric.ratio;
    const double at = x(std::clamp(*ratio.value, x.low(), x.high()));
    const auto tooltip = typeset(fmt::format("{}: {} % [{}], {}", metric_label(metric.name),
                                             format_percent_change(*ratio.value),
                                             format_ratio_interval(ratio), words(metric.verdict)));
    const auto mark = fmt::format("verdict {}", verdict_class(metric.verdict));
    if (metric.verdict == "better" || metric.verdict == "worse") {
        svg.diamond(mark, at, y, 6, tooltip);
    } else {
        svg.circle(mark, at, y, 4.5, tooltip);
    }
}

std::string describe(std::span<const ComparedMetric* const> metrics, Words words) {
    std::string text;
    for (const auto* metric : metrics) {
        text += fmt::format("{} {} % [{}], {}. ", metric_label(metric->name),
                            format_percent_change(*metric->ratio->value),
                            format_ratio_interval(*metric->ratio), words(metric->verdict));
    }
    return text;
}

}  // namespace

std::string forest_chart(std::span<const ComparedMetric> metrics, double margin,
                         Words verdict_words) {
    std::vector<const ComparedMetric*> drawn;
    for (const auto& metric : metrics)
        if (metric.ratio && *metric.ratio->value > 0) drawn.push_back(&metric);
    if (drawn.empty()) return {};
    std::ranges::stable_partition(drawn, [](const auto* metric) { return metric->gated; });

    const auto range = ratio_range(drawn, margin);
    const double bottom = kForestTop + kRow * static_cast<double>(drawn.size()) + 4;
    const Scale x(range.low, range.high, kForestLeft, kForestRight, true);
    Svg svg(kForestWidth, bottom + 44, "Change of the candidate against the baseline",
            describe(drawn, verdict_words));
    svg.rectangle("band", x(1 / (1 + margin)), kForestTop, x(1 + margin) - x(1 / (1 + margin)),
                  bottom - kForestTop);
    draw_ticks(svg, x, bottom);
    svg.line("axis", x(1), kForestTop, x(1), bottom);
    svg.text("label", (kForestLeft + kForestRight) / 2, bottom + 38, Anchor::middle,
             "change of the candidate, 95 % interval");
    svg.text("label", x(1), kForestTop - 10, Anchor::middle,
             fmt::format("margin ±{:g} %", margin * 100));
    double y = kForestTop + kRow / 2 + 2;
    for (const auto* metric : drawn) {
        svg.text(metric->gated ? "row gated" : "row", kForestLeft - 26, y + 4, Anchor::end,
                 metric_label(metric->name));
        svg.text("tick", kForestLeft - 14, y + 4, Anchor::middle,
                 metric->higher_is_better ? "▸" : "◂");
        if (metric->control) draw_interval(svg, "control", *metric->control, x, y + 6);
        draw_interval(svg, fmt::format("interval {}", verdict_class(metric->verdict)),
                      *metric->ratio, x, y);
        draw_estimate(svg, *metric, x, y, verdict_words);
        y += kRow;
    }
    return svg.take();
}

}  // namespace crucible::lab::report
