#include "lab/compare/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/assert.h"
#include "lab/stats/effect.h"
#include "lab/stats/robust.h"
#include "lab/stats/sequential.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab {
namespace {

using stats::Change;
using stats::Interval;
using stats::Side;

bool all_finite(std::span<const double> values) {
    return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

std::vector<double> to_baseline(const RoundDifferences& differences) {
    std::vector<double> values;
    for (const auto& round : differences.candidate) values.push_back(round.to_baseline);
    return values;
}

/// Of one trial, from the differences of two. The largest of three views: each alone, from some ten
/// rounds, can be far too small by luck.
double trial_noise(const RoundDifferences& differences) {
    std::vector<double> views[3];
    const auto add = [](std::vector<double>& view, double value) {
        if (std::isfinite(value)) view.push_back(value);
    };
    for (const auto& round : differences.candidate) {
        add(views[0], round.to_baseline);
        add(views[1], round.to_control);
    }
    for (const double value : differences.control) add(views[2], value);
    double noise = 0;
    for (const auto& view : views) {
        if (view.empty()) continue;
        noise = std::max(noise, stats::kMadToSigma * stats::median_absolute_deviation(view));
    }
    return noise / std::sqrt(2.0);
}

std::uint32_t count_clear(const RoundDifferences& differences, double margin) {
    std::uint32_t above = 0;
    std::uint32_t below = 0;
    for (const auto& [a, b] : differences.candidate) {
        above += std::min(a, b) > margin ? 1 : 0;
        below += std::max(a, b) < -margin ? 1 : 0;
    }
    return std::max(above, below);
}

/// Evidence against "the sign of the difference of two copies is a coin".
double control_evidence(const std::vector<double>& control) {
    double evidence = 0;
    std::uint64_t signs = 0;
    std::uint64_t positive = 0;
    for (const double difference : control) {
        if (difference == 0 || std::isnan(difference)) continue;
        ++signs;
        positive += difference > 0 ? 1 : 0;
        evidence = std::max(evidence, stats::sign_log_e_value(positive, signs));
    }
    return evidence;
}

bool beyond(const Interval& interval, double margin) {
    return interval.low > margin || interval.high < -margin;
}

bool inside(const Interval& interval, double margin) {
    return -margin < interval.low && interval.high < margin;
}

/// Rounds until `needed` is reached at `distance` from a bound, in all.
std::optional<std::uint32_t> rounds_until(double needed, double distance, double noise) {
    constexpr double kRoundsMax = 100'000;
    // So far away every round is clear; also where there is no noise at all.
    constexpr double kFar = 20;
    const double rounds = std::ceil(
        stats::triplet_rounds(needed, noise > 0 ? std::min(kFar, distance / noise) : kFar));
    if (rounds > kRoundsMax) return std::nullopt;
    return static_cast<std::uint32_t>(rounds);
}

/// All rounds that decide the metric if it goes on as so far.
std::optional<std::uint32_t> rounds_needed(const Evidence& evidence, const RulingOptions& options) {
    if (!evidence.estimate) return std::nullopt;
    const double distance = std::abs(*evidence.estimate) - evidence.margin;
    const double alpha =
        distance > 0 ? options.alpha / (2 * static_cast<double>(options.family)) : options.alpha;
    const auto needed = rounds_until(-std::log(alpha), std::abs(distance), evidence.trial_noise);
    if (!needed) return std::nullopt;
    return std::max({*needed, kRoundsMin, evidence.rounds + 1});
}

std::string_view direction(Change side) {
    return side == Change::increased ? "higher" : "lower";
}

}  // namespace

Evidence weigh(const RoundDifferences& differences, double margin) {
    const auto& candidate = differences.candidate;
    CRUCIBLE_ASSERT(!candidate.empty() && candidate.size() == differences.control.size());
    CRUCIBLE_ASSERT(margin > 0);
    Evidence evidence;
    evidence.rounds = static_cast<std::uint32_t>(candidate.size());
    evidence.clear_rounds = count_clear(differences, margin);
    evidence.margin = margin;
    evidence.outside = stats::triplet_log_evidence_outside(candidate, margin);
    evidence.different = stats::triplet_log_evidence_outside(candidate, 0);
    evidence.within = std::min(stats::triplet_log_evidence(candidate, -margin, Side::above),
                               stats::triplet_log_evidence(candidate, margin, Side::below));
    evidence.copies_differ = control_evidence(differences.control);
    evidence.side = stats::triplet_log_evidence(candidate, 0, Side::above) >=
                            stats::triplet_log_evidence(candidate, 0, Side::below)
                        ? Change::increased
                        : Change::decreased;
    evidence.trial_noise = trial_noise(differences);
    const auto values = to_baseline(differences);
    if (all_finite(values)) evidence.estimate = stats::hodges_lehmann_estimate(values);
    return evidence;
}

EffectIntervals effect_intervals(const RoundDifferences& differences,
                                 const EvidenceOptions& options) {
    EffectIntervals result;
    const auto values = to_baseline(differences);
    if (values.size() < kRoundsMin || !all_finite(values)) return result;
    const double alpha = 1 - options.confidence;
    if (const auto effect = stats::paired_effect(values, options.confidence, options.seed)) {
        result.effect = effect->interval;
    }
    if (const auto narrow = stats::paired_effect(values, 1 - 2 * alpha, options.seed)) {
        result.narrow = narrow->interval;
    }
    return result;
}

std::optional<stats::LocationEstimate> control_effect(const RoundDifferences& differences,
                                                      const EvidenceOptions& options) {
    if (!all_finite(differences.control)) return std::nullopt;
    return stats::paired_effect(differences.control, options.confidence, options.seed);
}

bool copies_differ(const Evidence& evidence, const RulingOptions& options) {
    constexpr double kShare = 0.1;
    return evidence.copies_differ >=
           std::log(static_cast<double>(options.family) / (kShare * options.alpha));
}

bool undecided(const Evidence& evidence, const AdjustedPValues& p_values,
               const RulingOptions& options) {
    if (evidence.rounds < kRoundsMin) return true;
    if (copies_differ(evidence, options)) return false;
    const bool outside = p_values.outside <= options.alpha;
    const bool within = evidence.within >= -std::log(options.alpha);
    return outside == within && rounds_needed(evidence, options).has_value();
}

Ruling rule(const Evidence& evidence, const std::function<EffectIntervals()>& make_intervals,
            const AdjustedPValues& p_values, const RulingOptions& options) {
    Ruling ruling;
    const double margin = evidence.margin;
    if (evidence.rounds < kRoundsMin) {
        ruling.reason =
            fmt::format("{} rounds; an interval needs at least {}", evidence.rounds, kRoundsMin);
        ruling.rounds_needed = rounds_needed(evidence, options).value_or(kRoundsMin);
        return ruling;
    }
    if (copies_differ(evidence, options)) {
        ruling.reason =
            "the two copies of the baseline differ from each other: the machine was not steady";
        return ruling;
    }
    // What is printed and what is decided must agree, so that the interval has a say too. Where
    // there is none (saturation) the evidence alone speaks.
    std::optional<EffectIntervals> printed;
    const auto agrees = [&](bool shown, const auto& interval_says) {
        if (!shown) return false;
        if (!printed) printed = make_intervals();
        return !evidence.estimate || (printed->effect && interval_says(*printed));
    };
    ruling.different = agrees(p_values.different <= options.alpha,
                              [](const EffectIntervals& of) { return beyond(*of.effect, 0); });
    const bool outside = agrees(p_values.outside <= options.alpha, [&](const EffectIntervals& of) {
        return beyond(*of.effect, margin);
    });
    const bool within =
        evidence.estimate &&
        agrees(evidence.within >= -std::log(options.alpha),
               [&](const EffectIntervals& of) { return of.narrow && inside(*of.narrow, margin); });
    if (outside && !within) {
        ruling.change = evidence.side;
        ruling.reason =
            fmt::format("beyond the margin against both copies of the baseline in {} of {} rounds",
                        evidence.clear_rounds, evidence.rounds);
        return ruling;
    }
    if (within && !outside) {
        ruling.change = ruling.different ? Change::changed_within_margin : Change::equivalent;
        ruling.reason = ruling.different
                            ? fmt::format("{} than both copies of the baseline, within the margin",
                                          direction(evidence.side))
                            : "within the margin";
        return ruling;
    }
    ruling.rounds_needed = rounds_needed(evidence, options);
    if (ruling.different) {
        ruling.reason = fmt::format("{} for certain; whether by more than the margin is open",
                                    direction(evidence.side));
    } else if (evidence.estimate && std::abs(*evidence.estimate) <= margin) {
        ruling.reason = "not yet shown to lie within the margin";
    } else {
        ruling.reason = fmt::format(
            "beyond the margin against both copies of the baseline in {} of {} rounds: not yet "
            "enough",
            evidence.clear_rounds, evidence.rounds);
    }
    return ruling;
}

}  // namespace crucible::lab
