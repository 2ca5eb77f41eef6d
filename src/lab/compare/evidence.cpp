#include "lab/compare/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/assert.h"
#include "lab/stats/effect.h"
#include "lab/stats/robust.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab {
namespace {

using stats::Change;

std::uint32_t size32(const std::vector<double>& values) {
    return static_cast<std::uint32_t>(values.size());
}

struct ClearRounds {
    std::uint32_t count = 0;
    Change direction = Change::inconclusive;
};

ClearRounds count_clear(const RoundDifferences& differences, double margin) {
    std::uint32_t up = 0;
    std::uint32_t down = 0;
    for (std::size_t r = 0; r < differences.candidate_baseline.size(); ++r) {
        const double a = differences.candidate_baseline[r];
        const double b = differences.candidate_control[r];
        if (std::min(a, b) > margin) ++up;
        if (std::max(a, b) < -margin) ++down;
    }
    return up >= down ? ClearRounds{up, Change::increased} : ClearRounds{down, Change::decreased};
}

/// Noise of one round's difference. The largest of three views of it: each alone, from some ten
/// rounds, can be far too small by luck.
double round_noise(const RoundDifferences& differences) {
    double noise = 0;
    for (const auto* values : {&differences.candidate_baseline, &differences.candidate_control,
                               &differences.control_baseline}) {
        noise = std::max(noise, stats::kMadToSigma * stats::median_absolute_deviation(*values));
    }
    return noise;
}

/// Standard errors between the margin and the smaller of the two effects; 0 when within.
double distance_in_standard_errors(const RoundDifferences& differences, double margin) {
    const double nearer =
        std::min(std::abs(stats::hodges_lehmann_estimate(differences.candidate_baseline)),
                 std::abs(stats::hodges_lehmann_estimate(differences.candidate_control)));
    if (nearer <= margin) return 0;
    const double error = round_noise(differences) /
                         std::sqrt(static_cast<double>(differences.candidate_baseline.size()));
    return error > 0 ? (nearer - margin) / error : INFINITY;
}

bool beyond(const std::optional<stats::LocationEstimate>& effect, double margin) {
    return effect && (effect->interval.low > margin || effect->interval.high < -margin);
}

/// The first condition for a difference that is not met, in words; empty when all are.
std::string missing_condition(const RoundDifferences& differences, const RulingOptions& options,
                              double margin) {
    const double level = options.alpha / static_cast<double>(options.family);
    const std::uint32_t rounds = size32(differences.candidate_baseline);
    const auto clear_min = clear_rounds_min(rounds, level);
    if (!clear_min) {
        return fmt::format("a difference needs at least {} rounds to be shown",
                           decisive_rounds_min(level));
    }
    const auto clear = count_clear(differences, margin);
    if (clear.count < *clear_min) {
        return fmt::format(
            "beyond the margin against both copies of the baseline in {} of {} rounds; {} needed",
            clear.count, rounds, *clear_min);
    }
    if (distance_in_standard_errors(differences, margin) < kStandardErrors) {
        return fmt::format("less than {:g} standard errors beyond the margin", kStandardErrors);
    }
    const auto against = [&](const std::vector<double>& values) {
        return stats::paired_effect(values, 1 - options.alpha, options.seed);
    };
    if (!beyond(against(differences.candidate_baseline), margin)) {
        return "the interval reaches into the margin";
    }
    if (!beyond(against(differences.candidate_control), margin)) {
        return "not beyond the margin against the second copy of the baseline";
    }
    if (margin > 0 && beyond(against(differences.control_baseline), margin)) {
        return "the two copies of the baseline differ from each other: the machine was not steady";
    }
    return {};
}

std::uint32_t saturating_rounds(double rounds) {
    return static_cast<std::uint32_t>(std::min(rounds, 1e6));
}

/// The larger of what the interval and what the distance rule ask for, and more than there were.
std::optional<std::uint32_t> more_rounds(const RoundDifferences& differences, double effect,
                                         const RulingOptions& options) {
    const auto& values = differences.candidate_baseline;
    auto needed = stats::rounds_needed(values, effect, options.margin, options.alpha);
    if (!needed) return std::nullopt;
    const double distance = std::abs(effect) - options.margin;
    if (distance > 0) {
        const double errors = kStandardErrors * round_noise(differences) / distance;
        needed = std::max(*needed, saturating_rounds(std::ceil(errors * errors)));
        needed = std::max(*needed,
                          decisive_rounds_min(options.alpha / static_cast<double>(options.family)));
    }
    return std::max(*needed, size32(values) + 1);
}

}  // namespace

double clear_rounds_p_value(std::uint32_t rounds, std::uint32_t clear) {
    CRUCIBLE_ASSERT(clear <= rounds);
    const double log_third = -std::log(3.0);
    const double log_two_thirds = std::log(2.0) - std::log(3.0);
    double tail = 0;
    for (std::uint32_t k = rounds + 1; k-- > clear;) {
        tail +=
            std::exp(std::lgamma(rounds + 1.0) - std::lgamma(k + 1.0) -
                     std::lgamma(rounds - k + 1.0) + k * log_third + (rounds - k) * log_two_thirds);
    }
    return std::min(1.0, 2 * tail);
}

std::optional<std::uint32_t> clear_rounds_min(std::uint32_t rounds, double level) {
    std::optional<std::uint32_t> smallest;
    for (std::uint32_t clear = rounds + 1; clear-- > 0;) {
        if (clear_rounds_p_value(rounds, clear) > level) break;
        smallest = clear;
    }
    return smallest;
}

std::uint32_t decisive_rounds_min(double level) {
    stats::require_level(level);
    std::uint32_t rounds = 1;
    while (!clear_rounds_min(rounds, level)) ++rounds;
    return rounds;
}

stats::Change find_difference(const RoundDifferences& differences, const RulingOptions& options,
                              double margin) {
    if (differences.candidate_baseline.empty()) return Change::inconclusive;
    if (!missing_condition(differences, options, margin).empty()) return Change::inconclusive;
    return count_clear(differences, margin).direction;
}

Ruling rule(const RoundDifferences& differences, const RulingOptions& options) {
    const auto& values = differences.candidate_baseline;
    CRUCIBLE_ASSERT(!values.empty() && options.margin > 0);
    CRUCIBLE_ASSERT(values.size() == differences.candidate_control.size() &&
                    values.size() == differences.control_baseline.size());
    Ruling ruling;
    ruling.clear_rounds = count_clear(differences, options.margin).count;
    ruling.control =
        stats::paired_effect(differences.control_baseline, 1 - options.alpha, options.seed);
    const auto effect = stats::paired_effect(values, 1 - options.alpha, options.seed);
    ruling.has_interval = effect.has_value();
    if (effect) {
        ruling.effect = *effect;
    } else {
        ruling.effect.estimate = stats::hodges_lehmann_estimate(values);
        ruling.reason = fmt::format("{} rounds; an interval needs at least 6", values.size());
        return ruling;
    }

    auto missing = missing_condition(differences, options, options.margin);
    if (missing.empty()) {
        ruling.change = count_clear(differences, options.margin).direction;
        ruling.reason =
            fmt::format("beyond the margin against both copies of the baseline in {} of {} rounds",
                        ruling.clear_rounds, values.size());
        return ruling;
    }
    const auto narrow = stats::paired_effect(values, 1 - 2 * options.alpha, options.seed);
    if (narrow && -options.margin < narrow->interval.low &&
        narrow->interval.high < options.margin) {
        // "Changed" is a claim too, so it takes the same evidence, only without a margin.
        const bool changed = find_difference(differences, options, 0) != Change::inconclusive;
        ruling.change = changed ? Change::changed_within_margin : Change::equivalent;
        ruling.reason = changed ? "different from both copies of the baseline, within the margin"
                                : "within the margin";
        return ruling;
    }
    ruling.reason = beyond(effect, options.margin)
                        ? std::move(missing)
                        : std::string("the interval reaches across the margin");
    ruling.rounds_needed = more_rounds(differences, effect->estimate, options);
    return ruling;
}

}  // namespace crucible::lab
