#include "lab/compare/judge_metric.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lab/compare/difference_margin.h"
#include "lab/compare/evidence.h"
#include "lab/compare/metric_series.h"
#include "lab/stats/robust.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab {

MetricVerdict verdict_of(stats::Change change, Better better) noexcept {
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

namespace {

std::optional<Estimate> over_rounds(const std::vector<double>& values, double level) {
    if (values.empty()) return std::nullopt;
    const auto located = stats::hodges_lehmann(values, level);
    if (!located) return Estimate{stats::hodges_lehmann_estimate(values), kNoEnd, kNoEnd};
    return Estimate{located->estimate, located->interval.low, located->interval.high};
}

Estimate mapped(double value, const std::optional<stats::Interval>& interval,
                double (*map)(double)) {
    return {map(value), interval ? map(interval->low) : kNoEnd,
            interval ? map(interval->high) : kNoEnd};
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
        const stats::TripletRound round{
            .to_baseline = difference(series.candidate[r], series.baseline[r]),
            .to_control = difference(series.candidate[r], series.control[r])};
        // Both infinite: neither is known to be larger.
        const bool comparable = !std::isnan(round.to_baseline) && !std::isnan(round.to_control);
        result.candidate.push_back(comparable ? round : stats::TripletRound::silent());
        const double control = difference(series.control[r], series.baseline[r]);
        result.control.push_back(std::isnan(control) ? 0 : control);
    }
    return result;
}

double minus(double x, double y) {
    return x - y;
}

double difference_margin_of(const MetricInfo& info, const MetricSeries& series, double margin,
                            std::optional<double> whole) {
    return difference_margin(info.name,
                             {.margin = margin,
                              .baseline_median = whole ? *whole : stats::median(series.baseline),
                              .events = static_cast<double>(series.baseline_samples) /
                                        static_cast<double>(series.rounds)});
}

std::string saturation_text(const MetricSeries& series) {
    if (!series.any_saturated()) return {};
    return fmt::format(
        "saturated in {} of {} rounds: the candidate; the two copies of the baseline: in {} and {}",
        series.candidate_saturated, series.rounds, series.baseline_saturated,
        series.control_saturated);
}

/// All rounds have a value in all arms: ratio where it exists, difference where not.
void weigh_values(const MetricSeries& series, const CompareOptions& options,
                  std::optional<double> whole, WeighedMetric& weighed) {
    auto& result = weighed.result;
    const auto& info = *result.info;
    const bool counts = judged_by_difference(info.name);
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
    const double margin = by_difference ? difference_margin_of(info, series, options.margin, whole)
                                        : std::log1p(options.margin);
    if (!(margin > 0)) {
        result.reason = "the baseline is zero: there is no ratio to judge";
        return;
    }
    weighed.by_difference = by_difference;
    weighed.differences =
        by_difference ? differences_of(series, minus)
                      : differences_of(series, [](double x, double y) { return std::log(x / y); });
    if (whole && !by_difference) weighed.beside = differences_of(series, minus);
    weighed.evidence = weigh(weighed.differences, margin);
    weighed.saturation = saturation_text(series);
    if (info.name == "lost" || info.name == "duplicated") {
        // A median of zero hides an event that went missing once; it must not read as "equal".
        weighed.never_equivalent =
            fmt::format("{:g} in {} events of the baseline, {:g} in {} of the candidate",
                        total(series.baseline), format_integer(series.baseline_samples),
                        total(series.candidate), format_integer(series.candidate_samples));
    }
}

EvidenceOptions evidence_options(const CompareOptions& options) {
    return {.confidence = options.confidence, .seed = options.seed};
}

const EffectIntervals& intervals_of(WeighedMetric& metric, const CompareOptions& options) {
    if (!metric.intervals) {
        metric.intervals = effect_intervals(metric.differences, evidence_options(options));
    }
    return *metric.intervals;
}

}  // namespace

WeighedMetric weigh_metric(const std::vector<Round>& rounds, const MetricInfo& info,
                           const CompareOptions& options, std::optional<double> whole) {
    const MetricSeries series = metric_series(rounds, info);
    WeighedMetric weighed;
    auto& result = weighed.result;
    result.info = &info;
    result.phase = series.phase;
    result.rounds = static_cast<std::uint32_t>(series.baseline.size());
    if (series.rounds == 0) {
        result.reason = "no valid round";
        return weighed;
    }
    if (series.missing > 0) {
        // Rounds without a value are the extreme ones; comparing the rest would favour the side
        // that has more of them. So nothing is compared.
        result.rounds = 0;
        result.reason = fmt::format("no value in {} of {} rounds ({})", series.missing,
                                    series.rounds, series.missing_reason);
        return weighed;
    }
    if (series.baseline_saturated == 0) weighed.baseline = series.baseline;
    if (series.candidate_saturated == 0) weighed.candidate = series.candidate;
    weigh_values(series, options, whole, weighed);
    return weighed;
}

void add_intervals(WeighedMetric& metric, const CompareOptions& options) {
    auto& result = metric.result;
    result.baseline = over_rounds(metric.baseline, options.confidence);
    result.candidate = over_rounds(metric.candidate, options.confidence);
    if (!metric.evidence) return;
    const auto& evidence = *metric.evidence;
    const auto map = metric.by_difference ? as_is : exponential;
    if (evidence.estimate) {
        const auto anytime =
            stats::triplet_confidence_sequence(metric.differences.candidate, options.confidence);
        (metric.by_difference ? result.difference : result.ratio) =
            mapped(*evidence.estimate, intervals_of(metric, options).effect, map);
        result.anytime = mapped(*evidence.estimate, anytime, map);
    }
    if (!metric.beside.candidate.empty()) {
        std::vector<double> values;
        for (const auto& round : metric.beside.candidate) values.push_back(round.to_baseline);
        result.difference =
            mapped(stats::hodges_lehmann_estimate(values),
                   effect_intervals(metric.beside, evidence_options(options)).effect, as_is);
    }
    const auto control = control_effect(metric.differences, evidence_options(options));
    if (control && !metric.by_difference) {
        result.control = mapped(control->estimate, control->interval, map);
    }
}

void correct_family(const std::vector<WeighedMetric*>& family, stats::Adjustment adjustment) {
    std::vector<double> outside;
    std::vector<double> different;
    for (const auto* metric : family) {
        const auto& evidence = metric->evidence;
        outside.push_back(evidence ? std::exp(-evidence->outside) : 1);
        different.push_back(evidence ? std::exp(-evidence->different) : 1);
    }
    outside = stats::adjust(outside, adjustment);
    different = stats::adjust(different, adjustment);
    for (std::size_t i = 0; i < family.size(); ++i) {
        family[i]->p_values = {.outside = outside[i], .different = different[i]};
    }
}

void decide(WeighedMetric& metric, std::size_t family, const CompareOptions& options) {
    if (!metric.evidence) return;
    auto& result = metric.result;
    const Ruling ruling =
        rule(*metric.evidence, [&] { return intervals_of(metric, options); }, metric.p_values,
             {.alpha = 1 - options.confidence, .family = family});
    result.p_outside = metric.p_values.outside;
    result.p_different = metric.p_values.different;
    result.different = ruling.different;
    result.verdict = verdict_of(ruling.change, result.info->better);
    result.reason = ruling.reason;
    result.rounds_needed = ruling.rounds_needed;
    if (!metric.saturation.empty()) result.reason = metric.saturation;
    const bool within = result.verdict == MetricVerdict::equivalent ||
                        result.verdict == MetricVerdict::changed_within_margin;
    if (within && !metric.never_equivalent.empty()) {
        result.verdict = MetricVerdict::inconclusive;
        result.reason = metric.never_equivalent;
    }
}

}  // namespace crucible::lab
