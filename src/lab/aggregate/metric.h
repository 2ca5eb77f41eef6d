#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lab/run/trial.h"

namespace crucible::lab {

enum class Better : std::uint8_t { higher, lower };
std::string_view to_string(Better better) noexcept;

/// A metric's fixed facts. Names are those of docs/terminology.md.
struct MetricInfo {
    std::string_view name;  ///< "latency_p99"
    std::string_view unit;  ///< "s", "events/s", "bytes", "1"
    Better better;
    bool gated;  ///< belongs to the gate family declared before the run
};

/// Every metric there is, in the order in which reports show them.
std::span<const MetricInfo> known_metrics() noexcept;
const MetricInfo* find_metric(std::string_view name) noexcept;

/// One metric of one trial. No value where it can't be known; then `absent` says why in one line.
struct MetricValue {
    const MetricInfo* info;
    std::optional<double> value;
    std::string absent;
    /// Without a value: it is no more than this. Of net costs that the harness's own hide.
    std::optional<double> at_most;
    std::optional<double> ci_low;  ///< 95 %, within the run; description, not evidence
    std::optional<double> ci_high;
    std::uint64_t n = 0;  ///< samples behind the value
    std::string phase;    ///< the phase it was taken from; empty where all phases count
};

/// Net costs below this share of the harness's own are not told apart from it: the harness's cost
/// differs by some 3 % from round to round, and a net value is asked to be three times that.
inline constexpr double kHarnessResolution = 0.10;

/// All metrics of one trial, in the order of known_metrics(). `harness` is the same plan against
/// `null:` in the same round: its CPU, memory, threads and context switches are subtracted, so that
/// the values are those of the system alone. Without it they are gross.
///
/// Throughput and fairness come from the closed-loop phase where there is one; latencies, stalls
/// and resources from the open-loop phase, where every system is offered the same load. Delivery
/// counts (error_rate, lost, duplicated, reordered) cover all phases.
std::vector<MetricValue> trial_metrics(const TrialResult& trial, const TrialResult* harness);

/// Whether the harness has a share in it, which trial_metrics() subtracts.
bool is_resource(std::string_view name) noexcept;

/// Takes from gross metrics of `trial` those that are of the harness, too, with `why`: for where
/// the values beside them are net.
void remove_gross(std::vector<MetricValue>& metrics, const TrialResult& trial,
                  std::string_view why);

/// Fewest samples from which quantile `p` in (0, 1) has a two-sided 95 % interval: 36 for p90, 72
/// for p95, 368 for p99, 3,688 for p99.9. Below it the quantile is not reported.
std::uint64_t quantile_samples_min(double p) noexcept;

/// The phase whose latencies a trial reports: the open-loop one, else the first. Null when there is
/// none.
const PhaseResult* latency_phase(const std::vector<PhaseResult>& phases) noexcept;
/// The phase whose throughput a trial reports: the closed-loop one, else the first.
const PhaseResult* throughput_phase(const std::vector<PhaseResult>& phases) noexcept;

/// How fast the backlog of all clients grew, from the start of the phase to its peak, in events/s.
double backlog_growth(const PhaseResult& phase);

/// `count` with thousands separators: "12,345".
std::string format_integer(std::uint64_t count);

}  // namespace crucible::lab
