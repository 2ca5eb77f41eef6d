#include "lab/scale/scaling.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <span>
#include <utility>

#include "base/rng.h"
#include "lab/scale/trial_runner.h"

namespace crucible::lab::scale {
namespace {

/// Streams of the seed: of the order of trials, and of the events of searches and of what comes
/// after, apart from the rounds' own.
constexpr std::uint64_t kOrderStream = 0x7363616c65;  // "scale"
constexpr std::uint32_t kSearchTrials = 1'000'000;
constexpr std::uint32_t kInsightTrials = 2'000'000;

/// Where curves over rates are measured: as shares of the smallest lower bound, so that all targets
/// hold most of them, and beyond the largest upper bound, where all degrade.
constexpr std::array kSharesBelow{0.1, 0.25, 0.5, 0.75, 0.9};
constexpr std::array kSharesBeyond{1.1, 1.5};
constexpr double kLevel = 0.95;
/// After so many failures of a target that has not handled anything its lowest load decides.
constexpr std::uint32_t kFailuresToDoubt = 2;
/// So often at most a round has all trials at a load run again, longer, as one was too short.
constexpr std::uint32_t kAgainMax = 2;

/// Of a search that ended on trials that say nothing.
std::string why_not_its_limit(const LimitFound& limit) {
    const bool injector = limit.point.invalidity == Validity::injector_late;
    return fmt::format("{}: {}",
                       injector ? "the limit found is the injector's, not the target's"
                                : "higher loads are not known: trials there were not valid",
                       limit.invalid);
}

/// Why loads that a search held are none to plan with; empty where they are. One that was ended on
/// the way down, after a soak that passed, has its bounds.
std::string why_not_to_plan_with(const LimitFound& found, Axis axis) {
    const auto& point = found.point;
    if (point.ending == Ending::running && !point.soak_passed)
        return fmt::format("the search was not over: {}", found.why_not_over);
    if (point.soak_passed == false) {
        return fmt::format(
            "what it holds for a trial it does not hold for longer: the soak at {} broke",
            format_load(axis, *point.soak_load));
    }
    if (point.soak_invalid)
        return fmt::format("whether it holds this for longer is not known: {}", found.soak_absent);
    return {};
}

/// Why what a search of rates held is no capacity; empty where it is.
std::string why_no_capacity(const LimitFound& found) {
    const auto& point = found.point;
    if (point.ending == Ending::injector_limited) return why_not_its_limit(found);
    if (auto why = why_not_to_plan_with(found, Axis::rate); !why.empty()) return why;
    return point.estimate && point.lower_bound ? "" : "no breaking point was found";
}

/// What target `i` is called: copies of one system are told apart by their place, wherever one of
/// them is named.
std::string name_of(const std::vector<TargetUrl>& targets, std::size_t i) {
    const auto& text = targets[i].text;
    if (std::ranges::count(targets, text, &TargetUrl::text) == 1) return text;
    return fmt::format("{} (target {})", text, i + 1);
}

class Scaler {
public:
    explicit Scaler(const ScalingOptions& options)
        : options_(options),
          order_(base::Rng::at(options.seed, kOrderStream, 0)),
          runner_({.axis = options.axis,
                   .scenario = &options.scenario,
                   .slo = &options.slo,
                   .seed = options.seed,
                   .time_budget = options.time_budget,
                   .stop = options.stop,
                   .run = options.run,
                   .clock = options.clock}) {
        for (std::size_t i = 0; i < options.targets.size(); ++i)
            scaling_.targets.push_back({.target = name_of(options.targets, i)});
    }

    Result<Scaling> run() {
        if (options_.axis == Axis::rate || !options_.slo.limits.empty()) {
            if (auto searched = search_limits(); !searched)
                return std::unexpected(searched.error());
        }
        measure_curves();
        for (std::size_t i = 0; i < options_.targets.size(); ++i) {
            conclude(scaling_.targets[i]);
            if (options_.bottleneck) explain(options_.targets[i], scaling_.targets[i]);
        }
        scaling_.interrupted = runner_.interrupted();
        scaling_.out_of_time = runner_.out_of_time();
        return std::move(scaling_);
    }

private:
    bool going() { return !scaling_.failure && runner_.going(); }
    void show_next(const std::string& what, const std::string& target) {
        runner_.on_progress = [this, what, target](double load, const TrialProgress& at) {
            if (options_.on_progress) options_.on_progress({what, target, load, at});
        };
    }
    void tell(const std::string& what, const std::string& target, const ScalingTrial& trial) const {
        if (options_.on_step && !trial.interrupted) options_.on_step({what, target, trial});
    }

    Result<> search_limits() {
        std::vector<LimitSearch> searches;
        for (std::size_t i = 0; i < options_.targets.size(); ++i) {
            auto search = LimitSearch::create(options_.search, options_.slo, options_.axis);
            if (!search) return std::unexpected(search.error());
            searches.push_back(*std::move(search));
        }
        std::vector<std::string> given_up(searches.size());  // why; empty: it is not
        // What has been run already counts, even where the time is up now.
        const auto goes_on = [&](std::size_t i) {
            return given_up[i].empty() && searches[i].next() &&
                   (searches[i].has_ahead() || runner_.going());
        };
        for (;;) {
            std::vector<std::size_t> open;
            for (std::size_t i = 0; i < searches.size(); ++i)
                if (goes_on(i)) open.push_back(i);
            if (open.empty()) break;
            // All that are open once, in random order: a change of the machine meets all of them.
            shuffle(open);
            for (const auto i : open) {
                if (!goes_on(i) || step(searches[i], i)) continue;
                given_up[i] = why_ended();
            }
        }
        for (std::size_t i = 0; i < searches.size(); ++i) {
            auto& target = scaling_.targets[i];
            target.limit = searches[i].result();
            if (target.limit->point.ending == Ending::running)
                target.limit->why_not_over = given_up[i].empty() ? why_ended() : given_up[i];
            const bool worked = std::ranges::any_of(target.limit->trials, [](const auto& trial) {
                return trial.throughput.value_or(0) > 0;
            });
            if (!worked && !target.limit->death.empty())
                scaling_.failure = Error{Errc::failed, target.target + ": " + target.limit->death};
        }
        return {};
    }

    /// Of a search that would have gone on, at its last trial.
    std::string why_ended() const {
        if (runner_.interrupted()) return "the user ended it first";
        if (runner_.out_of_time()) return "the time was up first";
        return "the target does not start again";
    }

    /// Of an overload and the lower load after it, in one trial: only the phase's name tells which.
    void show_overload(const std::vector<double>& loads, const std::string& target) {
        runner_.on_progress = [this, loads, target](double, const TrialProgress& at) {
            if (!options_.on_progress) return;
            const bool overload = at.phase != format_load(Axis::rate, loads.back());
            const auto stage = overload ? Stage::overload : Stage::descend;
            options_.on_progress({std::string(to_string(stage)), target,
                                  overload ? loads.front() : loads.back(), at});
        };
    }

    bool step(LimitSearch& search, std::size_t place) {
        const auto& target = options_.targets[place];
        const auto& name = scaling_.targets[place].target;
        const Probe probe = *search.next();
        const auto stage_of = [&probe](std::size_t i, std::size_t loads) {
            if (loads == 1) return probe.stage;
            if (i == 0) return Stage::overload;
            return i <= probe.recovery ? Stage::recover : Stage::descend;
        };
        return search.step([&](const std::vector<double>& loads, bool long_trial) {
            const Duration length =
                long_trial ? options_.soak : options_.scenario.plan.phases.front().duration();
            const std::uint32_t number = kSearchTrials + trials_++;
            std::vector<ScalingTrial> trials;
            if (loads.size() > 1) {
                show_overload(loads, name);
            } else {
                show_next(std::string(to_string(probe.stage)), name);
            }
            if (options_.axis == Axis::rate) {
                trials = runner_.run_rates(target, loads, length, number);
            } else {
                trials.push_back(runner_.run_load(target, loads.front(), length, number));
            }
            for (std::size_t i = 0; i < trials.size(); ++i)
                tell(std::string(to_string(stage_of(i, loads.size()))), name, trials[i]);
            return trials;
        });
    }

    template <typename T>
    void shuffle(std::vector<T>& items) {
        for (std::size_t i = items.size(); i > 1; --i)
            std::swap(items[i - 1], items[order_.below(i)]);
    }

    std::vector<double> curve_points() const {
        if (!options_.points.empty() || options_.axis != Axis::rate) return options_.points;
        std::optional<double> lower;
        double upper = 0;
        for (const auto& target : scaling_.targets) {
            const auto& point = target.limit->point;
            if (point.lower_bound)
                lower = std::min(lower.value_or(*point.lower_bound), *point.lower_bound);
            upper = std::max(upper, point.upper_bound.value_or(0));
        }
        std::vector<double> points;
        if (!lower) return points;
        const auto round = [](double load) { return std::max(1.0, std::round(load)); };
        for (const double share : kSharesBelow) points.push_back(round(share * *lower));
        for (const double share : kSharesBeyond)
            if (upper > 0) points.push_back(round(share * upper));
        // Limits far apart: the shares of the one lie among those of the other.
        std::ranges::sort(points);
        points.erase(std::ranges::unique(points).begin(), points.end());
        return points;
    }

    /// One load of the curves, and how long its trials are.
    struct CurveLoad {
        double load = 0;
        Duration length{};
    };

    /// In a round all targets and the harness have trials of one length at a load: what the slowest
    /// of them needs by what is known.
    Duration length_at(double load) const {
        Duration length{};
        for (const auto& target : options_.targets)
            length = std::max(length, runner_.long_enough(target, load));
        return length;
    }

    struct Job {
        std::size_t point;
        std::size_t target;  ///< behind the last one: the harness
    };

    void measure_curves() {
        std::vector<CurveLoad> points;
        for (const double load : curve_points()) points.push_back({.load = load});
        if (points.empty() || options_.rounds == 0) return;
        for (auto& target : scaling_.targets) {
            for (const auto& point : points) target.sweep.points.push_back({.load = point.load});
        }
        for (std::uint32_t round = 0; round < options_.rounds && going(); ++round) {
            for (auto& at : points) at.length = length_at(at.load);
            run_round(points, round);
        }
    }

    /// Trials that turn out too short at a load are run again there before any of them is kept.
    void run_round(std::vector<CurveLoad>& points, std::uint32_t round) {
        const auto what = fmt::format("round {}/{}", round + 1, options_.rounds);
        const std::size_t harness = options_.targets.size();
        std::vector<Job> jobs;
        for (std::size_t point = 0; point < points.size(); ++point) {
            for (std::size_t target = 0; target <= harness; ++target)
                jobs.push_back({point, target});
        }
        shuffle(jobs);
        std::vector<AtPoint> measured(points.size());
        for (std::size_t next = 0; next < jobs.size() && going(); ++next) {
            decide_first(std::span(jobs).subspan(next));
            const auto [point, target] = jobs[next];
            auto& [load, length] = points[point];
            auto trial = run_job(target, points[point], round, what);
            if (trial.interrupted) break;
            auto& at = measured[point];
            if (target == harness) {
                at.harness = std::move(trial);
            } else {
                at.trials.push_back({.target = target, .result = std::move(trial)});
            }
            tell_of(at, load, what);
            if (target == harness || at.again == kAgainMax ||
                !runner_.too_short(options_.targets[target], load, length))
                continue;
            length = length_at(load);
            at = {.trials = {}, .harness = {}, .again = at.again + 1};
            run_again(jobs, next + 1, point);
        }
        for (std::size_t point = 0; point < points.size(); ++point) {
            const auto& at = measured[point];
            for (const auto& trial : at.trials) {
                const auto& phases = trial.result.phases;
                if (phases.empty()) continue;
                scaling_.targets[trial.target].limit_uses.push_back(
                    {.load = points[point].load, .uses = phases.front().limits, .round = round});
            }
            // Net of the harness or not at all: both would make no curve.
            if (!at.harness) continue;
            for (const auto& trial : at.trials) {
                keep(scaling_.targets[trial.target].sweep.points[point], round, points[point].load,
                     trial.result, *at.harness);
            }
        }
    }

    /// Puts all jobs of `point` among those from `next` on, in random order.
    void run_again(std::vector<Job>& jobs, std::size_t next, std::size_t point) {
        std::vector<Job> left(jobs.begin() + static_cast<std::ptrdiff_t>(next), jobs.end());
        std::erase_if(left, [point](const Job& job) { return job.point == point; });
        for (std::size_t target = 0; target <= options_.targets.size(); ++target)
            left.push_back({point, target});
        shuffle(left);
        jobs.resize(next);
        jobs.insert(jobs.end(), left.begin(), left.end());
    }

    /// What a round has measured at one point.
    struct AtPoint {
        struct Trial {
            std::size_t target = 0;
            TrialResult result;
            bool told = false;
        };
        std::vector<Trial> trials;
        std::optional<TrialResult> harness;
        std::uint32_t again = 0;  ///< how often what was measured was too short
    };

    /// Tells of the trials that can be judged by now.
    void tell_of(AtPoint& at, double load, const std::string& what) {
        for (auto& trial : at.trials) {
            if (trial.told || (runner_.takes_harness(trial.result) && !at.harness)) continue;
            const auto judged =
                runner_.judge(load, trial.result, at.harness ? &*at.harness : nullptr);
            tell(what, scaling_.targets[trial.target].target, judged);
            note_start(trial.target, judged);
            trial.told = true;
        }
    }

    /// Of a target that has only failed so far the lowest load comes next: others may be beyond its
    /// limit, while one that never starts is not to fail at all of them.
    void decide_first(std::span<Job> jobs) {
        const auto decides = std::ranges::find_if(jobs, [this](const Job& job) {
            const auto& starts = starts_[job.target];
            return job.point == 0 && starts.worked == 0 && starts.failed >= kFailuresToDoubt;
        });
        if (decides != jobs.end()) std::rotate(jobs.begin(), decides, decides + 1);
    }

    /// A target of which nothing is known but that it does not start, or ends before it has handled
    /// anything, at two loads or more and the lowest among them, cannot be measured.
    void note_start(std::size_t target, const ScalingTrial& trial) {
        if (trial.interrupted) return;
        auto& starts = starts_[target];
        const auto* done = trial.metric("throughput");
        if (done && done->value.value_or(0) > 0) ++starts.worked;
        if (starts.worked > 0 || !trial.failure) return;
        ++starts.failed;
        const auto& found = scaling_.targets[target];
        if (trial.load <= found.sweep.points.front().load) starts.failed_lowest = true;
        if (starts.failed < kFailuresToDoubt || !starts.failed_lowest || found.limit) return;
        scaling_.failure = Error{trial.failure->code, found.target + ": " + trial.detail};
    }

    TrialResult run_job(std::size_t target, const CurveLoad& at, std::uint32_t round,
                        const std::string& what) {
        if (target == options_.targets.size()) {
            show_next(what, "the harness alone");
            return runner_.run_harness(at.load, at.length, round);
        }
        const auto& url = options_.targets[target];
        show_next(what, scaling_.targets[target].target);
        TrialOptions options;
        // Without the activity, whose sampling would make these trials others than the harness's.
        options.limits = true;
        return runner_.run_at(url, at.load, at.length, round, options);
    }

    void keep(SweepPoint& point, std::uint32_t round, double load, const TrialResult& trial,
              const TrialResult& harness) {
        const auto judged = runner_.judge(load, trial, &harness);
        if (judged.interrupted) return;
        const bool net = harness.valid();
        auto metrics = trial_metrics(trial, net ? &harness : nullptr);
        // Other rounds' are net: gross values beside them would look like noise, or a trend.
        if (!net) remove_gross(metrics, trial, "the harness alone was not valid in this round");
        add_to(point, round, judged, std::move(metrics));
    }

    /// At the limit that broke, else where the target does most.
    Result<Look> where_it_binds(const TargetScaling& target) const {
        const auto nowhere = [](std::string why) {
            return std::unexpected(Error{Errc::failed, std::move(why)});
        };
        if (target.limit) {
            const auto& point = target.limit->point;
            if (point.ending == Ending::injector_limited)
                return nowhere(why_not_its_limit(*target.limit));
            if (point.upper_bound && target.limit->died_at.value_or(HUGE_VAL) <= *point.upper_bound)
                return nowhere("the target died there");
            if (point.upper_bound) return Look{.load = *point.upper_bound, .broke = true};
            if (point.lower_bound) return Look{.load = *point.lower_bound};
            return nowhere("no load was found that it holds, or that breaks it");
        }
        if (!target.degradation) return nowhere("no trial at any point was valid");
        return Look{.load = *target.degradation->best_load.value};
    }

    void explain(const TargetUrl& url, TargetScaling& target) {
        const auto where = where_it_binds(target);
        if (!where || !going()) {
            target.why_no_insight =
                where ? "the time or the user ended it first" : where.error().message;
            return;
        }
        show_next("bottleneck", target.target);
        auto insight = look_for_bottleneck(runner_, url, *where, kInsightTrials + trials_);
        trials_ += kLooksMax;
        if (!insight) {
            target.why_no_insight = std::move(insight.error().message);
            return;
        }
        target.insight = *std::move(insight);
        target.limit_uses.push_back({where->load, target.insight->limits, true});
        if (!target.insight->intervention || options_.intervention == 0) return;
        show_next("intervention", target.insight->intervention->change);
        measure_intervention(runner_, url, where->load, *target.insight->intervention,
                             options_.intervention, kInsightTrials + trials_);
        trials_ += options_.intervention;
    }

    void conclude(TargetScaling& target) const {
        target.degradation = degradation_of(target.sweep, options_.seed);
        if (options_.axis == Axis::rate) {
            target.why_no_law = "the law is of clients and workers, not of the rate offered";
        } else {
            fit_law(target);
        }
        if (options_.demand) forecast_for(target);
    }

    void fit_law(TargetScaling& target) const {
        if (options_.axis == Axis::payload) {
            target.why_no_law = "the law is of clients, services and workers, not of payloads";
            return;
        }
        if (options_.scenario.plan.phases.front().open_loop()) {
            target.why_no_law =
                "the same rate was offered at all points: throughput is only what was asked for; "
                "give --rate max";
            return;
        }
        const auto curve = target.sweep.curve("throughput");
        if (enough_for_usl(curve)) target.law = fit_usl(curve, Weighting::relative, kLevel);
        if (!target.law)
            target.why_no_law = "fewer than four measurements at three loads, or no fit converges";
    }

    void forecast_for(TargetScaling& target) const {
        if (options_.axis == Axis::rate) {
            const auto& point = target.limit->point;
            target.why_no_forecast = why_no_capacity(*target.limit);
            if (!target.why_no_forecast.empty()) return;
            // At the breaking point half of the trials break: what was held is the capacity.
            const double held = *point.lower_bound;
            const double low = std::min(held, point.estimate->interval.low);
            target.forecast = forecast_instances(
                {.estimate = held, .interval = {low, held}, .level = point.estimate->level}, 1,
                *options_.demand);
            return;
        }
        const auto curve = target.sweep.curve("throughput");
        if (!target.law) {
            target.why_no_forecast = target.why_no_law;
            return;
        }
        // Without an SLO a target can break, too: it may die.
        std::optional<LoadLimit> limit = limit_of(target.sweep);
        if (const auto& found = target.limit) {
            target.why_no_forecast = why_not_to_plan_with(*found, options_.axis);
            if (!target.why_no_forecast.empty()) return;
            limit = LoadLimit{.lower = found->point.lower_bound,
                              .upper = found->point.upper_bound,
                              .detail = found->detail};
        }
        target.forecast = forecast(curve, *options_.demand, kLevel, limit);
    }

    const ScalingOptions& options_;
    base::Rng order_;
    TrialRunner runner_;
    Scaling scaling_;
    std::uint32_t trials_ = 0;  ///< of searches
    struct Starts {
        std::uint32_t worked = 0;
        std::uint32_t failed = 0;
        bool failed_lowest = false;
    };
    std::map<std::size_t, Starts> starts_;  ///< of curves, by target
};

}  // namespace

Result<Scaling> run_scaling(const ScalingOptions& options) {
    return Scaler(options).run();
}

}  // namespace crucible::lab::scale
