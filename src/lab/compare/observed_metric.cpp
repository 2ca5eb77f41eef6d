#include "lab/compare/observed_metric.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lab/compare/difference_margin.h"
#include "lab/compare/judge_metric.h"
#include "lab/stats/cliffs_delta.h"
#include "lab/stats/rank_sum.h"
#include "lab/stats/robust.h"
#include "lab/stats/signed_rank.h"
#include "lab/stats/student.h"
#include "lab/stats/verdict.h"

namespace crucible::lab {
namespace {

using Values = std::vector<double>;

std::optional<Estimate> over_repetitions(const Values& values, double level) {
    if (values.empty()) return std::nullopt;
    const auto located = stats::hodges_lehmann(values, level);
    if (!located) return Estimate{stats::hodges_lehmann_estimate(values), kNoEnd, kNoEnd};
    return Estimate{located->estimate, located->interval.low, located->interval.high};
}

std::optional<stats::Interval> shift_interval(const Values& candidate, const Values& baseline,
                                              double level) {
    const auto shift = stats::hodges_lehmann_shift(candidate, baseline, level);
    if (!shift) return std::nullopt;
    return shift->interval;
}

Estimate estimate_of(double value, const std::optional<stats::Interval>& interval) {
    return {value, interval ? interval->low : kNoEnd, interval ? interval->high : kNoEnd};
}

Estimate as_ratio(const Estimate& logarithm) {
    return {std::exp(logarithm.value), std::exp(logarithm.ci_low), std::exp(logarithm.ci_high)};
}

Values logarithms(const Values& values) {
    Values result;
    for (const double value : values) result.push_back(std::log(value));
    return result;
}

bool all_positive(const Values& values) {
    return std::ranges::all_of(values, [](double value) { return value > 0; });
}
bool all_zero(const Values& values) {
    return std::ranges::all_of(values, [](double value) { return value == 0; });
}

/// p-value of "the shift lies within ±margin": that of the nearer end, 1 where it does by itself.
double p_beyond(const Values& candidate, const Values& baseline, double shift, double margin) {
    if (std::abs(shift) <= margin) return 1;
    Values moved = candidate;
    for (double& value : moved) value -= std::copysign(margin, shift);
    return stats::rank_sum_p_value(moved, baseline).value_or(1);
}

/// Why the values of a side cannot be compared; empty: they can.
std::string absence(const StoredMetric& metric, std::string_view side) {
    if (!metric.values.empty() && metric.missing == 0) return {};
    if (!metric.missing_reason.empty()) return fmt::format("{}: {}", side, metric.missing_reason);
    // The repetitions without a value are the extreme ones; the rest would flatter that side.
    return metric.values.empty()
               ? fmt::format("{}: no value", side)
               : fmt::format("{}: no value in {} of {} repetitions", side, metric.missing,
                             metric.missing + metric.values.size());
}

void weigh_shift(const Values& candidate, const Values& baseline, const CompareOptions& options,
                 WeighedObservation& weighed) {
    auto& metric = weighed.metric;
    weighed.shift = stats::hodges_lehmann_shift_estimate(candidate, baseline);
    weighed.interval = shift_interval(candidate, baseline, options.confidence);
    metric.p_rank_sum = stats::rank_sum_p_value(candidate, baseline);
    if (const auto welch = stats::welch_test(candidate, baseline, options.confidence))
        metric.p_welch = welch->p_value;
    metric.p_different = metric.p_rank_sum.value_or(1);
    metric.p_outside = p_beyond(candidate, baseline, weighed.shift, weighed.margin);
    weighed.judged = true;
}

void weigh_values(double events, const CompareOptions& options, WeighedObservation& weighed) {
    auto& metric = weighed.metric;
    const auto& baseline = metric.baseline_values;
    const auto& candidate = metric.candidate_values;
    if (all_zero(baseline) && all_zero(candidate)) {
        metric.difference = Estimate{0, 0, 0};
        metric.verdict = MetricVerdict::equivalent;
        metric.reason = "zero in every repetition of both";
        return;
    }
    const bool by_ratio =
        !judged_by_difference(metric.name) && all_positive(baseline) && all_positive(candidate);
    weighed.margin =
        by_ratio ? std::log1p(options.margin)
                 : difference_margin(metric.name, {.margin = options.margin,
                                                   .baseline_median = stats::median(baseline),
                                                   .events = events});
    metric.difference = estimate_of(stats::hodges_lehmann_shift_estimate(candidate, baseline),
                                    shift_interval(candidate, baseline, options.confidence));
    if (baseline.size() >= 2 && candidate.size() >= 2) {
        const auto delta = stats::cliffs_delta(candidate, baseline, options.confidence);
        metric.cliffs_delta = estimate_of(delta.delta, delta.interval);
    }
    if (!(weighed.margin > 0)) {
        metric.reason = "the baseline is not above zero: there is no ratio to judge";
        return;
    }
    if (!by_ratio) {
        weigh_shift(candidate, baseline, options, weighed);
        return;
    }
    weigh_shift(logarithms(candidate), logarithms(baseline), options, weighed);
    metric.ratio = as_ratio(estimate_of(weighed.shift, weighed.interval));
}

/// Whether the test could refuse anything, whatever the values: no more is asked of small samples
/// than they can give.
bool enough(const ObservedMetric& metric, double alpha, std::size_t family) {
    const std::size_t n = metric.candidate_values.size();
    const std::size_t m = metric.baseline_values.size();
    if (n + m > stats::kRankSumExactMax) return true;
    return stats::rank_sum_order_index_exact(n, m, 1 - alpha / static_cast<double>(family)) > 0;
}

std::string counts(const ObservedMetric& metric) {
    return fmt::format("{} and {} values", metric.baseline_values.size(),
                       metric.candidate_values.size());
}

void judge(WeighedObservation& weighed, std::size_t family, const CompareOptions& options) {
    auto& metric = weighed.metric;
    const double alpha = 1 - options.confidence;
    if (!weighed.interval) {
        metric.repetitions_needed = repetitions_min(alpha, 1);
        metric.reason = fmt::format("{}; an interval needs at least {} of each", counts(metric),
                                    *metric.repetitions_needed);
        return;
    }
    using stats::Change;
    // "Equivalent" asks for the whole interval that is printed, not only for the narrower one of
    // two one-sided tests: nobody checks the assumptions of values from different days.
    auto change = stats::judge(*weighed.interval, *weighed.interval, weighed.margin);
    metric.different =
        metric.p_different <= alpha && (weighed.interval->low > 0 || weighed.interval->high < 0);
    const auto words = weighed.shift > 0 ? "higher" : "lower";
    const bool beyond = change == Change::increased || change == Change::decreased;
    if (beyond && metric.p_outside > alpha) {
        change = Change::inconclusive;
        metric.reason = fmt::format(
            "{} beyond the margin, but not among {} metrics judged together", words, family);
    } else if (beyond) {
        metric.reason = fmt::format("{} beyond the margin", words);
    } else if (change == Change::equivalent || change == Change::changed_within_margin) {
        change = metric.different ? Change::changed_within_margin : Change::equivalent;
        metric.reason = metric.different ? fmt::format("{}, within the margin", words)
                                         : std::string("within the margin");
    } else {
        metric.reason = metric.different
                            ? fmt::format("{}; whether by more than the margin is open", words)
                            : "the interval reaches beyond the margin";
    }
    metric.verdict = verdict_of(change, metric.better);
    if (metric.verdict == MetricVerdict::inconclusive && !enough(metric, alpha, family)) {
        metric.repetitions_needed = repetitions_min(alpha, family);
        metric.reason += fmt::format("; {}, a difference among {} metrics needs {} of each",
                                     counts(metric), family, *metric.repetitions_needed);
    }
    const bool within = metric.verdict == MetricVerdict::equivalent ||
                        metric.verdict == MetricVerdict::changed_within_margin;
    if (within && (metric.name == "lost" || metric.name == "duplicated")) {
        // A median of zero hides an event that went missing once; it must not read as "equal".
        metric.verdict = MetricVerdict::inconclusive;
        metric.reason = "not zero in every repetition";
    }
}

}  // namespace

WeighedObservation weigh_observation(const StoredMetric& baseline, const StoredMetric& candidate,
                                     double events, const CompareOptions& options) {
    WeighedObservation weighed;
    auto& metric = weighed.metric;
    metric.name = baseline.name;
    metric.unit = baseline.unit;
    metric.better = baseline.better;
    metric.gated = baseline.gated;
    metric.phase = baseline.phase.empty() ? candidate.phase : baseline.phase;
    metric.baseline_values = baseline.values;
    metric.candidate_values = candidate.values;
    if (baseline.missing == 0)
        metric.baseline = over_repetitions(baseline.values, options.confidence);
    if (candidate.missing == 0)
        metric.candidate = over_repetitions(candidate.values, options.confidence);
    for (const auto& reason : {absence(baseline, "baseline"), absence(candidate, "candidate")}) {
        if (reason.empty()) continue;
        metric.reason = reason;
        return weighed;
    }
    weigh_values(events, options, weighed);
    return weighed;
}

void judge_family(std::span<WeighedObservation* const> family, stats::Adjustment adjustment,
                  const CompareOptions& options) {
    Values outside;
    Values different;
    for (const auto* weighed : family) {
        outside.push_back(weighed->metric.p_outside);
        different.push_back(weighed->metric.p_different);
    }
    outside = stats::adjust(outside, adjustment);
    different = stats::adjust(different, adjustment);
    for (std::size_t i = 0; i < family.size(); ++i) {
        if (!family[i]->judged) continue;
        family[i]->metric.p_outside = outside[i];
        family[i]->metric.p_different = different[i];
        judge(*family[i], family.size(), options);
    }
}

std::uint32_t repetitions_min(double alpha, std::size_t family) {
    std::uint32_t count = 1;
    const double level = 1 - alpha / static_cast<double>(std::max<std::size_t>(1, family));
    while (2 * count < stats::kRankSumExactMax &&
           stats::rank_sum_order_index_exact(count, count, level) == 0)
        ++count;
    return count;
}

}  // namespace crucible::lab
