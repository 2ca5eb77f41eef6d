#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <span>

#include "lab/compare/metric_series.h"
#include "lab/compare/round_checks.h"
#include "lab/stats/robust.h"
#include "lab/stats/serial.h"
#include "lab/stats/signed_rank.h"
#include "lab/stats/trend.h"

namespace crucible::lab {
namespace {

/// Chance of a false alarm of one check, over all that it looks at.
constexpr double kLevel = 0.01;

/// A trend that is shown and that amounts to more than `margin` from the first round to the last.
/// Neighbours that are alike count as fewer values, as after Hamed & Rao (1998): a machine's pace
/// wanders, and that is no trend.
bool has_trend(const std::vector<double>& values, double margin, double level) {
    std::vector<double> rounds(values.size());
    std::iota(rounds.begin(), rounds.end(), 0.0);
    const double slope = stats::theil_sen_slope(rounds, values);
    if (std::abs(slope * static_cast<double>(values.size() - 1)) <= margin) return false;
    std::vector<double> rest(values.size());
    for (std::size_t r = 0; r < values.size(); ++r) rest[r] = values[r] - slope * rounds[r];
    const auto [least, most] = std::ranges::minmax(rest);
    const auto n = static_cast<double>(values.size());
    const double independent = least < most ? std::min(n, stats::effective_sample_size(rest)) : n;
    const double z = stats::mann_kendall(values).z * std::sqrt(std::max(1.0, independent) / n);
    return 2 * boost::math::cdf(boost::math::normal(), -std::abs(z)) <= level;
}

/// Two levels, each held so well that what lies between them is three times what either varies by.
bool has_step(std::span<const double> values, double margin) {
    const auto range = [](std::span<const double> part) {
        const auto [least, most] = std::ranges::minmax(part);
        return most - least;
    };
    const std::size_t quarter = values.size() / 4;
    for (std::size_t at = quarter; at <= values.size() - quarter; ++at) {
        const auto before = values.first(at);
        const auto after = values.subspan(at);
        const double step = std::abs(stats::median(after) - stats::median(before));
        if (step > margin && step > 3 * std::max(range(before), range(after))) return true;
    }
    return false;
}

struct Course {
    const MetricInfo* info;
    std::vector<double> values;  ///< logarithms, a value a round
};

/// Of each gated metric that is positive in every round, from kTrendRoundsMin rounds on.
std::vector<Course> gated_courses(
    const ScenarioRounds& scenario,
    const std::function<double(const MetricSeries&, std::size_t)>& of) {
    std::vector<Course> courses;
    for (const auto& info : known_metrics()) {
        if (!info.gated) continue;
        const auto series = metric_series(scenario.rounds, info);
        if (series.baseline.size() < kTrendRoundsMin || series.missing > 0 ||
            series.any_not_positive() || series.any_saturated())
            continue;
        Course course{.info = &info, .values = {}};
        for (std::size_t r = 0; r < series.baseline.size(); ++r)
            course.values.push_back(of(series, r));
        courses.push_back(std::move(course));
    }
    return courses;
}

Trends trends_of(const std::vector<Course>& courses, double margin) {
    Trends trends{.found = {}, .tested = courses.size()};
    for (const auto& [info, values] : courses) {
        if (has_trend(values, margin, kLevel / static_cast<double>(courses.size())) ||
            has_step(values, margin))
            trends.found.push_back(info);
    }
    return trends;
}

std::string names_of(const std::vector<const MetricInfo*>& metrics) {
    std::vector<std::string_view> names;
    for (const auto* info : metrics) names.push_back(info->name);
    return fmt::format("{}", fmt::join(names, ", "));
}

std::string trend_detail(const Trends& trends, std::string_view found, std::string_view none) {
    if (trends.tested == 0) return fmt::format("a trend needs at least {} rounds", kTrendRoundsMin);
    return trends.found.empty() ? fmt::format("{} in {} metrics", none, trends.tested)
                                : fmt::format("{}: {}", found, names_of(trends.found));
}

RoundCheck no_drift(const ScenarioRounds& scenario, double margin) {
    const auto trends = baseline_trends(scenario, margin);
    return {.check = {.name = "no_drift",
                      .passed = trends.found.empty(),
                      .detail = trend_detail(
                          trends, "the baseline itself rises or falls from round to round",
                          "the baseline neither rises nor falls from round to round")}};
}

RoundCheck same_effect(const ScenarioRounds& scenario, double margin) {
    const auto trends =
        trends_of(gated_courses(scenario,
                                [](const MetricSeries& series, std::size_t r) {
                                    return std::log(series.candidate[r] / series.baseline[r]);
                                }),
                  margin);
    return {.check = {.name = "same_effect",
                      .passed = trends.found.empty(),
                      .detail = trend_detail(
                          trends, "the difference grows or shrinks from round to round",
                          "the difference neither grows nor shrinks from round to round")},
            .consequence = Consequence::withholds,
            .withheld = trends.found};
}

/// One figure for each quarter of a trial's measured time; zero where there is none.
using Quarters = std::array<double, 4>;

/// `value` of the points of each quarter together.
std::optional<Quarters> quarters_of(const PhaseResult& phase,
                                    const std::function<double(const SeriesPoint&)>& value) {
    if (phase.clients.empty() || phase.saturated) return std::nullopt;
    if (phase.phase.pattern && !phase.phase.pattern->is_steady()) return std::nullopt;
    const auto& client = phase.clients.front();
    if (client.series_interval <= Duration::zero()) return std::nullopt;
    const auto first = static_cast<std::size_t>(
        (client.window_start + client.series_interval - Duration(1)) / client.series_interval);
    const auto last = std::min(
        static_cast<std::size_t>((client.window_start + client.window) / client.series_interval),
        phase.series.size());
    if (last < first + 4) return std::nullopt;
    Quarters quarters{};
    const std::size_t length = last - first;
    for (std::size_t q = 0; q < quarters.size(); ++q) {
        SeriesPoint sum;
        const std::size_t from = first + q * length / 4;
        const std::size_t to = first + (q + 1) * length / 4;
        for (std::size_t i = from; i < to; ++i) sum += phase.series[i];
        // Quarters may differ by a point.
        quarters[q] = value(sum) / static_cast<double>(to - from);
        if (sum.handled == 0 || !(quarters[q] > 0)) return std::nullopt;
    }
    return quarters;
}

double handled_of(const SeriesPoint& point) {
    return static_cast<double>(point.handled);
}

/// What is looked at in the course of a trial.
struct Watched {
    std::string_view name;
    const PhaseResult* (*phase)(const std::vector<PhaseResult>&) noexcept;
    bool latency;
};
constexpr Watched kWatched[] = {{"throughput", throughput_phase, false},
                                {"latency", latency_phase, true}};

std::optional<Quarters> watched_quarters(const Watched& watched, const ArmResult& arm) {
    const auto* phase = watched.phase(arm.phases);
    if (phase == nullptr) return std::nullopt;
    if (!watched.latency) {
        // In open loop the rate is the plan's.
        if (phase->phase.open_loop()) return std::nullopt;
        return quarters_of(*phase, handled_of);
    }
    auto sums = quarters_of(*phase, [](const SeriesPoint& point) {
        return std::chrono::duration<double>(point.latency_sum).count();
    });
    const auto counts = quarters_of(*phase, handled_of);
    if (!sums || !counts) return std::nullopt;
    for (std::size_t q = 0; q < sums->size(); ++q) (*sums)[q] /= (*counts)[q];
    return sums;
}

using Contrast = double (*)(const Quarters&);

double first_against_rest(const Quarters& quarters) {
    return std::log(3 * quarters[0] / (quarters[1] + quarters[2] + quarters[3]));
}
double last_against_second(const Quarters& quarters) {
    return std::log(quarters[3] / quarters[1]);
}

RoundCheck quarters_alike(const ScenarioRounds& scenario, double margin, std::string name,
                          Contrast contrast, std::string_view which, std::string_view advice) {
    RoundCheck result{.check = {.name = std::move(name), .passed = true, .detail = {}}};
    std::size_t looked_at = 0;
    std::vector<std::string> facts;
    constexpr std::size_t kLookedAt = std::size(kWatched) * 2;
    for (const auto& watched : kWatched) {
        for (const Arm arm : {Arm::baseline, Arm::candidate}) {
            std::vector<double> contrasts;
            for (const auto& round : scenario.rounds) {
                if (!round.valid()) continue;
                const auto quarters = watched_quarters(watched, round[arm]);
                if (quarters) contrasts.push_back(contrast(*quarters));
            }
            if (contrasts.empty()) continue;
            const auto found = stats::hodges_lehmann(contrasts, 1 - kLevel / kLookedAt);
            if (!found) continue;
            ++looked_at;
            if (found->interval.low <= margin && found->interval.high >= -margin) continue;
            facts.push_back(fmt::format("{} of the {} {:+.0f} %", watched.name, to_string(arm),
                                        std::expm1(found->estimate) * 100));
        }
    }
    result.check.passed = facts.empty();
    if (!facts.empty()) {
        result.check.detail = fmt::format("{}: {}; {}", which, fmt::join(facts, ", "), advice);
    } else {
        result.check.detail =
            looked_at == 0
                ? "too few or too short trials to tell"
                : fmt::format("{}: no change of {} courses beyond the margin", which, looked_at);
    }
    return result;
}

}  // namespace

Trends baseline_trends(const ScenarioRounds& scenario, double margin) {
    return trends_of(
        gated_courses(scenario, [](const MetricSeries& series,
                                   std::size_t r) { return std::log(series.baseline[r]); }),
        margin);
}

std::vector<RoundCheck> check_course(const ScenarioRounds& scenario, double margin) {
    return {no_drift(scenario, margin), same_effect(scenario, margin),
            quarters_alike(scenario, margin, "warmup_over", first_against_rest,
                           "first quarter of a trial against the rest",
                           "a longer --warmup leaves it out"),
            quarters_alike(scenario, margin, "steady", last_against_second,
                           "last quarter of a trial against the second",
                           "the figures depend on how long a trial is")};
}

}  // namespace crucible::lab
