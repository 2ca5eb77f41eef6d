#include "lab/scale/resource_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/assert.h"
#include "lab/stats/robust.h"
#include "lab/stats/signed_rank.h"
#include "lab/stats/trend.h"

namespace crucible::lab::scale {
namespace {

constexpr std::size_t kLoadsMin = 3;
constexpr std::size_t kRoundsMin = 6;  ///< of which signed ranks have an interval of 95 %
constexpr double kShareLevel = 0.95;
constexpr double kFarthestLoad = 10;  ///< times the greatest load

/// What was in use at the loads of one round.
struct Round {
    std::vector<double> loads;
    std::vector<double> used;
};
using Rounds = std::map<std::uint32_t, Round>;

std::size_t count_loads(const Round& round) {
    return std::set<double>(round.loads.begin(), round.loads.end()).size();
}

/// Of what the round's line leaves free without load, the share that each unit of load takes; none
/// or a negative one where use does not grow. Its inverse, the load at which the line reaches the
/// limit, would be infinite there, and of no order with the others.
double share_per_load(const Round& round, double limit) {
    const double slope = stats::theil_sen_slope(round.loads, round.used);
    std::vector<double> without_load;
    for (std::size_t i = 0; i < round.loads.size(); ++i)
        without_load.push_back(round.used[i] - slope * round.loads[i]);
    // A line that begins at the limit takes all there is at once.
    return slope / std::max(limit - stats::median(without_load), 1e-9 * limit);
}

LimitForecast forecast_of(const LimitUse& last, const Rounds& rounds) {
    LimitForecast forecast{.at_breaking_point = last};
    if (!last.used || !last.limit) {
        forecast.refused = last.why_absent;
        return forecast;
    }
    if (*last.used >= *last.limit) {
        forecast.refused = "it is used up already";
        return forecast;
    }
    std::size_t most_loads = 0;
    double greatest = 0;
    std::vector<double> shares;
    for (const auto& [number, round] : rounds) {
        const std::size_t loads = count_loads(round);
        most_loads = std::max(most_loads, loads);
        greatest = std::max(greatest, std::ranges::max(round.loads));
        if (loads >= kLoadsMin) shares.push_back(share_per_load(round, *last.limit));
    }
    if (shares.empty()) {
        forecast.refused =
            fmt::format("measured at {} loads; a line takes {}", most_loads, kLoadsMin);
        return forecast;
    }
    if (shares.size() < kRoundsMin) {
        forecast.refused = fmt::format("rounds with {} loads or more: {}; its interval takes {}",
                                       kLoadsMin, shares.size(), kRoundsMin);
        return forecast;
    }
    const auto share = stats::hodges_lehmann(shares, kShareLevel);
    CRUCIBLE_ASSERT(share);
    if (share->interval.low <= 0) {
        forecast.refused = "its use does not grow with the load";
        return forecast;
    }
    if (1 / share->estimate > kFarthestLoad * greatest) {
        forecast.refused = fmt::format(
            "beyond {:.0f} times the greatest load measured: a straight line says "
            "nothing there",
            kFarthestLoad);
        return forecast;
    }
    forecast.binds_at = 1 / share->estimate;
    forecast.ci_low = 1 / share->interval.high;
    forecast.ci_high = 1 / share->interval.low;
    return forecast;
}

/// Of the points that have uses the breaking point, else the first of the greatest load; null
/// without any.
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

/// Processes are others at each load: by kind of limit, not by pid. Null where none is read.
const LimitUse* same_limit(const LimitPoint& point, const LimitUse& as) {
    const auto same = std::ranges::find_if(point.uses, [&as](const LimitUse& use) {
        return use.name == as.name && use.kind == as.kind;
    });
    return same == point.uses.end() || !same->used ? nullptr : &*same;
}

/// `use` as all that was read where `reference` was has it: one round is as good as another.
LimitUse median_use(LimitUse use, const LimitPoint& reference, std::span<const LimitPoint> points) {
    if (!use.used) return use;
    std::vector<double> used;
    for (const auto& point : points) {
        if (point.load != reference.load || point.at_breaking_point != reference.at_breaking_point)
            continue;
        if (const auto* same = same_limit(point, use)) used.push_back(*same->used);
    }
    use.used = stats::median(used);
    return use;
}

}  // namespace

std::vector<LimitForecast> forecast_limits(std::span<const LimitPoint> points) {
    std::vector<LimitForecast> forecasts;
    const auto* const reference = reference_of(points);
    if (reference == nullptr) return forecasts;
    for (const auto& last : reference->uses) {
        Rounds rounds;
        for (const auto& point : points) {
            if (point.at_breaking_point) continue;
            const auto* same = same_limit(point, last);
            if (same == nullptr) continue;
            auto& round = rounds[point.round];
            round.loads.push_back(point.load);
            round.used.push_back(*same->used);
        }
        forecasts.push_back(forecast_of(median_use(last, *reference, points), rounds));
    }
    std::ranges::stable_sort(forecasts, [](const LimitForecast& a, const LimitForecast& b) {
        return a.at_breaking_point.share().value_or(-1) > b.at_breaking_point.share().value_or(-1);
    });
    return forecasts;
}

}  // namespace crucible::lab::scale
