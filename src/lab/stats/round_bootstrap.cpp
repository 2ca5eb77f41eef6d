#include "lab/stats/round_bootstrap.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "lab/stats/bootstrap.h"
#include "lab/stats/quantile_ranks.h"

namespace crucible::lab::stats {

PairedRounds::PairedRounds(std::vector<double> values, std::size_t rounds)
    : values_(std::move(values)), rounds_(rounds) {
    require_finite(values_);
    CRUCIBLE_ASSERT(!values_.empty() && rounds_ > 0);
    CRUCIBLE_ASSERT(values_.front() > 0 && std::ranges::is_sorted(values_));
    baseline_.up_to.resize(values_.size() * rounds_);
    candidate_.up_to.resize(values_.size() * rounds_);
}

void PairedRounds::set_side(Side& side, std::size_t round,
                            std::span<const std::uint64_t> counts) const {
    CRUCIBLE_ASSERT(round < rounds_ && counts.size() == values_.size());
    std::uint64_t sum = 0;
    for (std::size_t bucket = 0; bucket < counts.size(); ++bucket) {
        sum += counts[bucket];
        side.up_to[bucket * rounds_ + round] = sum;
    }
    CRUCIBLE_ASSERT(sum > 0);
}

void PairedRounds::set_round(std::size_t round, std::span<const std::uint64_t> baseline,
                             std::span<const std::uint64_t> candidate) {
    set_side(baseline_, round, baseline);
    set_side(candidate_, round, candidate);
}

double PairedRounds::quantile(const Side& side, double p,
                              std::span<const std::uint32_t> times) const {
    // Sums over rounds of running counts are running counts of the merged distribution, so that a
    // search by halves replaces merging: 10 buckets are looked at instead of 1,024.
    const auto up_to = [&](std::size_t bucket) {
        const std::uint64_t* counts = &side.up_to[bucket * rounds_];
        std::uint64_t sum = 0;
        for (std::size_t r = 0; r < rounds_; ++r) sum += times[r] * counts[r];
        return sum;
    };
    const std::uint64_t rank = quantile_rank(up_to(values_.size() - 1), p);
    std::size_t low = 0;
    std::size_t high = values_.size() - 1;
    while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (up_to(middle) >= rank) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return values_[low];
}

double PairedRounds::log_ratio(double p, std::span<const std::uint32_t> times) const {
    CRUCIBLE_ASSERT(times.size() == rounds_);
    return std::log(quantile(candidate_, p, times) / quantile(baseline_, p, times));
}

std::optional<LocationEstimate> pooled_quantile_ratio(const PairedRounds& rounds, double p,
                                                      double level, std::uint32_t replicates,
                                                      std::uint64_t seed) {
    CRUCIBLE_ASSERT(replicates >= 1);
    if (rounds.rounds() < kRoundBootstrapMin) return std::nullopt;
    std::vector<std::uint32_t> times(rounds.rounds(), 1);
    const double estimate = rounds.log_ratio(p, times);
    std::vector<double> left_out;
    for (std::size_t r = 0; r < times.size(); ++r) {
        times[r] = 0;
        left_out.push_back(rounds.log_ratio(p, times));
        times[r] = 1;
    }
    base::Rng rng(seed);
    std::vector<double> drawn(replicates);
    for (double& replicate : drawn) {
        std::ranges::fill(times, 0);
        for (std::size_t draw = 0; draw < times.size(); ++draw) ++times[rng.below(times.size())];
        replicate = rounds.log_ratio(p, times);
    }
    return LocationEstimate{.estimate = estimate,
                            .interval = bca_interval(estimate, drawn, left_out, level).interval,
                            .level = level};
}

}  // namespace crucible::lab::stats
