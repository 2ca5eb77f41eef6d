#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "lab/compare/evidence.h"
#include "lab/compare/json_parts.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

constexpr std::string_view kPairedInterval =
    "Hodges-Lehmann estimate of the paired log ratios (or differences) over rounds; 95 % interval: "
    "the hull of the exact signed-rank interval and the bootstrap interval over rounds";

/// Its ends are null where they are infinite.
json anytime_json(const std::optional<Estimate>& estimate) {
    if (!estimate) return nullptr;
    return {{"low", number(estimate->ci_low)}, {"high", number(estimate->ci_high)}};
}

json arm_estimate_json(const std::optional<Estimate>& estimate, std::uint32_t rounds) {
    auto result = estimate_json(estimate);
    if (estimate) result["n"] = rounds;
    return result;
}

}  // namespace

json compared_metric_json(const MetricComparison& metric) {
    return {{"name", metric.info->name},
            {"unit", metric.info->unit},
            {"better", to_string(metric.info->better)},
            {"gated", metric.info->gated},
            {"phase", metric.phase.empty() ? json(nullptr) : json(metric.phase)},
            {"rounds", metric.rounds},
            {"baseline", arm_estimate_json(metric.baseline, metric.rounds)},
            {"candidate", arm_estimate_json(metric.candidate, metric.rounds)},
            {"ratio", estimate_json(metric.ratio)},
            {"difference", estimate_json(metric.difference)},
            {"control", estimate_json(metric.control)},
            {"anytime", anytime_json(metric.anytime)},
            {"p_outside", metric.p_outside},
            {"p_different", metric.p_different},
            {"different", metric.different},
            {"verdict", to_string(metric.verdict)},
            {"rounds_needed", metric.rounds_needed ? json(*metric.rounds_needed) : json(nullptr)},
            {"reason", metric.reason},
            {"unpaired", nullptr}};
}

json method_json(const CompareOptions& options) {
    return {
        {"margin", options.margin},
        {"confidence", options.confidence},
        {"interval", kPairedInterval},
        {"decision",
         fmt::format("better or worse: beyond the margin against both copies of the baseline, by "
                     "evidence that holds at any number of rounds; the chance of any false one "
                     "among the gated metrics of all scenarios is at most {:g} % (Holm), the share "
                     "of false ones among the others (Benjamini-Hochberg); at least {} rounds",
                     (1 - options.confidence) * 100, kRoundsMin)}};
}

}  // namespace crucible::lab
