// The way down of a search: an overload, and what the system holds after it.
#include <algorithm>
#include <cmath>

#include "lab/scale/search_course.h"

namespace crucible::lab::scale {
namespace {

/// Relative: what is equal but for rounding.
constexpr double kRounding = 1e-9;

}  // namespace

LoadClass BreakingPointSearch::Course::descent_class_at(double load) const {
    std::vector<TrialAtLoad> there;
    for (const auto& trial : trials_) {
        if (trial.load == load && trial.stage == Stage::descend) {
            there.push_back(at_load(trial.outcome));
        }
    }
    return classify_load(there, options_.goal);
}

double BreakingPointSearch::Course::overload_of(const Bounds& bounds) const {
    return std::min(round_up(*bounds.upper * options_.overload_factor), usable_highest());
}

double BreakingPointSearch::Course::first_descent(const Bounds& bounds) const {
    // Not the lower bound itself, where by its nature some trials break.
    const double usual = options_.soak_share * *bounds.lower;
    const double backlog = overload_of(bounds) - *bounds.lower;
    return round_down(std::min(usual, *bounds.lower - backlog / options_.recovery_max));
}

/// What a trial's length of overload leaves, overload - lower at most, goes at lower - load at
/// least. One more, as the lower bound is known no better than to a percent or two.
std::uint32_t BreakingPointSearch::Course::recovery_at(double load, const Bounds& bounds) const {
    const double spare = *bounds.lower - load;
    const double backlog = overload_of(bounds) - *bounds.lower;
    // recovers_in_time(): no more than that but for rounding.
    if (!(spare * options_.recovery_max > backlog)) return options_.recovery_max + 1;
    return static_cast<std::uint32_t>(std::ceil(backlog / spare)) + 1;
}

bool BreakingPointSearch::Course::recovers_in_time(double load, const Bounds& bounds) const {
    const double spare = *bounds.lower - load;
    const double backlog = overload_of(bounds) - *bounds.lower;
    return spare * options_.recovery_max >= backlog * (1 - kRounding);
}

std::optional<Probe> BreakingPointSearch::Course::plan_descent() {
    const auto known = bounds();
    const bool wanted = options_.descends && known.lower && known.upper && !descent_died_ &&
                        !descent_invalid_ && no_overload_ == NoOverload::none;
    if (!wanted) {
        phase_ = Phase::over;
        return std::nullopt;
    }
    const double first = first_descent(known);
    if (!overloaded_) {
        const double load = overload_of(known);
        if (load <= *known.upper) {
            no_overload_ = ceiling_ ? NoOverload::invalid : NoOverload::range_ends;
            return std::nullopt;
        }
        // It was to be lower than the range's lowest: there any queue would look hysteretic.
        if (!recovers_in_time(first, known)) {
            no_overload_ = NoOverload::range_begins;
            return std::nullopt;
        }
        return Probe{.stage = Stage::overload,
                     .load = load,
                     .then = first,
                     .recovery = recovery_at(first, known)};
    }
    const auto descend = [&](double load) {
        return Probe{.stage = Stage::descend,
                     .load = load,
                     .continues = true,
                     .recovery = recovery_at(load, known)};
    };
    if (descents_.empty()) descents_.push_back(first);
    switch (descent_class_at(descents_.back())) {
        case LoadClass::undecided:
            return descend(descents_.back());
        case LoadClass::lower_bound:
            break;
        case LoadClass::upper_bound: {
            const double lower = round_down(descents_.back() / std::sqrt(options_.ramp_factor));
            if (descents_.size() < options_.descents_max && lower < descents_.back()) {
                descents_.push_back(lower);
                return descend(lower);
            }
            break;
        }
    }
    phase_ = Phase::over;
    return std::nullopt;
}

std::optional<Hysteresis> BreakingPointSearch::Course::hysteresis() const {
    if (descents_.empty()) return std::nullopt;
    const auto first = descent_class_at(descents_.front());
    if (first == LoadClass::undecided) return std::nullopt;
    Hysteresis result{.present = first == LoadClass::upper_bound};
    for (const double load : descents_) {
        const auto load_class = descent_class_at(load);
        if (load_class == LoadClass::lower_bound) result.recovers_at = load;
        if (load_class == LoadClass::upper_bound) result.broken_down_to = load;
    }
    return result;
}

}  // namespace crucible::lab::scale
