#include "lab/stats/bootstrap.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "lab/stats/robust.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab::stats {
namespace {

double mean(std::span<const double> values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<double> sorted_copy(std::span<const double> values) {
    std::vector<double> sorted(values.begin(), values.end());
    std::sort(sorted.begin(), sorted.end());
    return sorted;
}

/// Hodges-Lehmann estimates of resamples of one set of differences. A resample's Walsh averages are
/// the original ones, only counted otherwise: sorting them once leaves a weighted median to find,
/// ten times cheaper than sorting each resample's.
class ResampledHodgesLehmann {
public:
    explicit ResampledHodgesLehmann(std::span<const double> differences) {
        const auto m = static_cast<std::uint32_t>(differences.size());
        for (std::uint32_t i = 0; i < m; ++i) {
            for (std::uint32_t j = i; j < m; ++j) {
                pairs_.push_back({(differences[i] + differences[j]) / 2, i, j});
            }
        }
        std::sort(pairs_.begin(), pairs_.end(),
                  [](const Pair& a, const Pair& b) { return a.average < b.average; });
    }

    /// `times[i]`: how often difference i was drawn; they add up to the number of differences.
    double estimate(std::span<const std::uint64_t> times) const {
        const std::uint64_t lower_rank = (pairs_.size() + 1) / 2;
        const std::uint64_t upper_rank = pairs_.size() / 2 + 1;
        std::uint64_t seen = 0;
        auto pair = pairs_.begin();
        for (;; ++pair) {
            seen += weight(*pair, times);
            if (seen >= lower_rank) break;
        }
        const double lower = pair->average;
        while (seen < upper_rank) seen += weight(*++pair, times);
        return lower + (pair->average - lower) / 2;
    }

private:
    struct Pair {
        double average;
        std::uint32_t i;
        std::uint32_t j;
    };

    /// Pairs of draws with this average. Of c draws of one value, c (c + 1) / 2 pairs are its own.
    static std::uint64_t weight(const Pair& pair, std::span<const std::uint64_t> times) {
        const std::uint64_t own = times[pair.i] * (times[pair.i] + 1) / 2;
        return pair.i == pair.j ? own : times[pair.i] * times[pair.j];
    }

    std::vector<Pair> pairs_;
};

std::vector<double> hodges_lehmann_replicates(std::span<const double> differences,
                                              std::uint32_t replicates, std::uint64_t seed) {
    const ResampledHodgesLehmann resampled(differences);
    base::Rng rng(seed);
    std::vector<std::uint64_t> times(differences.size());
    std::vector<double> results(replicates);
    for (double& result : results) {
        std::fill(times.begin(), times.end(), 0);
        for (std::size_t draw = 0; draw < times.size(); ++draw) ++times[rng.below(times.size())];
        result = resampled.estimate(times);
    }
    return results;
}

}  // namespace

std::vector<double> bootstrap_replicates(std::span<const double> values, const Statistic& statistic,
                                         std::uint32_t replicates, std::uint64_t seed) {
    require_finite(values);
    CRUCIBLE_ASSERT(!values.empty() && replicates >= 1);
    base::Rng rng(seed);
    std::vector<double> sample(values.size());
    std::vector<double> results(replicates);
    for (double& result : results) {
        for (double& value : sample) value = values[rng.below(values.size())];
        result = statistic(sample);
    }
    return results;
}

std::vector<double> jackknife(std::span<const double> values, const Statistic& statistic) {
    CRUCIBLE_ASSERT(values.size() >= 2);
    std::vector<double> sample(values.begin() + 1, values.end());
    std::vector<double> results;
    results.reserve(values.size());
    for (std::size_t left_out = 0; left_out < values.size(); ++left_out) {
        // `sample` holds every value but values[left_out], in order.
        results.push_back(statistic(sample));
        if (left_out < sample.size()) sample[left_out] = values[left_out];
    }
    return results;
}

Interval percentile_interval(std::span<const double> replicates, double level) {
    require_level(level);
    const auto sorted = sorted_copy(replicates);
    return {interpolated_quantile(sorted, (1 - level) / 2),
            interpolated_quantile(sorted, (1 + level) / 2)};
}

double expanded_reach(std::size_t values, double level) {
    require_level(level);
    CRUCIBLE_ASSERT(values >= 2);
    const auto n = static_cast<double>(values);
    const boost::math::students_t student(n - 1);
    return std::sqrt(n / (n - 1)) * boost::math::quantile(student, (1 + level) / 2);
}

BcaInterval bca_interval(double estimate, std::span<const double> replicates,
                         std::span<const double> jackknifed, double level) {
    require_level(level);
    CRUCIBLE_ASSERT(!replicates.empty() && jackknifed.size() >= 2);
    const boost::math::normal normal;
    const auto sorted = sorted_copy(replicates);
    const auto count = static_cast<double>(sorted.size());
    const auto below = static_cast<double>(
        std::lower_bound(sorted.begin(), sorted.end(), estimate) - sorted.begin());

    BcaInterval result;
    // All replicates on one side would make z0 infinite; half a replicate is the resolution there
    // is.
    result.bias =
        boost::math::quantile(normal, std::clamp(below / count, 0.5 / count, 1 - 0.5 / count));
    const double center = mean(jackknifed);
    double squares = 0;
    double cubes = 0;
    for (const double value : jackknifed) {
        const double l = center - value;
        squares += l * l;
        cubes += l * l * l;
    }
    result.acceleration = squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0;

    const auto adjusted = [&](double p) {
        const double shifted = result.bias + boost::math::quantile(normal, p);
        const double scale = 1 - result.acceleration * shifted;
        // Where the correction's pole is reached the replicates hold no quantile that far out: take
        // the end.
        if (scale <= 0) return shifted < 0 ? 0.0 : 1.0;
        return boost::math::cdf(normal, result.bias + shifted / scale);
    };
    result.levels = {adjusted((1 - level) / 2), adjusted((1 + level) / 2)};
    result.interval = {interpolated_quantile(sorted, result.levels.low),
                       interpolated_quantile(sorted, result.levels.high)};
    return result;
}

std::optional<LocationEstimate> bootstrap_interval(std::span<const double> differences,
                                                   double level, std::uint32_t replicates,
                                                   std::uint64_t seed) {
    require_finite(differences);
    if (differences.size() < 2) return std::nullopt;
    const Statistic statistic = hodges_lehmann_estimate;
    const double estimate = statistic(differences);
    CRUCIBLE_ASSERT(replicates >= 1);
    const auto drawn = hodges_lehmann_replicates(differences, replicates, seed);
    const auto bca = bca_interval(estimate, drawn, jackknife(differences, statistic), level);
    return LocationEstimate{.estimate = estimate, .interval = bca.interval, .level = level};
}

}  // namespace crucible::lab::stats
