#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "lab/aggregate/metric.h"

namespace crucible::lab::scale {

/// One limit of a service level objective: a metric of a trial must stay on one side of a bound.
struct SloLimit {
    enum class Side : std::uint8_t { below, at_most, above, at_least };

    const MetricInfo* metric = nullptr;
    Side side = Side::below;
    double bound = 0;  ///< in the metric's unit
    std::string text;  ///< as written, without blanks: "latency_p99<10ms"

    bool holds(double value) const noexcept;
};

/// Limits that must all hold.
struct Slo {
    std::vector<SloLimit> limits;
    std::string text;  ///< the limits' texts with commas between them

    /// Whether it limits memory, processors or threads, in which the harness has a share.
    bool limits_resources() const noexcept;

    /// Limits joined by commas, each METRIC < <= > >= VALUE with the unit of the metric:
    ///     slo    = limit *("," limit)
    ///     limit  = metric ("<" | "<=" | ">" | ">=") value
    ///     metric = a name of known_metrics()
    ///     value  = a time ("10ms"), a rate ("500/s"), a size ("64MiB"; of payload_throughput
    ///              "10MiB/s"), a share ("0.1%") or a number, as the metric's unit is
    /// Blanks may stand between the parts; a metric may have one limit for each side.
    /// - Errc::invalid_argument: one line with the column (from 1) and the words from there on,
    /// what
    ///   is wrong with them and what is allowed.
    static Result<Slo> parse(std::string_view text);
};

/// One limit against one trial.
struct SloOutcome {
    const SloLimit* limit = nullptr;
    std::optional<double> value;
    /// Without a value: it is no more than this, which keeps the limit.
    std::optional<double> at_most;
    bool broken = false;
    /// How far the value is beyond the bound, as a fraction of the bound (0.2: 20 % too much or too
    /// little); negative: the room that is left. None where the bound is 0 or there is no value.
    std::optional<double> excess;
    std::string absent;  ///< why there is no value

    /// Whether anything is known of the limit.
    bool judged() const noexcept { return value || at_most || broken; }
};

/// How a trial keeps an SLO.
struct SloJudgement {
    std::vector<SloOutcome> outcomes;  ///< in the order of the limits
    /// A limit could not be judged, so that the trial says nothing unless another one is broken.
    bool unknown = false;
    bool broken = false;
    /// The broken limit with the largest excess; null where none is broken.
    const SloOutcome* worst() const noexcept;
};

/// Judges `metrics`, those of one trial, by `slo`, which must outlive the result. Where the backlog
/// grew without end (`saturated`), latencies have no value of their own: they would be as large as
/// one waits, so a limit on them from above is broken. A cost that the harness's own hides is known
/// to be below a bound: where that keeps a limit from above, it is kept.
SloJudgement judge_slo(const Slo& slo, const std::vector<MetricValue>& metrics, bool saturated);

/// "latency_p99<10ms broken: 14.2 ms, 42 % beyond", for people.
std::string describe(const SloOutcome& outcome);

/// A value of `metric` with its unit, for people: "1.53 ms", "6,916/s", "4.20 MiB", "0.1 %".
std::string format_metric_value(const MetricInfo& metric, double value);

}  // namespace crucible::lab::scale
