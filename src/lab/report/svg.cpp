#include "lab/report/svg.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/assert.h"
#include "lab/report/charts.h"

namespace crucible::lab::report {
namespace {

/// More labels than that run into each other.
constexpr std::size_t kLabelsMax = 8;

std::vector<double> decade_ticks(double low, double high, std::span<const double> steps) {
    std::vector<double> ticks;
    for (int power = static_cast<int>(std::floor(std::log10(low)));
         power <= static_cast<int>(std::ceil(std::log10(high))); ++power) {
        for (const double step : steps) {
            const double tick = step * std::pow(10.0, power);
            if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push_back(tick);
        }
    }
    return ticks;
}

}  // namespace

Scale::Scale(double low, double high, double from, double to, bool logarithmic)
    : low_(low), high_(high), from_(from), to_(to), logarithmic_(logarithmic) {
    CRUCIBLE_ASSERT(low < high && (!logarithmic || low > 0));
}

double Scale::operator()(double value) const noexcept {
    const double share = logarithmic_ ? std::log(value / low_) / std::log(high_ / low_)
                                      : (value - low_) / (high_ - low_);
    return from_ + share * (to_ - from_);
}

bool Scale::holds(double value) const noexcept {
    const double slack = (high_ - low_) * 1e-9;
    return value >= low_ - slack && value <= high_ + slack;
}

std::vector<double> log_ticks(double low, double high) {
    constexpr std::array kFine{1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0};
    constexpr std::array kThree{1.0, 2.0, 5.0};
    constexpr std::array kOne{1.0};
    auto ticks = decade_ticks(low, high, kFine);
    if (ticks.size() > kLabelsMax) ticks = decade_ticks(low, high, kThree);
    if (ticks.size() > kLabelsMax) ticks = decade_ticks(low, high, kOne);
    if (ticks.size() > kLabelsMax) {
        std::vector<double> fewer;
        for (std::size_t i = 0; i < ticks.size(); i += 3) fewer.push_back(ticks[i]);
        return fewer;
    }
    return ticks;
}

std::vector<double> linear_ticks(double low, double high, int count) {
    const double raw = (high - low) / std::max(1, count);
    const double magnitude = std::pow(10.0, std::floor(std::log10(raw)));
    double step = 10 * magnitude;
    for (const double candidate : {1.0, 2.0, 5.0}) {
        if (candidate * magnitude >= raw) {
            step = candidate * magnitude;
            break;
        }
    }
    std::vector<double> ticks;
    const double slack = step * 1e-9;
    for (double i = std::ceil((low - slack) / step); i * step <= high + slack; ++i)
        ticks.push_back(i == 0 ? 0 : i * step);  // never -0
    return ticks;
}

Svg::Svg(double width, double height, std::string_view title, std::string_view description) {
    add("<svg viewBox=\"0 0 {:g} {:g}\" role=\"img\"><title>{}</title><desc>{}</desc>", width,
        height, escape_html(title), escape_html(description));
}

void Svg::line(std::string_view mark, double x1, double y1, double x2, double y2) {
    add("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>", mark, x1,
        y1, x2, y2);
}

void Svg::rectangle(std::string_view mark, double x, double y, double width, double height) {
    add("<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>", mark,
        x, y, width, height);
}

void Svg::path(std::string_view mark, std::span<const std::pair<double, double>> points) {
    add("<polyline class=\"{}\" points=\"", mark);
    for (const auto& [x, y] : points) add("{:.1f},{:.1f} ", x, y);
    add("\"/>");
}

void Svg::close(std::string_view element, std::string_view tooltip) {
    if (tooltip.empty()) {
        add("/>");
    } else {
        add("><title>{}</title></{}>", escape_html(tooltip), element);
    }
}

void Svg::circle(std::string_view mark, double x, double y, double radius,
                 std::string_view tooltip) {
    add("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"", mark, x, y, radius);
    close("circle", tooltip);
}

void Svg::polygon(std::string_view mark, std::span<const std::pair<double, double>> points,
                  std::string_view tooltip) {
    add("<polygon class=\"{}\" points=\"", mark);
    for (const auto& [x, y] : points) add("{:.1f},{:.1f} ", x, y);
    add("\"");
    close("polygon", tooltip);
}

void Svg::diamond(std::string_view mark, double x, double y, double radius,
                  std::string_view tooltip) {
    const std::array<std::pair<double, double>, 4> corners{
        {{x, y - radius}, {x + radius, y}, {x, y + radius}, {x - radius, y}}};
    polygon(mark, corners, tooltip);
}

void Svg::text(std::string_view mark, double x, double y, Anchor anchor, std::string_view text) {
    constexpr std::array<std::string_view, 3> kAnchors{"start", "middle", "end"};
    add("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", mark, x, y,
        kAnchors[static_cast<std::size_t>(anchor)], escape_html(text));
}

void Svg::upright_text(std::string_view mark, double x, double y, std::string_view text) {
    add("<text class=\"{}\" transform=\"translate({:.1f} {:.1f}) rotate(-90)\" "
        "text-anchor=\"middle\">{}</text>",
        mark, x, y, escape_html(text));
}

std::string Svg::take() {
    add("</svg>");
    return std::move(text_);
}

}  // namespace crucible::lab::report
