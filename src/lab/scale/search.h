#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "lab/scale/load_class.h"
#include "lab/stats/interval.h"

namespace crucible::lab::scale {

// Where a system breaks: the load of which half of the trials would keep every objective. It asks
// for trials one at a time and is told how they ended; it runs nothing itself.
//
//     auto search = BreakingPointSearch::create(options);
//     while (const auto probe = search->next()) search->add(probe->load, run(*probe));
//     const auto point = search->result();
//
// docs/design/scalability.md has the method and what it achieves.

enum class Stage : std::uint8_t {
    ramp,      ///< load times ramp_factor until one is an upper bound
    refine,    ///< where the posterior expects to learn most of the breaking point
    confirm,   ///< both ends of the interval, until both are classified
    overload,  ///< above the upper bound, before the way down
    recover,   ///< right after the overload, while its backlog may still be worked off
    descend,   ///< from soak_share of the lower bound downwards, after that and without a rest
    soak,      ///< soak_share of the lower bound, for long
};
std::string_view to_string(Stage stage) noexcept;

/// One trial to run.
struct Probe {
    Stage stage = Stage::ramp;
    double load = 0;
    bool long_trial = false;  ///< as long as a soak instead of an ordinary trial
    /// The system is to be as the trial before left it. Otherwise a trial starts from rest.
    bool continues = false;
    double then = 0;  ///< of an overload: the load that continues it
    /// Of an overload and of what continues one: so many trials at the load that continues it come
    /// before the first that counts, all without a rest. A system that works off no more than the
    /// lower bound is done with the backlog of an overload of one trial by then.
    std::uint32_t recovery = 0;
};

enum class Validity : std::uint8_t {
    valid,
    injector_late,     ///< the injector did not keep its schedule
    offered_mismatch,  ///< another load was offered than planned
    unsteady,          ///< no steady state, though no objective was broken either
    not_judged,        ///< no value of what an objective limits
    client_failed,     ///< a load generator died or hung
    not_started,       ///< there was no system at this load
};
std::string_view to_string(Validity validity) noexcept;

/// How a trial ended.
struct Outcome {
    Validity validity = Validity::valid;
    double duration = 1;  ///< seconds that it counts for: a goal's full length is met or not
    /// The objectives broken, as indices into the caller's list; none: the load was held. A target
    /// that died and a backlog that grows without an end are broken objectives too.
    std::vector<std::size_t> broken;
    double loss_ratio = 0;  ///< share of what was offered that was not completed, in [0, 1]
    /// Events/s done, where the load is not events/s itself.
    std::optional<double> throughput = std::nullopt;
    /// Of an overload, and of what was to continue one: the system died of the overload, and there
    /// is no way down.
    bool died_of_overload = false;
    /// Of what was to continue an overload: the system had to be overloaded again, and held that.
    bool overload_held = false;
};

struct SearchOptions {
    double lowest = 1;           ///< > 0; the first load
    double highest = 1e6;        ///< > lowest; never exceeded
    bool whole_numbers = false;  ///< loads are clients, workers, bytes: counted
    double ramp_factor = 2;      ///< in (1, 10]
    /// Half the interval's width, relative, in [0.001, 0.5]; of whole numbers one step is enough.
    double precision = 0.025;
    double level = 0.95;                   ///< of the interval
    std::uint32_t trials_max = 40;         ///< valid trials of ramp, refine and confirm; >= 10
    std::uint32_t invalid_in_row_max = 3;  ///< at one load; then the search ends
    /// Of a load in ramp, confirm and descend. Seconds of ordinary trials; a long one counts for
    /// final_trial_duration, however long it was.
    LoadGoal goal{
        .final_trial_duration = 1, .duration_sum = 3, .loss_ratio = 0, .exceed_ratio = 0.5};
    bool descends = true;          ///< look for hysteresis
    double overload_factor = 1.2;  ///< times the upper bound, before the way down; > 1
    /// Trials after an overload that do not count. Where bounds are so far apart that its backlog
    /// may take longer, the way down begins as much lower, and where the range has no such load
    /// there is none.
    std::uint32_t recovery_max = 20;
    std::uint32_t descents_max = 4;  ///< loads on the way down, each lower by ramp_factor's root
    bool soaks = true;
    double soak_share = 0.95;         ///< of the lower bound, in (0, 1]; not below the lowest load
    std::uint32_t soaks_max = 2;      ///< soaks; each but the last reopens the search if it fails
    std::uint32_t reopened_max = 16;  ///< valid long trials of a search that was reopened
};

enum class Ending : std::uint8_t {
    running,           ///< next() still asks for a trial
    found,             ///< the interval is as narrow as asked for
    trials_spent,      ///< it is not; the interval holds nevertheless
    soak_failed,       ///< the last soak broke: what held for a trial is not held each time
    above_highest,     ///< the highest load was held: the breaking point lies beyond it
    below_lowest,      ///< the lowest load broke: there was nothing to search
    injector_limited,  ///< trials were invalid time and again: the limit found is the injector's
};
std::string_view to_string(Ending ending) noexcept;

/// Why the way down had no overload to begin with.
enum class NoOverload : std::uint8_t {
    none,          ///< there was one, or nobody looked
    range_ends,    ///< the upper bound is the highest load there is
    range_begins,  ///< no load is low enough for its backlog to be gone after recovery_max trials
    invalid,       ///< trials above the upper bound were invalid time and again
    held,          ///< the load that was to be one was held, the first time or a later one
};

/// What the way down showed.
struct Hysteresis {
    /// soak_share of the lower bound was broken after an overload, when its backlog could have been
    /// worked off.
    bool present = false;
    /// Highest load that was held on the way down; none: not one that was tried.
    std::optional<double> recovers_at;
    std::optional<double> broken_down_to;  ///< lowest load that was broken on the way down
};

struct BreakingPoint {
    Ending ending = Ending::running;
    /// RFC 9971's relevant bounds: the highest load classified lower_bound below every upper_bound;
    /// the lowest upper_bound.
    std::optional<double> lower_bound;
    std::optional<double> upper_bound;
    /// Posterior median and central interval of the breaking point, whose ends are whole numbers
    /// where loads are. None while the ramp has found no upper bound.
    std::optional<stats::LocationEstimate> estimate;
    /// At the lower bound, events/s.
    std::optional<double> conditional_throughput;
    /// Which of the caller's objectives broke first as load rose: the one broken most often around
    /// the breaking point. None if nothing broke.
    std::optional<std::size_t> broke_first;
    double spread = 0;          ///< posterior mean of how much the breaking point varies, relative
    double spurious_share = 0;  ///< posterior mean of trials that end by chance instead of by load
    std::uint32_t trials = 0;   ///< valid ones of ramp, refine and confirm
    std::uint32_t invalid_trials = 0;
    std::uint32_t other_trials = 0;  ///< valid ones of overload, descend and soak, and reopened
    Validity invalidity = Validity::valid;  ///< with injector_limited: why
    std::optional<double> invalid_load;     ///< from where up trials were invalid time and again
    /// None: nobody looked, no_overload, descent_died or descent_invalid.
    std::optional<Hysteresis> hysteresis;
    NoOverload no_overload = NoOverload::none;
    bool descent_died = false;        ///< the way down ended there: the system died of the overload
    bool descent_invalid = false;     ///< its trials were invalid time and again
    std::optional<bool> soak_passed;  ///< the last one; none: no soak of these bounds
    std::optional<double> soak_load;  ///< its load
    bool soak_invalid = false;        ///< the last soak was invalid time and again
    std::uint32_t reopened = 0;       ///< how often a soak reopened the search
};

/// Not thread-safe. Deterministic: the same outcomes give the same probes.
class BreakingPointSearch {
public:
    /// Errc::invalid_argument: an option out of its range, a range of loads without two loads.
    static Result<BreakingPointSearch> create(const SearchOptions& options);
    BreakingPointSearch(BreakingPointSearch&&) noexcept;
    BreakingPointSearch& operator=(BreakingPointSearch&&) noexcept;
    ~BreakingPointSearch();

    /// The next trial; the same one until its outcome is added. nullopt: it has ended, see
    /// result().ending.
    std::optional<Probe> next() const;

    /// The outcome of the trial that next() asked for. `load` is what was in fact offered: the same
    /// up to rounding, or else the trial is an offered_mismatch.
    void add(double load, const Outcome& outcome);

    /// What is known so far; final once next() is nullopt.
    BreakingPoint result() const;

private:
    class Course;
    explicit BreakingPointSearch(std::unique_ptr<Course> course);
    std::unique_ptr<Course> course_;
};

}  // namespace crucible::lab::scale
