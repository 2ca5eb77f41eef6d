#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "lab/stats/interval.h"

namespace crucible::lab::scale {

/// How one trial speaks of the breaking point.
struct KneeEvidence {
    double load = 0;  ///< > 0
    bool broken = false;
};

/// What trials say of a breaking point ("knee"), by Bayes' rule on a grid that is even in the
/// logarithm of load. A trial at load x is broken with probability
///     a + (1 - a - b) Phi(ln(x / knee) / s):
/// s is how much the breaking point varies from trial to trial, a the share of trials broken by
/// chance, b the share held by chance. s, a and b are not known either: each is a grid of its own,
/// over which the breaking point's distribution is summed. Not thread-safe.
class KneePosterior {
public:
    /// Uniform in ln(knee) over [low, high], 0 < low < high, in steps of `step` (relative, > 0).
    KneePosterior(double low, double high, double step);

    void add(const KneeEvidence& trial);

    double quantile(double p) const;
    stats::Interval interval(double level) const;
    /// Share of the probability within a fiftieth of the grid from its lower, its upper end.
    stats::Interval edge_shares() const;

    /// Nats that a trial at each of `loads` is expected to tell of the breaking point: the mutual
    /// information of the two, s, a and b summed over (the psi-marginal method, Prins 2013).
    std::vector<double> expected_information(std::span<const double> loads) const;

    double mean_spread() const;          ///< of s
    double mean_spurious_share() const;  ///< of (a + b) / 2

private:
    double knee(std::size_t index) const;
    std::size_t cell(std::size_t knee, std::size_t spread, std::size_t lapse) const;
    void update_marginal();

    double low_log_;
    double step_log_;
    std::size_t knees_;
    std::vector<double> weights_;   ///< [knee][spread][lapse], sum 1
    std::vector<double> marginal_;  ///< of the knee
};

}  // namespace crucible::lab::scale
