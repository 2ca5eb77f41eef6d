#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lab/scale/bottleneck.h"
#include "lab/scale/operational_laws.h"
#include "lab/scale/resource_limits.h"
#include "lab/scale/trial_runner.h"
#include "lab/stats/interval.h"

namespace crucible::lab::scale {

/// A change that a named bottleneck would feel, predicted and then measured.
struct Intervention {
    std::string target;  ///< the URL with the change
    std::string change;  ///< "workers=3"
    std::string why;     ///< where the prediction comes from, in one line
    /// Throughput after over before, at most: as if all that the change takes away were gone. None
    /// where that is all there was: then it has no bound.
    std::optional<double> predicted;
    std::optional<stats::LocationEstimate> measured;  ///< over pairs of trials, as a ratio
    /// The interval excludes that nothing was gained, and of a predicted gain half came at least.
    bool confirmed = false;
    std::string absent;  ///< why it was not measured
};

/// Where to look for what binds.
struct Look {
    double load = 0;
    bool broke = false;  ///< trials there broke: one that holds does not show why
};
/// So many trials at most, until one breaks where others broke, or one is valid.
inline constexpr std::uint32_t kLooksMax = 3;
/// Each so many times as long as other trials, where the time budget allows that: there are as many
/// samples in a short trial as in a long one, and the fewer of them in a second, the less they move
/// the latencies of what they watch.
inline constexpr int kLookTimes = 5;

/// Events sent and not yet ended, of all clients: what waits in the system's queues, and what it
/// works on.
struct UnderWay {
    double mean = 0;
    double most = 0;  ///< of the sums of the clients' samples, each at its moment of an interval
};

/// What binds at a target's limit, and how we know.
struct Insight {
    double load = 0;  ///< at which it was looked at
    BottleneckJudgement judgement;
    std::optional<UnderWay> under_way;  ///< none where it was not sampled
    std::optional<ActivityReport> activity;
    std::vector<LawCheck> laws;
    std::optional<Intervention> intervention;
    std::string why_no_intervention;
    std::vector<LimitUse> limits;  ///< of the machine, late in that load
};

/// Runs `target` where `look` says with its threads watched, up to kLooksMax times with the events
/// of `number` and what follows, and says what binds; which limit it has reached is what the
/// watched trial itself broke. Where all of them held, it is said of the last. - Errc::failed: the
/// target failed, no trial was valid before the user or the time stopped them, or its processes are
/// not known; the message says which.
Result<Insight> look_for_bottleneck(TrialRunner& runner, const TargetUrl& target, const Look& look,
                                    std::uint32_t number);

/// The change that a bottleneck called `verdict` would feel, and what it would gain; nullopt where
/// the target has none. `target` is the URL that was run, with what the axis put into it.
std::optional<Intervention> choose_intervention(const TargetUrl& target, Bottleneck verdict,
                                                const ActivityReport& activity);

/// Measures it: `pairs` of trials of `target` at `load` of the axis, as fast as events are
/// acknowledged, with and without the change in turn. Pairs of which a trial was not valid, or that
/// were interrupted, do not count.
void measure_intervention(TrialRunner& runner, const TargetUrl& target, double load,
                          Intervention& intervention, std::uint32_t pairs, std::uint32_t number);

}  // namespace crucible::lab::scale
