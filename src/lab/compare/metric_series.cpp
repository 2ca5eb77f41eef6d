#include "lab/compare/metric_series.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace crucible::lab {
namespace {

bool saturated(const ArmResult& arm) {
    const auto* phase = latency_phase(arm.phases);
    return phase && phase->saturated;
}

}  // namespace

bool MetricSeries::any_not_positive() const {
    const auto not_positive = [](double value) { return value <= 0; };
    return std::ranges::any_of(baseline, not_positive) ||
           std::ranges::any_of(control, not_positive) ||
           std::ranges::any_of(candidate, not_positive);
}

bool MetricSeries::all_zero() const {
    const auto zero = [](double value) { return value == 0; };
    return std::ranges::all_of(baseline, zero) && std::ranges::all_of(control, zero) &&
           std::ranges::all_of(candidate, zero);
}

const MetricValue* find_metric(const ArmResult& arm, const MetricInfo& info) noexcept {
    const auto found = std::ranges::find_if(
        arm.metrics, [&info](const MetricValue& value) { return value.info == &info; });
    return found == arm.metrics.end() ? nullptr : &*found;
}

Delivery total_delivery(const ArmResult& arm) {
    Delivery total;
    for (const auto& phase : arm.phases) total += phase.delivery;
    return total;
}

bool is_latency(const MetricInfo& info) noexcept {
    return info.name.starts_with("latency_") || info.name == "service_time_p99";
}

MetricSeries metric_series(const std::vector<Round>& rounds, const MetricInfo& info) {
    MetricSeries series;
    for (const auto& round : rounds) {
        if (!round.valid()) continue;
        ++series.rounds;
        std::array<double, 3> values{};
        bool complete = true;
        for (const Arm arm : {Arm::baseline, Arm::control, Arm::candidate}) {
            const auto* metric = find_metric(round[arm], info);
            auto& value = values[static_cast<std::size_t>(arm)];
            if (metric && series.phase.empty()) series.phase = metric->phase;
            if (metric && arm == Arm::baseline) series.baseline_samples += metric->n;
            if (metric && arm == Arm::candidate) series.candidate_samples += metric->n;
            if (metric && metric->value) {
                value = *metric->value;
            } else if (is_latency(info) && saturated(round[arm])) {
                value = INFINITY;
            } else {
                complete = false;
                if (series.missing_reason.empty()) {
                    series.missing_reason = fmt::format("{}: {}", to_string(arm),
                                                        metric ? metric->absent : "not measured");
                }
            }
        }
        if (!complete) {
            ++series.missing;
            continue;
        }
        const auto take = [&](Arm arm, std::vector<double>& all, std::uint32_t& saturations) {
            all.push_back(values[static_cast<std::size_t>(arm)]);
            saturations += std::isinf(all.back()) ? 1 : 0;
        };
        take(Arm::baseline, series.baseline, series.baseline_saturated);
        take(Arm::control, series.control, series.control_saturated);
        take(Arm::candidate, series.candidate, series.candidate_saturated);
    }
    return series;
}

}  // namespace crucible::lab
