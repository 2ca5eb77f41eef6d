#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

/// One round of three trials in random order: the candidate and two copies of the baseline. Values
/// may be infinite, but are not NaN.
struct TripletRound {
    double to_baseline = 0;  ///< candidate against the first copy, e.g. ln of the ratio
    double to_control = 0;   ///< candidate against the second copy

    /// A round in which the candidate cannot be compared.
    static TripletRound silent() noexcept { return {-INFINITY, INFINITY}; }
};

enum class Side : std::uint8_t { above, below };

/// Evidence, looked at after every round, that the candidate lies on one side of a shift of the
/// baseline.
///
/// With the shift taken off the candidate, let g(x) = tanh((x - m) / s) for each of the three
/// values x of a round, m the middle one. If the candidate is a shifted copy of the baseline, it is
/// any of the three with equal probability, whatever the noise: heavy tails, drift from round to
/// round, all allowed. So for every theta > 0
///     E = prod over rounds of 3 exp(theta g(candidate)) / sum of exp(theta g(x))
/// is an e-value of "not above": it grows with the candidate, so that a candidate on the other side
/// only lowers it. For "not below" theta changes its sign. E is a mean over three thetas, for
/// slight and for large differences. The scale s is 0.6 of the median distance of the two copies in
/// the rounds before; while that is 0 only the order counts. Bounded scores keep stalls from
/// deciding.
///
/// Two copies of the baseline and magnitudes make this find a shift of 5 % in noise like that of
/// CPU-bound trials on a shared machine in some 40 rounds, where the sign test of single
/// differences takes 60 (docs/calibration.md).
///
/// Returned is the largest ln E after any of the rounds so far, at least 0: exp(-of it) is a
/// p-value that holds at any time (Ville 1939).
double triplet_log_evidence(std::span<const TripletRound> rounds, double shift, Side side);

/// ln of the mean of both sides' e-values, the largest after any of the rounds: evidence against
/// "within [-margin, margin]" for margin >= 0.
double triplet_log_evidence_outside(std::span<const TripletRound> rounds, double margin);

/// Every shift that the evidence does not speak against at 1 - level, both sides sharing the error:
/// an interval that covers after all rounds at once. Ends are infinite where too few rounds say
/// anything.
Interval triplet_confidence_sequence(std::span<const TripletRound> rounds, double level);

/// How many rounds it takes, about, until the evidence of the right side reaches `evidence` > 0
/// when the candidate lies `distance` >= 0 beyond the shift, in standard deviations of a trial with
/// normal noise. Simulated with a fixed seed: to some 5 %. Infinite where it never will.
double triplet_rounds(double evidence, double distance);

}  // namespace crucible::lab::stats
