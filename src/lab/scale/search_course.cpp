#include "lab/scale/search_course.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"

namespace crucible::lab::scale {
namespace {

/// The posterior's steps, as a share of the precision asked for.
constexpr double kStepShare = 0.25;
/// So much probability at an end of the grid says that it goes on beyond.
constexpr double kEdgeShareMax = 0.005;
/// Times the goal's duration sum, before the lowest load is said to break.
constexpr double kLowestCaution = 2;
/// Trials at the highest load, before it is said to hold.
constexpr std::ptrdiff_t kHighestTrialsMax = 8;
constexpr std::size_t kCandidatesMax = 48;
/// Probability left out on each side of the loads that are worth a trial.
constexpr double kCandidateTail = 0.002;

/// An ordinary trial of the search proper, which trials_max limits.
bool is_search(Stage stage) {
    return stage == Stage::ramp || stage == Stage::refine || stage == Stage::confirm;
}

}  // namespace

BreakingPointSearch::Course::Course(const SearchOptions& options) : options_(options) {
    ramp_load_ = round_up(options_.lowest);
    advance();
}

double BreakingPointSearch::Course::round_down(double load) const {
    const double inside = std::clamp(load, options_.lowest, options_.highest);
    if (!options_.whole_numbers) return inside;
    return std::max(std::floor(inside), std::ceil(options_.lowest));
}

double BreakingPointSearch::Course::round_up(double load) const {
    const double inside = std::clamp(load, options_.lowest, options_.highest);
    if (!options_.whole_numbers) return inside;
    return std::min(std::ceil(inside), std::floor(options_.highest));
}

double BreakingPointSearch::Course::usable_highest() const {
    const double highest = round_down(options_.highest);
    if (!ceiling_ || *ceiling_ > highest) return highest;
    // Of trials that were valid; below the ceiling there is one, or the search is over.
    double best = round_up(options_.lowest);
    for (const auto& trial : trials_) {
        if (trial.load < *ceiling_) best = std::max(best, trial.load);
    }
    return best;
}

Probe BreakingPointSearch::Course::ordinary(Stage stage, double load) const {
    return {.stage = stage, .load = load, .long_trial = reopened_ > 0};
}

bool BreakingPointSearch::Course::counts(const Trial& trial) const {
    if (trial.stage == Stage::overload || trial.stage == Stage::descend) return false;
    // A soak that failed says that trials were too short to show what breaks here: what they held
    // proves nothing any more, what they broke still does.
    return reopened_ == 0 || trial.long_trial || !trial.outcome.broken.empty();
}

TrialAtLoad BreakingPointSearch::Course::at_load(const Outcome& outcome) {
    return {.duration = outcome.duration, .loss_ratio = outcome.broken.empty() ? 0.0 : 1.0};
}

/// A long trial counts like any other: by its length alone one that broke by chance would make an
/// upper bound. Once reopened a short one that broke does so, too: it would have in a long one.
TrialAtLoad BreakingPointSearch::Course::classified(const Trial& trial) const {
    auto at = at_load(trial.outcome);
    if (reopened_ > 0 || trial.long_trial) at.duration = options_.goal.final_trial_duration;
    return at;
}

LoadClass BreakingPointSearch::Course::class_at(double load, double caution) const {
    std::vector<TrialAtLoad> there;
    for (const auto& trial : trials_) {
        if (trial.load == load && counts(trial)) there.push_back(classified(trial));
    }
    auto goal = options_.goal;
    goal.duration_sum *= caution;
    return classify_load(there, goal);
}

std::map<double, LoadClass> BreakingPointSearch::Course::classes() const {
    std::map<double, LoadClass> result;
    for (const auto& trial : trials_) {
        if (counts(trial) && !result.contains(trial.load)) {
            result.emplace(trial.load, class_at(trial.load));
        }
    }
    return result;
}

BreakingPointSearch::Course::Bounds BreakingPointSearch::Course::bounds() const {
    Bounds bounds;
    for (const auto& [load, load_class] : classes()) {
        if (load_class == LoadClass::upper_bound) {
            bounds.upper = load;
            break;
        }
        if (load_class == LoadClass::lower_bound) bounds.lower = load;
    }
    return bounds;
}

std::uint32_t BreakingPointSearch::Course::trials_left() const {
    std::uint32_t used = 0;
    for (std::size_t i = reopened_at_; i < trials_.size(); ++i) {
        used += is_search(trials_[i].stage) ? 1 : 0;
    }
    const std::uint32_t allowed = reopened_ > 0 ? options_.reopened_max : options_.trials_max;
    return used < allowed ? allowed - used : 0;
}

std::uint32_t BreakingPointSearch::Course::trials_to_confirm() const {
    if (reopened_ > 0) return 4;  // two that agree at each end
    const auto each = static_cast<std::uint32_t>(
        std::ceil(options_.goal.duration_sum / options_.goal.final_trial_duration));
    return 2 * std::min(each, options_.trials_max / 8);
}

bool BreakingPointSearch::Course::is_narrow() const {
    const auto interval = posterior_->interval(options_.level);
    if (std::sqrt(interval.high / interval.low) - 1 <= options_.precision) return true;
    // No wider than a step. Where half of the trials at a whole number break, both of its
    // neighbours are as far away as trials can tell.
    return options_.whole_numbers && interval.high - interval.low <= 1;
}

void BreakingPointSearch::Course::add(double load, const Outcome& outcome) {
    CRUCIBLE_ASSERT(probe_ && load > 0 && std::isfinite(load) && outcome.duration > 0);
    CRUCIBLE_ASSERT(outcome.loss_ratio >= 0 && outcome.loss_ratio <= 1);
    if (outcome.validity != Validity::valid) {
        accept_invalid(outcome);
        advance();
        return;
    }
    invalid_in_row_ = 0;
    if (outcome.died_of_overload) descent_died_ = true;
    if (outcome.overload_held) no_overload_ = NoOverload::held;
    if ((outcome.died_of_overload || outcome.overload_held) && probe_->stage == Stage::descend) {
        advance();  // it was not tried
        return;
    }
    trials_.push_back({probe_->stage, probe_->load, load, probe_->long_trial, outcome});
    switch (probe_->stage) {
        case Stage::ramp:
            ramp_load_ = probe_->load;
            break;
        case Stage::refine:
        case Stage::confirm:
            learn({load, !outcome.broken.empty()});
            break;
        case Stage::soak:
            judge_soak();
            break;
        case Stage::overload:
            overloaded_ = true;
            if (outcome.broken.empty()) no_overload_ = NoOverload::held;
            break;
        case Stage::recover:
        case Stage::descend:
            break;
    }
    advance();
}

void BreakingPointSearch::Course::accept_invalid(const Outcome& outcome) {
    ++invalid_;
    if (++invalid_in_row_ < options_.invalid_in_row_max) return;
    invalid_in_row_ = 0;
    if (probe_->stage == Stage::soak) {
        soak_invalid_ = true;
        phase_ = Phase::descending;
        return;
    }
    if (probe_->stage == Stage::overload || probe_->stage == Stage::descend) {
        descent_invalid_ = true;
        return;
    }
    invalidity_ = outcome.validity;
    ceiling_ = std::min(ceiling_.value_or(probe_->load), probe_->load);
    const bool any_below =
        std::ranges::any_of(trials_, [this](const Trial& trial) { return trial.load < *ceiling_; });
    if (!any_below) cut_short_ = Ending::injector_limited;
}

void BreakingPointSearch::Course::judge_soak() {
    ++soaks_;
    const auto& soak = trials_.back();
    soak_passed_ = soak.outcome.broken.empty();
    soak_load_ = soak.load;
    if (*soak_passed_ || soaks_ >= options_.soaks_max) {
        learn({soak.offered, !*soak_passed_});
        phase_ = Phase::descending;
        return;
    }
    soak_passed_.reset();
    soak_load_.reset();
    ++reopened_;
    reopened_at_ = trials_.size();
    phase_ = Phase::refining;
    start_posterior();
}

/// Of everything that counts so far, over the loads that it leaves open.
void BreakingPointSearch::Course::start_posterior() {
    confirmed_low_.reset();
    confirmed_high_.reset();
    double held = options_.lowest / options_.ramp_factor;
    double broken = bounds().upper.value_or(0);
    if (reopened_ == 0) {
        for (const auto& trial : trials_) {
            if (trial.load < broken && trial.outcome.broken.empty()) {
                held = std::max(held, trial.load);
            }
        }
    }
    // What was an upper bound by a trial's length alone need not be one of a reopened search.
    if (broken <= 0) {
        for (const auto& trial : trials_)
            if (counts(trial) && !trial.outcome.broken.empty())
                broken = std::max(broken, trial.load);
    }
    CRUCIBLE_ASSERT(broken > 0);
    // A trial held by chance must not hide the breaking point: one step of the ramp further down.
    knee_low_ = std::max(held / options_.ramp_factor, options_.lowest / options_.ramp_factor);
    knee_high_ = broken * options_.ramp_factor;
    posterior_ = posterior_over(knee_low_, knee_high_);
    widen_where_it_leans();
}

KneePosterior BreakingPointSearch::Course::posterior_over(double low, double high) const {
    KneePosterior posterior(low, high, options_.precision * kStepShare);
    for (const auto& trial : trials_) {
        if (counts(trial)) posterior.add({trial.offered, !trial.outcome.broken.empty()});
    }
    return posterior;
}

void BreakingPointSearch::Course::learn(const KneeEvidence& trial) {
    posterior_->add(trial);
    widen_where_it_leans();
}

void BreakingPointSearch::Course::widen_where_it_leans() {
    const double lowest = options_.lowest / options_.ramp_factor;
    const double highest = options_.highest * options_.ramp_factor;
    for (;;) {
        const auto edges = posterior_->edge_shares();
        const bool lower = edges.low > kEdgeShareMax && knee_low_ > lowest;
        const bool higher = edges.high > kEdgeShareMax && knee_high_ < highest;
        if (!lower && !higher) return;
        if (lower) knee_low_ = std::max(lowest, knee_low_ / options_.ramp_factor);
        if (higher) knee_high_ = std::min(highest, knee_high_ * options_.ramp_factor);
        posterior_ = posterior_over(knee_low_, knee_high_);
    }
}

void BreakingPointSearch::Course::advance() {
    probe_.reset();
    while (!cut_short_ && phase_ != Phase::over && !probe_) probe_ = plan();
}

/// A trial of the present phase, or none after moving to the next one.
std::optional<Probe> BreakingPointSearch::Course::plan() {
    switch (phase_) {
        case Phase::ramping:
            return plan_ramp();
        case Phase::refining:
            return plan_refine();
        case Phase::confirming:
            return plan_confirm();
        case Phase::soaking:
            return plan_soak();
        case Phase::descending:
            return plan_descent();
        case Phase::over:
            break;
    }
    return std::nullopt;
}

std::optional<Probe> BreakingPointSearch::Course::plan_ramp() {
    if (trials_.empty()) return ordinary(Stage::ramp, ramp_load_);
    if (trials_left() == 0) {
        cut_short_ = Ending::trials_spent;
        return std::nullopt;
    }
    const double highest = usable_highest();
    ramp_load_ = std::min(ramp_load_, highest);
    const bool at_highest = ramp_load_ >= highest;
    const auto here = class_at(ramp_load_);
    if (here == LoadClass::upper_bound) {
        if (ramp_load_ <= round_up(options_.lowest)) {
            // It ends the search: two trials broken by chance, once in some hundred searches, are
            // not enough.
            if (class_at(ramp_load_, kLowestCaution) != LoadClass::upper_bound) {
                return ordinary(Stage::ramp, ramp_load_);
            }
            cut_short_ = Ending::below_lowest;
            return std::nullopt;
        }
        start_posterior();
        phase_ = Phase::refining;
        return std::nullopt;
    }
    if (at_highest && here == LoadClass::lower_bound) {
        if (!ceiling_ && needs_more_at(highest)) return ordinary(Stage::ramp, highest);
        cut_short_ = ceiling_ ? Ending::injector_limited : Ending::above_highest;
        return std::nullopt;
    }
    // On the way up one trial that holds is enough, a broken one is repeated: most loads hold.
    const auto last = std::ranges::find(trials_.rbegin(), trials_.rend(), ramp_load_, &Trial::load);
    const bool holds = here == LoadClass::lower_bound ||
                       (last != trials_.rend() && last->outcome.broken.empty() &&
                        std::ranges::count(trials_, ramp_load_, &Trial::load) == 1);
    if (!holds || at_highest) return ordinary(Stage::ramp, ramp_load_);
    const double next = std::min(round_up(ramp_load_ * options_.ramp_factor), highest);
    return ordinary(Stage::ramp, next);
}

/// Whether trials at the highest load, most of which held, leave it open that it breaks: a majority
/// of three is often one by chance where the breaking point lies a little below. The last trial of
/// all is not for that: the search would end as spent, and not with what the majority says.
bool BreakingPointSearch::Course::needs_more_at(double highest) const {
    if (trials_left() < 2 ||
        std::ranges::count(trials_, highest, &Trial::load) >= kHighestTrialsMax)
        return false;
    const auto all = posterior_over(options_.lowest / options_.ramp_factor,
                                    options_.highest * options_.ramp_factor);
    return all.interval(options_.level).low < highest;
}

std::optional<Probe> BreakingPointSearch::Course::plan_refine() {
    const auto left = trials_left();
    const std::uint32_t reserve = confirmed_low_ && confirmed_high_ ? 0 : trials_to_confirm();
    if (is_narrow() || left <= reserve) {
        phase_ = Phase::confirming;
        return std::nullopt;
    }
    const double highest = usable_highest();
    const double spread = posterior_->mean_spread();
    const double from = round_down(posterior_->quantile(kCandidateTail) * (1 - spread));
    const double to =
        std::min(round_up(posterior_->quantile(1 - kCandidateTail) * (1 + spread)), highest);
    if (!(to > from)) return ordinary(Stage::refine, to);
    std::vector<double> candidates;
    const double ratio = std::max(std::log1p(options_.precision * kStepShare),
                                  std::log(to / from) / static_cast<double>(kCandidatesMax - 1));
    const auto count = static_cast<std::size_t>(std::ceil(std::log(to / from) / ratio));
    for (std::size_t i = 0; i <= count; ++i) {
        const double load = std::min(from * std::exp(ratio * static_cast<double>(i)), to);
        const double candidate = options_.whole_numbers ? std::round(load) : load;
        if (candidates.empty() || candidate > candidates.back()) candidates.push_back(candidate);
    }
    const auto information = posterior_->expected_information(candidates);
    const auto best = std::ranges::max_element(information) - information.begin();
    return ordinary(Stage::refine, candidates[static_cast<std::size_t>(best)]);
}

std::optional<Probe> BreakingPointSearch::Course::plan_confirm() {
    if (trials_left() == 0) {
        phase_ = Phase::soaking;
        return std::nullopt;
    }
    const auto interval = posterior_->interval(options_.level);
    // The end itself at first; then a step beyond the load that turned out to be no such bound.
    if (!confirmed_low_) confirmed_low_ = round_down(interval.low);
    switch (class_at(*confirmed_low_)) {
        case LoadClass::undecided:
            // Trials there are not valid time and again: the next load below that had a valid one.
            if (ceiling_ && *confirmed_low_ >= *ceiling_) {
                confirmed_low_ = usable_highest();
                return std::nullopt;
            }
            return ordinary(Stage::confirm, *confirmed_low_);
        case LoadClass::upper_bound:
            if (*confirmed_low_ > round_up(options_.lowest)) {
                const double lower = *confirmed_low_ / (1 + options_.precision);
                confirmed_low_ = round_down(std::min(lower, interval.low));
                return std::nullopt;
            }
            break;
        case LoadClass::lower_bound:
            break;
    }
    if (!confirmed_high_) {
        confirmed_high_ = round_up(interval.high);
        if (options_.whole_numbers && *confirmed_high_ <= *confirmed_low_) ++*confirmed_high_;
    }
    const double highest = usable_highest();
    confirmed_high_ = std::min(*confirmed_high_, highest);
    switch (class_at(*confirmed_high_)) {
        case LoadClass::undecided:
            return ordinary(Stage::confirm, *confirmed_high_);
        case LoadClass::lower_bound:
            if (*confirmed_high_ < highest) {
                const double higher = *confirmed_high_ * (1 + options_.precision);
                confirmed_high_ = std::min(round_up(std::max(higher, interval.high)), highest);
                return std::nullopt;
            }
            break;
        case LoadClass::upper_bound:
            break;
    }
    // What confirmed the bounds may have widened the interval again.
    phase_ = is_narrow() ? Phase::soaking : Phase::refining;
    return std::nullopt;
}

std::optional<Probe> BreakingPointSearch::Course::plan_soak() {
    const auto known = bounds();
    if (!options_.soaks || !known.lower || soaks_ >= options_.soaks_max) {
        phase_ = Phase::descending;
        return std::nullopt;
    }
    return Probe{.stage = Stage::soak,
                 .load = round_down(options_.soak_share * *known.lower),
                 .long_trial = true};
}

/// Conditional on what a trial offered: a load of events/s that load, and any other one the most
/// that was done at it.
std::optional<double> BreakingPointSearch::Course::throughput_at(double load) const {
    std::vector<const Outcome*> outcomes;
    double offered = 0;
    for (const auto& trial : trials_) {
        if (trial.load != load || !counts(trial)) continue;
        outcomes.push_back(&trial.outcome);
        offered = std::max(offered, trial.outcome.throughput.value_or(load));
    }
    if (!(offered > 0)) return std::nullopt;
    std::vector<TrialAtLoad> there;
    for (const auto* outcome : outcomes) {
        const double lost =
            outcome->throughput ? 1 - *outcome->throughput / offered : outcome->loss_ratio;
        there.push_back({.duration = outcome->duration, .loss_ratio = lost});
    }
    return conditional_throughput(offered, there, options_.goal);
}

std::optional<std::size_t> BreakingPointSearch::Course::broke_first(const Bounds& known) const {
    // Trials around the breaking point; far above it everything breaks.
    const double up_to = known.upper.value_or(options_.highest);
    std::map<std::size_t, std::size_t> counts_of;
    for (const auto& trial : trials_) {
        if (!counts(trial) || trial.load > up_to) continue;
        for (const std::size_t objective : trial.outcome.broken) ++counts_of[objective];
    }
    if (counts_of.empty()) return std::nullopt;
    // Of equally many the first in the caller's list.
    return std::ranges::max_element(counts_of, {}, [](const auto& entry) { return entry.second; })
        ->first;
}

Ending BreakingPointSearch::Course::ending() const {
    if (probe_) return Ending::running;
    if (cut_short_) return *cut_short_;
    if (soak_passed_ && !*soak_passed_) return Ending::soak_failed;
    if (is_narrow()) return Ending::found;
    return ceiling_ ? Ending::injector_limited : Ending::trials_spent;
}

BreakingPoint BreakingPointSearch::Course::result() const {
    BreakingPoint point;
    point.ending = ending();
    const auto known = bounds();
    point.lower_bound = known.lower;
    point.upper_bound = known.upper;
    if (posterior_) {
        point.estimate = stats::LocationEstimate{.estimate = posterior_->quantile(0.5),
                                                 .interval = posterior_->interval(options_.level),
                                                 .level = options_.level};
        // Between whole numbers only the model tells one place from another.
        if (options_.whole_numbers) {
            auto& interval = point.estimate->interval;
            interval = {std::floor(interval.low), std::ceil(interval.high)};
        }
        point.spread = posterior_->mean_spread();
        point.spurious_share = posterior_->mean_spurious_share();
    }
    if (known.lower) point.conditional_throughput = throughput_at(*known.lower);
    point.broke_first = broke_first(known);
    for (const auto& trial : trials_) {
        ++(is_search(trial.stage) && !trial.long_trial ? point.trials : point.other_trials);
    }
    point.invalid_trials = invalid_;
    if (point.ending == Ending::injector_limited) point.invalidity = invalidity_;
    point.invalid_load = ceiling_;
    point.hysteresis = hysteresis();
    point.no_overload = no_overload_;
    point.descent_died = descent_died_;
    point.descent_invalid = descent_invalid_;
    point.soak_passed = soak_passed_;
    point.soak_load = soak_load_;
    point.soak_invalid = soak_invalid_;
    point.reopened = reopened_;
    return point;
}

}  // namespace crucible::lab::scale
