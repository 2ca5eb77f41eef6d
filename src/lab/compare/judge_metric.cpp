#include "lab/compare/judge_metric.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "lab/compare/evidence.h"
#include "lab/compare/metric_series.h"
#include "lab/stats/robust.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A difference of one error in a thousand events does not matter; neither does one event in a
/// thousand out of order.
constexpr double kEventShareMargin = 0.001;

bool is_count(const MetricInfo& info) {
    return info.name == "lost" || info.name == "duplicated" || info.name == "reordered";
}

MetricVerdict verdict_of(stats::Change change, Better better) {
    switch (change) {
        case stats::Change::increased:
            return better == Better::higher ? MetricVerdict::better : MetricVerdict::worse;
        case stats::Change::decreased:
            return better == Better::lower ? MetricVerdict::better : MetricVerdict::worse;
        case stats::Change::equivalent:
            return MetricVerdict::equivalent;
        case stats::Change::changed_within_margin:
            return MetricVerdict::changed_within_margin;
        case stats::Change::inconclusive:
            break;
    }
    return MetricVerdict::inconclusive;
}

std::optional<Estimate> over_rounds(const std::vector<double>& values, double level) {
    if (values.empty()) return std::nullopt;
    const auto located = stats::hodges_lehmann(values, level);
    if (!located) return Estimate{stats::hodges_lehmann_estimate(values), kNaN, kNaN};
    return Estimate{located->estimate, located->interval.low, located->interval.high};
}

Estimate mapped(const stats::LocationEstimate& located, bool has_interval, double (*map)(double)) {
    return {map(located.estimate), has_interval ? map(located.interval.low) : kNaN,
            has_interval ? map(located.interval.high) : kNaN};
}

double total(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
}

double as_is(double value) {
    return value;
}
double exponential(double value) {
    return std::exp(value);
}

template <typename Difference>
RoundDifferences differences_of(const MetricSeries& series, Difference difference) {
    RoundDifferences result;
    for (std::size_t r = 0; r < series.baseline.size(); ++r) {
        result.candidate_baseline.push_back(difference(series.candidate[r], series.baseline[r]));
        result.candidate_control.push_back(difference(series.candidate[r], series.control[r]));
        result.control_baseline.push_back(difference(series.control[r], series.baseline[r]));
    }
    return result;
}

/// Margin of a metric that is judged by its difference; 0 when none can be said.
double difference_margin(const MetricInfo& info, const MetricSeries& series, double margin) {
    // Losing or doubling an event is never within tolerance: half an event.
    if (info.name == "lost" || info.name == "duplicated") return 0.5;
    if (info.name == "error_rate") return kEventShareMargin;
    if (info.name == "reordered") {
        return kEventShareMargin * static_cast<double>(series.baseline_samples) /
               static_cast<double>(series.rounds);
    }
    return margin * stats::median(series.baseline);
}

/// Latencies do not exist where the backlog grows, but which side kept up is itself a result, and
/// counts by the same rule: a round is clear when the candidate stands alone on one side.
bool judge_saturation(const MetricSeries& series, double level, MetricComparison& result) {
    const auto needed = clear_rounds_min(series.rounds, level);
    if (!needed) return false;
    const bool worse = series.only_candidate_saturated >= *needed;
    const bool better = series.only_candidate_kept_up >= *needed;
    if (!worse && !better) return false;
    result.verdict = worse ? MetricVerdict::worse : MetricVerdict::better;
    result.reason =
        worse ? fmt::format(
                    "the candidate was saturated in {} of {} rounds in which both copies "
                    "of the baseline kept up",
                    series.only_candidate_saturated, series.rounds)
              : fmt::format(
                    "the candidate kept up in {} of {} rounds in which both copies of the "
                    "baseline were saturated",
                    series.only_candidate_kept_up, series.rounds);
    return true;
}

bool is_latency(const MetricInfo& info) {
    return info.name.starts_with("latency_") || info.name == "service_time_p99";
}

/// All rounds have a value in all arms: ratio where it exists, difference where not.
void judge_values(const MetricSeries& series, const CompareOptions& options, std::size_t family,
                  MetricComparison& result) {
    const auto& info = *result.info;
    const bool counts = is_count(info) || info.name == "error_rate";
    if (series.all_zero()) {
        result.difference = Estimate{0, 0, 0};
        result.verdict = MetricVerdict::equivalent;
        result.reason = counts ? fmt::format(
                                     "none in {} events of the baseline and {} of the "
                                     "candidate",
                                     format_integer(series.baseline_samples),
                                     format_integer(series.candidate_samples))
                               : "zero in every trial of both";
        return;
    }
    const bool by_difference = counts || series.any_not_positive();
    RulingOptions ruling_options{.margin = std::log1p(options.margin),
                                 .alpha = 1 - options.confidence,
                                 .family = family,
                                 .seed = options.seed};
    if (by_difference) ruling_options.margin = difference_margin(info, series, options.margin);
    if (!(ruling_options.margin > 0)) {
        result.reason = "the baseline is zero: there is no ratio to judge";
        return;
    }
    const auto differences =
        by_difference ? differences_of(series, [](double x, double y) { return x - y; })
                      : differences_of(series, [](double x, double y) { return std::log(x / y); });
    const Ruling ruling = rule(differences, ruling_options);
    const auto map = by_difference ? as_is : exponential;
    (by_difference ? result.difference : result.ratio) =
        mapped(ruling.effect, ruling.has_interval, map);
    if (ruling.control && !by_difference) result.control = mapped(*ruling.control, true, map);
    result.verdict = verdict_of(ruling.change, info.better);
    result.reason = ruling.reason;
    result.rounds_needed = ruling.rounds_needed;
    const bool within = result.verdict == MetricVerdict::equivalent ||
                        result.verdict == MetricVerdict::changed_within_margin;
    if (within && (info.name == "lost" || info.name == "duplicated")) {
        // A median of zero hides an event that went missing once; it must not read as "equal".
        result.verdict = MetricVerdict::inconclusive;
        result.reason =
            fmt::format("{:g} in {} events of the baseline, {:g} in {} of the candidate",
                        total(series.baseline), format_integer(series.baseline_samples),
                        total(series.candidate), format_integer(series.candidate_samples));
    }
}

}  // namespace

MetricComparison judge_metric(const std::vector<Round>& rounds, const MetricInfo& info,
                              const CompareOptions& options, std::size_t family) {
    const MetricSeries series = metric_series(rounds, info);
    MetricComparison result;
    result.info = &info;
    result.phase = series.phase;
    result.rounds = static_cast<std::uint32_t>(series.baseline.size());
    if (series.rounds == 0) {
        result.reason = "no valid round";
        return result;
    }
    if (series.missing > 0) {
        // Rounds without a value are the extreme ones; comparing the rest would favour the side
        // that has more of them. So nothing is compared.
        result.rounds = 0;
        const double level = (1 - options.confidence) / static_cast<double>(family);
        if (is_latency(info) && judge_saturation(series, level, result)) return result;
        result.reason = fmt::format("no value in {} of {} rounds ({})", series.missing,
                                    series.rounds, series.missing_reason);
        return result;
    }
    result.baseline = over_rounds(series.baseline, options.confidence);
    result.candidate = over_rounds(series.candidate, options.confidence);
    judge_values(series, options, family, result);
    return result;
}

}  // namespace crucible::lab
