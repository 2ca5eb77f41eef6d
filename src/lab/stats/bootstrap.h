#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

using Statistic = std::function<double(std::span<const double>)>;

/// `replicates` values of `statistic`, each over values.size() draws with replacement. The same
/// seed gives the same replicates on every machine. `values` is not empty.
std::vector<double> bootstrap_replicates(std::span<const double> values, const Statistic& statistic,
                                         std::uint32_t replicates, std::uint64_t seed);

/// The statistic with each value left out in turn. At least two values.
std::vector<double> jackknife(std::span<const double> values, const Statistic& statistic);

/// Percentile interval: the (1 -+ level)/2 quantiles of the replicates.
Interval percentile_interval(std::span<const double> replicates, double level);

/// How far out, in standard deviations of the normal distribution, a percentile interval over draws
/// of `values` independent values reaches so that it holds for few of them: a bootstrap's spread is
/// sqrt((n-1)/n) of the true one, and Student's t what is missing beside the normal (the expanded
/// percentile interval, Hesterberg 2015). At least two values.
double expanded_reach(std::size_t values, double level);

/// What the bias-corrected and accelerated interval is made of (Efron 1987).
struct BcaInterval {
    double bias = 0;  ///< z0 = Phi^-1(share of replicates below the estimate)
    double acceleration =
        0;            ///< a = sum L^3 / (6 (sum L^2)^1.5), L = mean(jackknife) - jackknife_i
    Interval levels;  ///< of the replicates, where the percentile interval has (1 -+ level)/2
    Interval interval;
};
BcaInterval bca_interval(double estimate, std::span<const double> replicates,
                         std::span<const double> jackknifed, double level);

/// Hodges-Lehmann estimate of the differences with its BCa bootstrap interval over rounds. Below 20
/// rounds a bootstrap interval is too narrow (5-12 % false positives at a nominal 5 % with 10
/// rounds), so it must not decide alone: see paired_effect(). nullopt below 2 differences. The same
/// draws as bootstrap_replicates() makes; about replicates * m^2 / 2 ns.
std::optional<LocationEstimate> bootstrap_interval(std::span<const double> differences,
                                                   double level, std::uint32_t replicates,
                                                   std::uint64_t seed);

}  // namespace crucible::lab::stats
