#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lab/run/trial.h"

namespace crucible::lab {

enum class Better : std::uint8_t { higher, lower };

/// A metric's fixed facts. Names are those of docs/terminology.md.
struct MetricInfo {
    std::string_view name;  ///< "latency_p99"
    std::string_view unit;  ///< "s", "events/s", "bytes", "1"
    Better better;
    bool gated;             ///< belongs to the gate family declared before the run
};

/// Every metric there is, in the order in which reports show them.
std::span<const MetricInfo> known_metrics() noexcept;
const MetricInfo* find_metric(std::string_view name) noexcept;

/// One metric of one trial. No value where it can't be known; then `absent` says why in one line.
struct MetricValue {
    const MetricInfo* info;
    std::optional<double> value;
    std::string absent;
    std::optional<double> ci_low;   ///< 95 %, within the run; description, not evidence of a difference
    std::optional<double> ci_high;
    std::uint64_t n = 0;            ///< samples behind the value
};

/// All metrics of one trial. `harness` is the same plan against `null:` in the same round: its CPU and memory are
/// subtracted, so that cpu_per_event and memory_* are those of the system alone. Without it they are gross.
std::vector<MetricValue> trial_metrics(const TrialResult& trial, const TrialResult* harness);

}  // namespace crucible::lab
