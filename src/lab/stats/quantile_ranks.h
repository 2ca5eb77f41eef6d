#pragma once

#include <cstdint>
#include <optional>

namespace crucible::lab::stats {

/// Ranks (1-based) of the order statistics that enclose a quantile.
struct RankInterval {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    double coverage = 0;  ///< P(low <= Bin(n, p) < high), at least the level asked
};

/// Nearest rank of quantile `p` in (0, 1) among n >= 1 values: ceil(p n), at least 1.
std::uint64_t quantile_rank(std::uint64_t n, double p);

/// Distribution-free interval of quantile `p` from n independent values: [x_(low), x_(high)], with
/// low = max{k: F(k-1) <= a/2}, high = min{k: 1 - F(k-1) <= a/2}, F the CDF of Bin(n, p), a = 1 -
/// level. nullopt where it has no two sides: at 95 %, below n = 36 for p90, 72 for p95, 368 for
/// p99, 3688 for p99.9. Values of one trial are not independent: this describes a run, it never
/// compares two.
std::optional<RankInterval> quantile_ranks(std::uint64_t n, double p, double level);

}  // namespace crucible::lab::stats
