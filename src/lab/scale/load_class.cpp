#include "lab/scale/load_class.h"

#include <algorithm>
#include <vector>

#include "base/assert.h"

namespace crucible::lab::scale {
namespace {

/// Seconds of trials by length and loss.
struct DurationSums {
    double full_low = 0;
    double full_high = 0;
    double short_low = 0;
    double short_high = 0;
};

DurationSums duration_sums(std::span<const TrialAtLoad> trials, const LoadGoal& goal) {
    CRUCIBLE_ASSERT(goal.final_trial_duration > 0 && goal.duration_sum > 0);
    CRUCIBLE_ASSERT(goal.loss_ratio >= 0 && goal.loss_ratio < 1);
    CRUCIBLE_ASSERT(goal.exceed_ratio >= 0 && goal.exceed_ratio < 1);
    DurationSums sums;
    for (const auto& trial : trials) {
        CRUCIBLE_ASSERT(trial.duration > 0 && trial.loss_ratio >= 0 && trial.loss_ratio <= 1);
        const bool high = trial.loss_ratio > goal.loss_ratio;
        if (trial.duration >= goal.final_trial_duration) {
            (high ? sums.full_high : sums.full_low) += trial.duration;
        } else {
            (high ? sums.short_high : sums.short_low) += trial.duration;
        }
    }
    return sums;
}

}  // namespace

std::string_view to_string(LoadClass load_class) noexcept {
    switch (load_class) {
        case LoadClass::undecided:
            return "undecided";
        case LoadClass::lower_bound:
            return "lower_bound";
        case LoadClass::upper_bound:
            return "upper_bound";
    }
    return "undecided";
}

LoadClass classify_load(std::span<const TrialAtLoad> trials, const LoadGoal& goal) {
    const auto sums = duration_sums(trials, goal);
    const double made_up = sums.short_low * goal.exceed_ratio / (1 - goal.exceed_ratio);
    const double high = sums.full_high + std::max(0.0, sums.short_high - made_up);
    const double whole = std::max(sums.full_low + high, goal.duration_sum);
    const double allowed = whole * goal.exceed_ratio;
    // What is missing of the whole counts as high loss for one side, as low loss for the other.
    if (whole - sums.full_low <= allowed) return LoadClass::lower_bound;
    return high > allowed ? LoadClass::upper_bound : LoadClass::undecided;
}

std::optional<double> conditional_throughput(double load, std::span<const TrialAtLoad> trials,
                                             const LoadGoal& goal) {
    const auto sums = duration_sums(trials, goal);
    std::vector<TrialAtLoad> full;
    for (const auto& trial : trials) {
        if (trial.duration >= goal.final_trial_duration) full.push_back(trial);
    }
    if (full.empty()) return std::nullopt;
    std::ranges::sort(full, {}, &TrialAtLoad::loss_ratio);
    const double whole = std::max(goal.duration_sum, sums.full_low + sums.full_high);
    double remaining = whole * (1 - goal.exceed_ratio);
    double loss = full.front().loss_ratio;
    for (const auto& trial : full) {
        if (remaining <= 0) break;
        loss = trial.loss_ratio;
        remaining -= trial.duration;
    }
    return load * (1 - (remaining > 0 ? 1 : loss));
}

}  // namespace crucible::lab::scale
