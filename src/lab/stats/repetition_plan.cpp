#include "lab/stats/repetition_plan.h"

#include <algorithm>
#include <cmath>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {
namespace {

double mean_of(std::span<const double> values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
}

double variance_of(std::span<const double> values) {
    require_finite(values);
    CRUCIBLE_ASSERT(values.size() >= 2);
    const double mean = mean_of(values);
    double squares = 0;
    for (const double value : values) squares += (value - mean) * (value - mean);
    return squares / (static_cast<double>(values.size()) - 1);
}

}  // namespace

std::vector<double> level_variances(std::span<const std::vector<std::vector<double>>> rounds) {
    CRUCIBLE_ASSERT(rounds.size() >= 2 && rounds.front().size() >= 2);
    const std::size_t trials = rounds.front().size();
    const std::size_t values = rounds.front().front().size();
    std::vector<double> within_trials;
    std::vector<double> between_trials;
    std::vector<double> round_means;
    for (const auto& round : rounds) {
        CRUCIBLE_ASSERT(round.size() == trials);
        std::vector<double> trial_means;
        for (const auto& trial : round) {
            CRUCIBLE_ASSERT(trial.size() == values);
            within_trials.push_back(variance_of(trial));
            trial_means.push_back(mean_of(trial));
        }
        between_trials.push_back(variance_of(trial_means));
        round_means.push_back(mean_of(trial_means));
    }
    const double s1 = mean_of(within_trials);
    const double s2 = mean_of(between_trials);
    const double s3 = variance_of(round_means);
    return {s1, std::max(0.0, s2 - s1 / static_cast<double>(values)),
            std::max(0.0, s3 - s2 / static_cast<double>(trials))};
}

std::vector<std::uint32_t> best_repetitions(std::span<const RepetitionLevel> levels,
                                            std::uint32_t limit) {
    CRUCIBLE_ASSERT(levels.size() >= 2 && limit >= 1);
    std::vector<std::uint32_t> repetitions;
    for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
        const auto& inner = levels[i];
        const auto& outer = levels[i + 1];
        CRUCIBLE_ASSERT(inner.cost > 0 && outer.cost > 0 && inner.variance >= 0);
        const double best =
            std::ceil(std::sqrt(outer.cost / inner.cost * (inner.variance / outer.variance)));
        // 0/0: neither level varies, once is enough.
        repetitions.push_back(inner.variance == 0 ? 1
                                                  : static_cast<std::uint32_t>(std::clamp(
                                                        best, 1.0, static_cast<double>(limit))));
    }
    return repetitions;
}

}  // namespace crucible::lab::stats
