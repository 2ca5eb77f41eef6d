#include "support/estimate.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "lab/compare/json_parts.h"
#include "lab/stats/effect.h"
#include "lab/stats/robust.h"
#include "lab/stats/sign_test.h"

namespace crucible::bench {
namespace {

constexpr double kLevel = 0.95;

}  // namespace

Estimated median_estimate(const std::vector<double>& values) {
    if (values.empty()) return {};
    if (const auto found = lab::stats::median_interval(values, kLevel))
        return {lab::stats::median(values), found->interval.low, found->interval.high};
    return {.value = lab::stats::median(values)};
}

Estimated paired_estimate(const std::vector<double>& differences, std::uint64_t seed) {
    if (differences.empty()) return {};
    if (const auto found = lab::stats::paired_effect(differences, kLevel, seed))
        return {found->estimate, found->interval.low, found->interval.high};
    return {.value = lab::stats::median(differences)};
}

Estimated ratio_estimate(const std::vector<double>& logarithms, std::uint64_t seed) {
    const auto found = paired_estimate(logarithms, seed);
    return {std::exp(found.value), std::exp(found.low), std::exp(found.high)};
}

std::string four_digits(double value) {
    if (!std::isfinite(value)) return "-";
    const double size = std::abs(value);
    return fmt::format("{:.{}f}", value, size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0);
}

nlohmann::json estimate_to_json(const Estimated& estimate) {
    return {{"value", lab::number(estimate.value)},
            {"ci_low", lab::number(estimate.low)},
            {"ci_high", lab::number(estimate.high)}};
}

std::vector<std::size_t> random_order(std::size_t arms, base::Rng& rng) {
    std::vector<std::size_t> order(arms);
    for (std::size_t i = 0; i < arms; ++i) order[i] = i;
    for (std::size_t i = arms; i > 1; --i)
        std::swap(order[i - 1], order[static_cast<std::size_t>(rng.below(i))]);
    return order;
}

}  // namespace crucible::bench
