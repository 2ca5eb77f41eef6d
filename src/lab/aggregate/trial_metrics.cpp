#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <span>
#include <utility>

#include "base/assert.h"
#include "lab/aggregate/metric.h"
#include "lab/stats/batch_means.h"
#include "lab/stats/quantile_ranks.h"

namespace crucible::lab {
namespace {

constexpr double kLevel = 0.95;

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Fills the metrics of one trial by name, each exactly once.
class MetricTable {
public:
    MetricTable() {
        for (const auto& info : known_metrics()) values_.push_back({.info = &info});
    }

    MetricValue& operator[](std::string_view name) {
        const auto found = std::ranges::find_if(
            values_, [name](const MetricValue& value) { return value.info->name == name; });
        CRUCIBLE_ASSERT(found != values_.end());
        return *found;
    }

    std::vector<MetricValue> take() {
        for (auto& metric : values_) {
            if (metric.value && !std::isfinite(*metric.value)) {
                metric.value.reset();
                metric.absent = "not a finite number";
            }
        }
        return std::move(values_);
    }

private:
    std::vector<MetricValue> values_;
};

void absent(MetricValue& metric, std::string reason) {
    metric.absent = std::move(reason);
}

/// The parts of `series`, `interval` each, that lie within the measured window.
template <typename Part>
std::span<const Part> within_window(const std::vector<Part>& series, Duration interval,
                                    const PhaseResult& phase) {
    if (phase.clients.empty() || interval <= Duration::zero()) return {};
    const auto& client = phase.clients.front();
    const Duration end = client.window_start + client.window;
    const auto first =
        static_cast<std::size_t>((client.window_start + interval - Duration(1)) / interval);
    const auto last = std::min(static_cast<std::size_t>(end / interval), series.size());
    if (first >= last) return {};
    return std::span(series).subspan(first, last - first);
}

/// How many independent latencies the phase's `n` are worth for quantile `p`, which is `value`:
/// neighbours that waited in the same queue say the same thing. From how much the share of those up
/// to `value` varies over the course of the phase; `n` where that is too short to tell.
std::uint64_t independent_samples(const PhaseResult& phase, std::uint64_t n, double p,
                                  Duration value) {
    if (phase.clients.empty()) return n;
    std::vector<stats::Batch> up_to;
    std::vector<stats::Batch> below;
    for (const auto& part :
         within_window(phase.latency_series, phase.clients.front().latency_interval, phase)) {
        const auto all = static_cast<double>(part.count());
        up_to.push_back({all, static_cast<double>(part.count_up_to(value))});
        below.push_back({all, static_cast<double>(part.count_below(value))});
    }
    auto share = stats::batch_means(up_to, kLevel);
    if (!share) return n;
    // The value is one of a step's: take the step's end at which the share is nearer to p, and of
    // the highest step its beginning, as a share of all does not vary.
    const auto other = stats::batch_means(below, kLevel);
    if (share->estimate >= 1 || std::abs(other->estimate - p) < std::abs(share->estimate - p))
        share = other;
    // Those of n independent values would have the variance share (1 - share) / n.
    const double normal = boost::math::quantile(boost::math::normal(), 0.5 + kLevel / 2);
    const double error = (share->interval.high - share->estimate) / normal;
    const double worth = share->estimate * (1 - share->estimate) / (error * error);
    return worth < static_cast<double>(n) ? static_cast<std::uint64_t>(worth) : n;
}

/// Where a quantile of order p has so many samples, it is shown even without an interval.
std::uint64_t enough_samples(double p) {
    return static_cast<std::uint64_t>(std::llround(10 / (1 - p)));
}

void quantile(MetricValue& metric, const Histogram& histogram, double p, std::string_view label) {
    metric.n = histogram.count();
    if (metric.n == 0) return absent(metric, "no event was completed after the warm-up");
    if (!stats::quantile_ranks(metric.n, p, kLevel)) {
        return absent(metric, fmt::format("{} samples; {} needs {}", format_integer(metric.n),
                                          label, format_integer(quantile_samples_min(p))));
    }
    metric.value = seconds(histogram.quantile(p));
}

/// The interval of a quantile of the phase's latencies, or of its service times.
void quantile_interval(MetricValue& metric, const Histogram& histogram, double p,
                       std::string_view label, const PhaseResult& phase) {
    if (!metric.value) return;
    const auto worth = independent_samples(phase, metric.n, p, phase.latency.quantile(p));
    const auto ranks = stats::quantile_ranks(worth, p, kLevel);
    if (!ranks) {
        if (metric.n < enough_samples(p)) {
            metric.value.reset();
            absent(metric, fmt::format("{} samples are worth {} independent ones; {} needs {}",
                                       format_integer(metric.n), format_integer(worth), label,
                                       format_integer(quantile_samples_min(p))));
        }
        return;
    }
    // The same places among all samples.
    const auto place = [&](std::uint64_t rank) {
        const double share = static_cast<double>(rank) / static_cast<double>(worth);
        const auto at = std::ceil(share * static_cast<double>(metric.n));
        return std::clamp<std::uint64_t>(static_cast<std::uint64_t>(at), 1, metric.n);
    };
    metric.ci_low = seconds(histogram.value_at_rank(place(ranks->low)));
    metric.ci_high = seconds(histogram.value_at_rank(place(ranks->high)));
}

/// `value` with the interval that the stretches give it.
void around(MetricValue& metric, const std::optional<stats::LocationEstimate>& estimate) {
    if (!metric.value || !estimate) return;
    // The stretches hold what ended in them, the value what was due: all but the same.
    const double reach = estimate->interval.high - estimate->estimate;
    metric.ci_low = std::max(0.0, *metric.value - reach);
    metric.ci_high = *metric.value + reach;
}

std::optional<stats::LocationEstimate> mean_latency(const PhaseResult& phase) {
    if (phase.clients.empty()) return std::nullopt;
    std::vector<stats::Batch> stretches;
    for (const auto& part :
         within_window(phase.series, phase.clients.front().series_interval, phase)) {
        stretches.push_back({static_cast<double>(part.handled), seconds(part.latency_sum)});
    }
    return stats::batch_means(stretches, kLevel);
}

std::optional<stats::LocationEstimate> mean_rate(const PhaseResult& phase) {
    // In open loop the rate is the plan's.
    if (phase.clients.empty() || phase.phase.open_loop()) return std::nullopt;
    const Duration interval = phase.clients.front().series_interval;
    std::vector<stats::Batch> stretches;
    for (const auto& part : within_window(phase.series, interval, phase))
        stretches.push_back({seconds(interval), static_cast<double>(part.handled)});
    return stats::batch_means(stretches, kLevel);
}

std::string saturation_reason(const PhaseResult& phase) {
    return fmt::format(
        "saturated: the backlog grew by {} events/s; latency would only reflect how long the run "
        "was",
        format_integer(static_cast<std::uint64_t>(std::llround(backlog_growth(phase)))));
}

void fill_latencies(MetricTable& table, const PhaseResult& phase) {
    struct Quantile {
        std::string_view metric;
        const Histogram& histogram;
        double p;
        std::string_view label;
    };
    for (const auto& [name, histogram, p, label] : {
             Quantile{"latency_p50", phase.latency, 0.5, "p50"},
             Quantile{"latency_p90", phase.latency, 0.9, "p90"},
             Quantile{"latency_p95", phase.latency, 0.95, "p95"},
             Quantile{"latency_p99", phase.latency, 0.99, "p99"},
             Quantile{"latency_p999", phase.latency, 0.999, "p99.9"},
             Quantile{"service_time_p99", phase.service_time, 0.99, "p99"},
         }) {
        table[name].phase = phase.phase.name;
        if (phase.saturated) {
            absent(table[name], saturation_reason(phase));
        } else {
            quantile(table[name], histogram, p, label);
            quantile_interval(table[name], histogram, p, label, phase);
        }
    }
    const std::pair<std::string_view, double> moments[] = {
        {"latency_mean", phase.latency.mean_ns() * 1e-9},
        {"latency_max", seconds(phase.latency.max())}};
    for (const auto& [name, value] : moments) {
        auto& metric = table[name];
        metric.phase = phase.phase.name;
        metric.n = phase.latency.count();
        if (phase.saturated) {
            absent(metric, saturation_reason(phase));
        } else if (metric.n == 0) {
            absent(metric, "no event was completed after the warm-up");
        } else {
            metric.value = value;
        }
    }
    around(table["latency_mean"], mean_latency(phase));
    auto& lateness = table["lateness_p99"];
    lateness.phase = phase.phase.name;
    if (phase.phase.open_loop()) {
        quantile(lateness, phase.lateness, 0.99, "p99");
    } else {
        absent(lateness, "closed loop: no event has a due time");
    }
}

void fill_throughput(MetricTable& table, const PhaseResult& phase) {
    std::uint64_t in_window = 0;
    for (const auto& client : phase.clients) in_window += client.completed_in_window;
    for (const auto& [name, value] : {std::pair{"throughput", phase.throughput},
                                      std::pair{"payload_throughput", phase.payload_throughput}}) {
        auto& metric = table[name];
        metric.phase = phase.phase.name;
        metric.n = in_window;
        if (value > 0) {
            metric.value = value;
        } else {
            absent(metric, phase.throughput > 0 ? "the requests hold no payload"
                                                : "no event was completed in the measured window");
        }
    }
    around(table["throughput"], mean_rate(phase));

    auto& fairness = table["fairness"];
    fairness.phase = phase.phase.name;
    fairness.n = phase.clients.size();
    if (phase.clients.size() < 2)
        return absent(fairness, "one client: there is nobody to be fair to");
    double slowest = INFINITY;
    double fastest = 0;
    for (const auto& client : phase.clients) {
        if (client.window <= Duration::zero()) return absent(fairness, "a client measured nothing");
        const double rate =
            static_cast<double>(client.completed_in_window) / seconds(client.window);
        slowest = std::min(slowest, rate);
        fastest = std::max(fastest, rate);
    }
    if (fastest > 0) {
        fairness.value = slowest / fastest;
    } else {
        absent(fairness, "no event was completed in the measured window");
    }
}

/// `gross` minus what the harness itself used, where that leaves something to speak of.
void net(MetricValue& metric, double gross, std::optional<double> harness) {
    if (!harness) {
        metric.value = gross;
        return;
    }
    const double rest = gross - *harness;
    const double resolution = kHarnessResolution * *harness;
    if (rest <= 0 || rest < resolution) {
        metric.at_most = resolution;
        return absent(metric, "within the harness's own cost");
    }
    metric.value = rest;
}

void fill_per_event(MetricTable& table, const PhaseResult& phase, const PhaseResult* harness) {
    const auto per_event = [](const PhaseResult& result, double amount) {
        return amount / static_cast<double>(result.delivery.handled);
    };
    const auto switches = [](const Usage& usage) {
        return static_cast<double>(usage.voluntary_switches + usage.involuntary_switches);
    };
    auto& cpu = table["cpu_per_event"];
    auto& switched = table["context_switches_per_event"];
    cpu.n = switched.n = phase.delivery.handled;
    if (phase.delivery.handled == 0 || (harness && harness->delivery.handled == 0)) {
        absent(cpu, "no event was handled");
        absent(switched, "no event was handled");
        return;
    }
    std::optional<double> harness_cpu;
    std::optional<double> harness_switches;
    if (harness) {
        harness_cpu = per_event(*harness, seconds(harness->usage.cpu));
        harness_switches = per_event(*harness, switches(harness->usage));
    }
    net(cpu, per_event(phase, seconds(phase.usage.cpu)), harness_cpu);
    net(switched, per_event(phase, switches(phase.usage)), harness_switches);
}

constexpr std::string_view kResourceNames[] = {"cpu_per_event", "cpu_utilization",
                                               "memory_peak",   "memory_mean",
                                               "threads",       "context_switches_per_event"};

void fill_resources(MetricTable& table, const PhaseResult& phase, const PhaseResult* harness,
                    std::string_view why_absent) {
    for (const auto name : kResourceNames) {
        table[name].phase = phase.phase.name;
        table[name].n = phase.usage.samples;
        if (phase.usage.samples == 0) absent(table[name], std::string(why_absent));
    }
    if (phase.usage.samples == 0) return;
    fill_per_event(table, phase, harness);

    const auto harness_value = [harness](auto value) {
        return harness ? std::optional<double>(value(harness->usage)) : std::nullopt;
    };
    const auto cores = [](const Usage& usage) { return seconds(usage.cpu) / seconds(usage.wall); };
    auto& utilization = table["cpu_utilization"];
    if (harness && !phase.phase.open_loop()) {
        absent(utilization, "closed loop: the harness alone runs at another rate");
    } else if (phase.usage.wall <= Duration::zero()) {
        absent(utilization, "no time passed");
    } else {
        net(utilization, cores(phase.usage), harness_value(cores));
    }
    net(table["memory_peak"], phase.usage.memory_peak_bytes,
        harness_value([](const Usage& usage) { return usage.memory_peak_bytes; }));
    net(table["memory_mean"], phase.usage.memory_mean_bytes,
        harness_value([](const Usage& usage) { return usage.memory_mean_bytes; }));
    // Threads are counted, not estimated: none beyond the harness's own is a fact, zero.
    const double own = harness ? static_cast<double>(harness->usage.threads_max) : 0;
    table["threads"].value = std::max(0.0, static_cast<double>(phase.usage.threads_max) - own);
}

void fill_delivery(MetricTable& table, const TrialResult& trial) {
    Delivery total;
    for (const auto& phase : trial.phases) total += phase.delivery;
    const std::pair<std::string_view, std::uint64_t> counts[] = {
        {"lost", total.lost},
        {"duplicated", total.duplicated},
        {"reordered", total.reordered_total()}};
    for (const auto& [name, count] : counts) {
        table[name].n = total.sent;
        table[name].value = static_cast<double>(count);
    }
    auto& errors = table["error_rate"];
    errors.n = total.sent;
    if (total.sent == 0) return absent(errors, "no event was sent");
    errors.value =
        static_cast<double>(total.rejected + total.lost) / static_cast<double>(total.sent);
}

const PhaseResult* same_phase(const TrialResult* trial, const PhaseResult& phase) {
    if (!trial) return nullptr;
    const auto found = std::ranges::find_if(trial->phases, [&phase](const PhaseResult& other) {
        return other.phase.name == phase.phase.name;
    });
    return found == trial->phases.end() ? nullptr : &*found;
}

}  // namespace

std::vector<MetricValue> trial_metrics(const TrialResult& trial, const TrialResult* harness) {
    MetricTable table;
    const PhaseResult* load = latency_phase(trial.phases);
    if (!load) {
        auto values = table.take();
        for (auto& metric : values) absent(metric, "no phase was run");
        return values;
    }
    fill_latencies(table, *load);
    fill_throughput(table, *throughput_phase(trial.phases));
    if (trial.includes_clients) {
        fill_resources(table, *load, same_phase(harness, *load), "no process could be sampled");
    } else {
        // The server's own processes: nothing of the harness is in them.
        fill_resources(table, *load, nullptr,
                       "the server's processes are not known; its option pid names one");
    }
    fill_delivery(table, trial);

    auto& stall = table["longest_stall"];
    stall.phase = load->phase.name;
    stall.n = load->completed;
    Duration longest{};
    for (const auto& client : load->clients) longest = std::max(longest, client.longest_stall);
    stall.value = seconds(longest);
    return table.take();
}

bool is_resource(std::string_view name) noexcept {
    return std::ranges::find(kResourceNames, name) != std::ranges::end(kResourceNames);
}

void remove_gross(std::vector<MetricValue>& metrics, const TrialResult& trial,
                  std::string_view why) {
    if (!trial.includes_clients) return;
    for (auto& metric : metrics) {
        if (!metric.value || !is_resource(metric.info->name)) continue;
        metric = {.info = metric.info, .phase = metric.phase};
        absent(metric, std::string(why));
    }
}

}  // namespace crucible::lab
