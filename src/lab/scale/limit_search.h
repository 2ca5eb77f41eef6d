#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lab/scale/axis.h"
#include "lab/scale/scaling_trial.h"
#include "lab/scale/search.h"
#include "lab/scale/slo.h"

namespace crucible::lab::scale {

/// What was found out of one target's breaking point.
struct LimitFound {
    BreakingPoint point;
    /// What broke first as the load rose: the text of a limit or one of kBroken…; empty where
    /// nothing broke.
    std::string broken;
    std::string detail;  ///< the figures of the trial nearest above the limit that broke by it
    /// Why trials were not valid at the load from which they were so time and again, else why the
    /// search's last invalid one was; empty without one.
    std::string invalid;
    std::string why_not_over;       ///< with Ending::running, where whoever ran it says so
    std::string soak_absent;        ///< why a soak that was asked for said nothing
    std::string hysteresis_absent;  ///< why the way down did not, or ended too early
    /// Of the load at which it recovers after an overload, else of the first of the way down:
    /// seconds from the fall of the load to the first trial that counts.
    std::optional<double> recovery_allowed_seconds;
    /// At the load at which it recovers, seconds from the fall of the load to the first trial that
    /// was held, of several overloads the most; zero: that was the first trial.
    std::optional<double> recovery_seconds;
    /// The target died of a load, the lowest of which it was.
    std::optional<double> died_at;
    std::string death;
    /// Trials in the order in which they ran.
    struct Trial {
        Stage stage{};
        double load = 0;
        double seconds = 0;
        bool valid = true;
        std::string broken;
        std::optional<double> throughput;
        std::optional<double> latency_p99;
    };
    std::vector<Trial> trials;
};

/// Runs loads one after the other on the same system, each as a phase and without a rest between
/// them, and judges each; as many results as loads unless the target failed on the way, then the
/// last one is the failed.
/// `long_trial`: each as long as a soak.
using RunLoads =
    std::function<std::vector<ScalingTrial>(const std::vector<double>& loads, bool long_trial)>;

/// Searches the breaking point of one target: asks a BreakingPointSearch what to try, and
/// tells it how it ended.
class LimitSearch {
public:
    /// Off the axis of rates loads are whole numbers, and there is no way down, whatever `options`
    /// have: a system whose number of clients, say, has changed is another one.
    /// - the errors of BreakingPointSearch::create(). `slo` must outlive it.
    static Result<LimitSearch> create(SearchOptions options, const Slo& slo,
                                      Axis axis = Axis::rate);

    /// What it would try next; nullopt: it has ended.
    std::optional<Probe> next() const { return search_.next(); }

    /// Whether what next() says was run already, with the overload before it: step() runs nothing.
    bool has_ahead() const;

    /// Runs what next() says with `run`, and tells the search. False: the trial was interrupted, or
    /// the target cannot be started any more; then it stays where it is.
    bool step(const RunLoads& run);

    /// What is known so far.
    LimitFound result() const;

private:
    LimitSearch(BreakingPointSearch search, const SearchOptions& options, const Slo& slo,
                Axis axis);
    /// A trial, and what it was: where the system of an overload has ended and another one cannot
    /// be had, the overload.
    struct Ran {
        Stage stage{};
        ScalingTrial trial;
    };
    std::optional<Ran> run_probe(const Probe& probe, const RunLoads& run);
    std::optional<Ran> run_after_overload(const Probe& probe, const RunLoads& run);
    /// The overload, which is returned, and what follows it at `load`: that is kept for the probes
    /// to come. None: nothing was run.
    std::optional<ScalingTrial> run_overload(double load, std::uint32_t recovery,
                                             const RunLoads& run);
    void note_recovery(double load, std::uint32_t recovery,
                       const std::vector<ScalingTrial>& trials);
    std::size_t index_of(const ScalingTrial& trial) const;
    bool may_be_too_much(double load) const;
    void keep(const Ran& ran);
    void record(Stage stage, const ScalingTrial& trial);

    BreakingPointSearch search_;
    SearchOptions options_;
    const Slo* slo_;
    Axis axis_;
    std::vector<std::string> objectives_;  ///< what can break: the SLO's limits, then kBroken…
    /// Of a load that follows an overload on the same system, what was run with it: that in which
    /// it may recover, and what counts.
    std::vector<ScalingTrial> recovering_;
    std::deque<ScalingTrial> ahead_;
    double overload_ = 0;
    struct Recovery {
        double allowed_seconds = 0;
        std::optional<double> seconds;
    };
    std::map<double, Recovery> recoveries_;  ///< by load
    LimitFound found_;
    std::vector<ScalingTrial> broken_trials_;
    std::map<double, std::string> invalid_at_;  ///< by load, why the search's last invalid one was
    std::string soak_invalid_;                  ///< why the last invalid soak was
    std::string descent_invalid_;               ///< and the last invalid trial of the way down
    std::uint32_t starts_failed_ = 0;
    double highest_started_ = 0;  ///< load of a trial that could be started
};

}  // namespace crucible::lab::scale
