#pragma once

#include <map>
#include <optional>
#include <vector>

#include "lab/scale/knee_posterior.h"
#include "lab/scale/search.h"

namespace crucible::lab::scale {

/// Where a search stands. Split from search.h, whose users need none of it.
class BreakingPointSearch::Course {
public:
    explicit Course(const SearchOptions& options);

    const std::optional<Probe>& probe() const noexcept { return probe_; }
    void add(double load, const Outcome& outcome);
    BreakingPoint result() const;

private:
    struct Trial {
        Stage stage;
        double load;     ///< asked for: trials of one load are classified together
        double offered;  ///< what the posterior learns from
        bool long_trial;
        Outcome outcome;
    };
    /// The way there: a search goes through them in this order, and from `soaking` back to
    /// `refining` when the soak fails.
    enum class Phase : std::uint8_t { ramping, refining, confirming, soaking, descending, over };

    void advance();
    std::optional<Probe> plan();
    std::optional<Probe> plan_ramp();
    bool needs_more_at(double highest) const;
    std::optional<Probe> plan_refine();
    std::optional<Probe> plan_confirm();
    std::optional<Probe> plan_soak();
    std::optional<Probe> plan_descent();

    void accept_invalid(const Outcome& outcome);
    void judge_soak();
    void start_posterior();
    KneePosterior posterior_over(double low, double high) const;
    void learn(const KneeEvidence& trial);
    void widen_where_it_leans();

    /// Of the trials that count at the present: all, or long and broken ones once reopened.
    bool counts(const Trial& trial) const;
    /// `caution`: times the goal's duration sum.
    LoadClass class_at(double load, double caution = 1) const;
    static TrialAtLoad at_load(const Outcome& outcome);
    TrialAtLoad classified(const Trial& trial) const;
    LoadClass descent_class_at(double load) const;
    std::map<double, LoadClass> classes() const;
    struct Bounds {
        std::optional<double> lower;
        std::optional<double> upper;
    };
    Bounds bounds() const;
    std::optional<double> throughput_at(double load) const;
    std::optional<std::size_t> broke_first(const Bounds& bounds) const;
    Ending ending() const;
    std::optional<Hysteresis> hysteresis() const;

    /// The first load of the way down, and how many trials at `load` do not count.
    double first_descent(const Bounds& bounds) const;
    std::uint32_t recovery_at(double load, const Bounds& bounds) const;
    bool recovers_in_time(double load, const Bounds& bounds) const;
    double overload_of(const Bounds& bounds) const;
    double round_down(double load) const;
    double round_up(double load) const;
    double usable_highest() const;
    bool is_narrow() const;
    std::uint32_t trials_left() const;
    std::uint32_t trials_to_confirm() const;
    Probe ordinary(Stage stage, double load) const;

    SearchOptions options_;
    Phase phase_ = Phase::ramping;
    std::optional<Probe> probe_;
    std::vector<Trial> trials_;  ///< valid ones
    std::uint32_t invalid_ = 0;
    std::uint32_t invalid_in_row_ = 0;
    Validity invalidity_ = Validity::valid;
    std::optional<double> ceiling_;  ///< loads from here up the injector does not carry
    std::optional<Ending> cut_short_;

    std::optional<KneePosterior> posterior_;
    double knee_low_ = 0;  ///< ends of the posterior's grid
    double knee_high_ = 0;
    double ramp_load_ = 0;
    std::optional<double> confirmed_low_;  ///< load that is being confirmed
    std::optional<double> confirmed_high_;

    std::uint32_t soaks_ = 0;
    std::optional<bool> soak_passed_;
    std::optional<double> soak_load_;
    bool soak_invalid_ = false;
    std::uint32_t reopened_ = 0;
    std::size_t reopened_at_ = 0;   ///< trials before the search was reopened the last time
    std::vector<double> descents_;  ///< loads of the way down, once it began
    bool overloaded_ = false;
    NoOverload no_overload_ = NoOverload::none;
    bool descent_died_ = false;
    bool descent_invalid_ = false;
};

}  // namespace crucible::lab::scale
