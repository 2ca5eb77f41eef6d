#include "lab/scale/resource_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <set>
#include <utility>

namespace crucible::lab::scale {
namespace {

constexpr std::size_t kLoadsMin = 3;
constexpr double kFarthestLoad = 10;  ///< times the greatest load

struct Observed {
    double load = 0;
    double used = 0;
};

/// used = intercept + slope * load, by least squares.
struct Line {
    double slope = 0;
    double load_mean = 0;
    double used_mean = 0;
    double load_squares = 0;  ///< sum of (load - mean)^2
    double variance = 0;      ///< of the residuals, with n - 2
    double t = 0;             ///< t(.975, n - 2)
    double count = 0;

    double slope_error() const { return std::sqrt(variance / load_squares); }
};

Line fit(const std::vector<Observed>& points) {
    Line line;
    line.count = static_cast<double>(points.size());
    for (const auto& [load, used] : points) {
        line.load_mean += load / line.count;
        line.used_mean += used / line.count;
    }
    double products = 0;
    for (const auto& [load, used] : points) {
        line.load_squares += (load - line.load_mean) * (load - line.load_mean);
        products += (load - line.load_mean) * (used - line.used_mean);
    }
    line.slope = products / line.load_squares;
    double squares = 0;
    for (const auto& [load, used] : points) {
        const double residual = used - line.used_mean - line.slope * (load - line.load_mean);
        squares += residual * residual;
    }
    line.variance = squares / (line.count - 2);
    line.t = boost::math::quantile(boost::math::students_t(line.count - 2), 0.975);
    return line;
}

/// Loads at which the line may reach `limit`: all x with
/// (used_mean + slope (x - load_mean) - limit)^2 <= t^2 s^2 (1 / n + (x - load_mean)^2 / Sxx),
/// which between two roots where the slope is away from zero (Fieller 1954).
void set_binding_load(LimitForecast& forecast, const Line& line, double limit) {
    const double distance = limit - line.used_mean;
    const double noise = line.t * line.t * line.variance;
    const double a = line.slope * line.slope - noise / line.load_squares;
    const double b = -2 * line.slope * distance;
    const double c = distance * distance - noise / line.count;
    const double root = std::sqrt(std::max(b * b - 4 * a * c, 0.0));
    forecast.binds_at = line.load_mean + distance / line.slope;
    forecast.ci_low = line.load_mean + (-b - root) / (2 * a);
    forecast.ci_high = line.load_mean + (-b + root) / (2 * a);
}

LimitForecast forecast_of(const LimitUse& last, const std::vector<Observed>& points) {
    LimitForecast forecast{.at_breaking_point = last};
    std::set<double> loads;
    for (const auto& point : points) loads.insert(point.load);
    if (!last.used || !last.limit) {
        forecast.refused = last.why_absent;
    } else if (loads.size() < kLoadsMin) {
        forecast.refused =
            fmt::format("measured at {} loads; a line takes {}", loads.size(), kLoadsMin);
    } else if (*last.used >= *last.limit) {
        forecast.refused = "it is used up already";
    } else {
        const Line line = fit(points);
        // Of an exact fit only rounding is left, which is no growth.
        const double error = std::max(line.t * line.slope_error(), 1e-9 * std::abs(line.slope));
        if (line.slope <= error || line.slope <= 0) {
            forecast.refused = "its use does not grow with the load";
            return forecast;
        }
        set_binding_load(forecast, line, *last.limit);
        if (*forecast.binds_at <= kFarthestLoad * *loads.rbegin()) return forecast;
        forecast.refused = fmt::format(
            "beyond {:.0f} times the greatest load measured: a straight line says "
            "nothing there",
            kFarthestLoad);
        forecast.binds_at.reset();
        forecast.ci_high.reset();
        forecast.ci_low = 0;
    }
    return forecast;
}

/// Of the points that have uses the breaking point, else the greatest; null without any.
const LimitPoint* reference_of(std::span<const LimitPoint> points) {
    const LimitPoint* reference = nullptr;
    for (const auto& point : points) {
        if (point.uses.empty()) continue;
        const auto rank = [](const LimitPoint& of) {
            return std::pair(of.at_breaking_point, of.load);
        };
        if (reference == nullptr || rank(point) > rank(*reference)) reference = &point;
    }
    return reference;
}

}  // namespace

std::vector<LimitForecast> forecast_limits(std::span<const LimitPoint> points) {
    std::vector<LimitForecast> forecasts;
    const auto* const reference = reference_of(points);
    if (reference == nullptr) return forecasts;
    for (const auto& last : reference->uses) {
        std::vector<Observed> observed;
        for (const auto& point : points) {
            // Processes are others at each load: by kind of limit, not by pid.
            const auto same = std::ranges::find_if(point.uses, [&last](const LimitUse& use) {
                return use.name == last.name && use.kind == last.kind;
            });
            if (same != point.uses.end() && same->used)
                observed.push_back({point.load, *same->used});
        }
        forecasts.push_back(forecast_of(last, observed));
    }
    std::ranges::stable_sort(forecasts, [](const LimitForecast& a, const LimitForecast& b) {
        return a.at_breaking_point.share().value_or(-1) > b.at_breaking_point.share().value_or(-1);
    });
    return forecasts;
}

}  // namespace crucible::lab::scale
