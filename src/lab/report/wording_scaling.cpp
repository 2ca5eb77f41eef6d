#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {
namespace {

constexpr std::size_t kRemarksShown = 2;
constexpr std::size_t kExcludedShown = 3;
constexpr std::size_t kLimitsShown = 2;

const MemoryMetric* scaling_metric(const std::vector<MemoryMetric>& metrics,
                                   std::string_view name) {
    const auto found = std::ranges::find(metrics, name, &MemoryMetric::name);
    return found == metrics.end() || !found->estimate.value ? nullptr : &*found;
}

std::string metric_cell(const ScalingPoint& point, std::string_view name) {
    const auto* metric = scaling_metric(point.metrics, name);
    return metric == nullptr ? std::string(kNoValue)
                             : format_value(name, metric->unit, *metric->estimate.value);
}

/// " [4, 5]" in the unit that `form` gives; empty without an interval. One without an upper end has
/// a lower one only.
template <typename Form>
std::string interval_of(const Estimate& estimate, Form form) {
    if (!estimate.low) return {};
    const auto high = estimate.high ? form(*estimate.high) : std::string("no end");
    return fmt::format(" [{}, {}]", form(*estimate.low), high);
}

std::string share(double value) {
    return fmt::format("{:.3g} %", 100 * value);
}

std::string share_or_less(const Estimate& estimate) {
    return share(estimate.value.value_or(0)) +
           interval_of(estimate, [](double value) { return share(value); });
}

/// The singular of the axis's unit: "client".
std::string one_more(const ScalingDocument& document) {
    if (document.axis == "rate") return "event/s";
    if (document.axis == "payload") return "byte";
    return document.unit.substr(0, document.unit.size() - 1);
}

/// Trials at a load, of which the majority counts.
constexpr std::uint64_t kMajorityOf = 3;

/// Loads within the bounds that the curves, measured after the search, have on their other side: a
/// system or a machine that is not what it was then. Empty where there is none.
std::string other_in_the_curves(const ScalingDocument& document, const ScalingTarget& target) {
    const auto& point = *target.breaking_point;
    std::string loads;
    for (const auto& at : target.points) {
        const auto trials = at.held + at.broken;
        const bool lower_broke = point.lower && at.load < *point.lower && at.broken > at.held;
        const bool higher_held = point.upper && at.load > *point.upper && at.held > at.broken;
        if (trials < kMajorityOf || !(lower_broke || higher_held)) continue;
        loads += fmt::format("{}{} held in {} of {} trials", loads.empty() ? "" : ", ",
                             format_axis_load(document, at.load), at.held, trials);
    }
    return loads;
}

std::string limit_finding(const ScalingDocument& document, const ScalingTarget& target) {
    const auto& point = *target.breaking_point;
    const auto load = [&](double value) { return format_axis_load(document, value); };
    if (point.ending == "below_lowest")
        return fmt::format("{} breaks at the lowest load", target.target);
    if (point.lower && point.upper)
        return fmt::format(
            "{} holds {} and breaks at {}{}", target.target, load(*point.lower), load(*point.upper),
            point.ending == "soak_failed"
                ? fmt::format(", but the soak at {} broke", load(point.soak_load.value_or(0)))
                : "");
    if (point.lower) return fmt::format("{} holds {}", target.target, load(*point.lower));
    if (point.upper) return fmt::format("{} breaks at {}", target.target, load(*point.upper));
    return fmt::format("{}: no breaking point", target.target);
}

/// "8 clients [4 clients, 16 clients], 12,000/s".
std::string most_done(const ScalingDocument& document, const DegradationRow& found) {
    const auto load = [&](double value) { return format_axis_load(document, value); };
    const auto& best = found.best_load.estimate;
    return fmt::format("{}{}, {}/s", load(best.value.value_or(0)), interval_of(best, load),
                       base::format_count(found.best_throughput));
}

std::string curve_finding(const ScalingDocument& document, const ScalingTarget& target) {
    if (!target.degradation) return fmt::format("{}: nothing was measured", target.target);
    return fmt::format("{} does most with {}", target.target,
                       most_done(document, *target.degradation));
}

std::string why_no_interval(const DegradationRow::Figure& figure) {
    return figure.estimate.has_interval() ? std::string()
                                          : fmt::format(" (no interval: {})", figure.absent);
}

/// Whether the interval leaves open that it is `unchanged`.
bool may_be(const DegradationRow::Figure& figure, double unchanged) {
    return figure.estimate.has_interval() && *figure.estimate.low <= unchanged &&
           unchanged <= *figure.estimate.high;
}

void write_growth(std::vector<std::string>& lines, const ScalingDocument& document,
                  const ScalingTarget& target, const DegradationRow& found) {
    const auto& growth = found.latency_growth;
    if (!found.latency_from || !found.latency_to) {
        lines.push_back("latency p99 against the load: " + growth.absent);
        return;
    }
    const auto times = [](double value) { return fmt::format("{:.3g}", value); };
    const auto load = [&](double value) { return format_axis_load(document, value); };
    const auto add = [&](const DegradationRow::Figure& figure, double from) {
        lines.push_back(fmt::format(
            "latency p99 at {} is {}{} times that at {}{}{}", load(*found.latency_to),
            times(figure.estimate.value.value_or(0)), interval_of(figure.estimate, times),
            load(from), may_be(figure, 1) ? ": no change is seen" : "", why_no_interval(figure)));
    };
    const double best = found.best_load.estimate.value.value_or(0);
    if (*found.latency_from < *found.latency_to) add(growth, *found.latency_from);
    if (found.latency_growth_past.estimate.value && *found.latency_from < best &&
        best < *found.latency_to)
        add(found.latency_growth_past, best);
    const double highest = target.points.empty() ? 0 : target.points.back().load;
    if (highest > *found.latency_to) {
        lines.push_back(
            fmt::format("at loads above {} it has no value: it grew for as long as "
                        "they lasted",
                        load(*found.latency_to)));
    }
}

/// What an overload left behind; empty where nobody looked.
std::string after_overload(const ScalingDocument& document, const BreakingPointRow& point) {
    const auto load = [&](double value) { return format_axis_load(document, value); };
    if (!point.hysteresis) {
        return point.hysteresis_absent.empty()
                   ? std::string()
                   : "no way down after an overload: " + point.hysteresis_absent;
    }
    // A trial is held or not as a whole.
    const auto took = [&](double seconds) {
        return seconds > 0 ? fmt::format("within {} of the fall of the load",
                                         base::format_duration(seconds))
                           : std::string("from the fall of the load on");
    };
    if (!*point.hysteresis) {
        return fmt::format("after an overload it holds what it held before{}",
                           point.recovery_seconds ? ", " + took(*point.recovery_seconds) : "");
    }
    std::string text = "after an overload it does not hold what it held before";
    if (point.recovers_at) {
        text += fmt::format("; it recovers at {}", load(*point.recovers_at));
        if (point.recovery_seconds) text += ", " + took(*point.recovery_seconds);
        return text;
    }
    if (point.recovery_allowed_seconds.value_or(0) > 0) {
        text += fmt::format(", not even {} after the fall of the load",
                            base::format_duration(*point.recovery_allowed_seconds));
    }
    if (point.broken_down_to)
        text += fmt::format("; it did not recover down to {}", load(*point.broken_down_to));
    if (!point.hysteresis_absent.empty())
        text += "; whether it recovers lower is not known: " + point.hysteresis_absent;
    return text;
}

std::string soak_sentence(const ScalingDocument& document, const BreakingPointRow& point) {
    const auto load = format_axis_load(document, point.soak_load.value_or(0));
    // What is counted has no 95 %: of four clients the next whole number below is three.
    if (document.axis != "rate")
        return fmt::format("the soak at {} {}", load, *point.soak_passed ? "held, too" : "broke");
    if (*point.soak_passed) return "95 % of what it holds was held for the soak, too";
    return fmt::format("95 % of what it holds, {}, was not held for the soak", load);
}

std::string ending_sentence(const BreakingPointRow& point) {
    if (point.ending == "above_highest")
        return "the highest load of the range was held: it breaks beyond";
    if (point.ending == "below_lowest")
        return "the SLO is broken at the lowest load already: nothing was searched";
    if (point.ending == "injector_limited")
        return fmt::format("higher loads are not known: their trials were not valid: {}",
                           point.invalid);
    if (point.ending == "trials_spent")
        return "the interval is wider than asked for: more trials were not allowed";
    if (point.ending == "soak_failed")
        return "how much it holds for long is not known: the last soak broke";
    if (point.ending == "running") return "the search was not finished";
    return {};
}

}  // namespace

std::string format_axis_load(const ScalingDocument& document, double load) {
    if (document.axis == "rate") return base::format_count(load) + "/s";
    if (document.axis == "payload") return exact(base::format_bytes(load));
    return fmt::format("{} {}", base::format_count(load),
                       load == 1 ? one_more(document) : document.unit);
}

std::string headline(const ScalingDocument& document) {
    if (!document.header.failure.empty()) return "FAILED: " + document.header.failure;
    std::string text = document.header.interrupted ? "INTERRUPTED. "
                       : document.out_of_time      ? "OUT OF TIME. "
                                                   : "";
    for (std::size_t i = 0; i < document.targets.size(); ++i) {
        const auto& target = document.targets[i];
        text += (i > 0 ? "; " : "") + (target.breaking_point ? limit_finding(document, target)
                                                             : curve_finding(document, target));
        if (target.breaking_point && !other_in_the_curves(document, target).empty())
            text += " (not so in the curves, measured afterwards)";
    }
    return text + ".";
}

std::vector<std::string> breaking_point_sentences(const ScalingDocument& document,
                                                  const ScalingTarget& target) {
    std::vector<std::string> lines;
    if (!target.breaking_point) return lines;
    const auto& point = *target.breaking_point;
    const auto load = [&](double value) { return format_axis_load(document, value); };
    std::string bounds;
    if (point.lower) bounds += fmt::format("holds {}", load(*point.lower));
    if (point.upper)
        bounds += fmt::format("{}breaks at {}", bounds.empty() ? "" : ", ", load(*point.upper));
    if (!bounds.empty()) lines.push_back(bounds);
    if (const auto others = other_in_the_curves(document, target); !others.empty()) {
        lines.push_back(
            fmt::format("not so in the curves, measured afterwards: {}; the bounds are of the time "
                        "of the search alone",
                        others));
    }
    if (point.estimate.value) {
        lines.push_back(
            fmt::format("breaking point {}{}", load(*point.estimate.value),
                        interval_of(point.estimate, [&](double value) { return load(value); })));
    }
    if (!point.slo_broken.empty()) lines.push_back(fmt::format("breaks first: {}", point.detail));
    if (!point.death.empty()) {
        lines.push_back(point.died_at
                            ? fmt::format("it died at {}: {}", load(*point.died_at), point.death)
                            : fmt::format("it could not be started: {}", point.death));
    }
    if (point.conditional_throughput)
        lines.push_back(fmt::format("conditional throughput {}/s",
                                    base::format_count(*point.conditional_throughput)));
    for (const auto& soak : point.reopened_by) {
        lines.push_back(fmt::format("the soak at {} broke: searched again with trials of {}",
                                    load(soak.load), base::format_duration(soak.seconds)));
    }
    if (point.soak_passed) lines.push_back(soak_sentence(document, point));
    if (!point.soak_absent.empty()) lines.push_back("no soak: " + point.soak_absent);
    if (const auto after = after_overload(document, point); !after.empty()) lines.push_back(after);
    if (const auto ending = ending_sentence(point); !ending.empty()) lines.push_back(ending);
    lines.push_back(fmt::format("{} trials, {} more invalid", point.trials, point.invalid_trials));
    return lines;
}

std::vector<std::string> law_sentences(const ScalingDocument& document,
                                       const ScalingTarget& target) {
    std::vector<std::string> lines;
    const auto& law = target.law;
    if (!law.absent.empty()) {
        if (document.axis != "rate" && document.axis != "payload")
            lines.push_back("no law of scalability: " + law.absent);
        return lines;
    }
    const auto rate = [](double value) { return base::format_count(value) + "/s"; };
    lines.push_back(fmt::format("one {} does {}{}; contention {}; coherency {}", one_more(document),
                                rate(law.gamma.value.value_or(0)), interval_of(law.gamma, rate),
                                share_or_less(law.alpha), share_or_less(law.beta)));
    if (law.alpha.value.value_or(0) + law.beta.value.value_or(0) > 1) {
        lines.push_back(
            fmt::format("throughput falls from one {} on: two do less", one_more(document)));
    } else if (law.peak) {
        const auto count = [](double value) { return fmt::format("{:.1f}", value); };
        lines.push_back(fmt::format("most with {} {}{}", count(*law.peak->value), document.unit,
                                    interval_of(*law.peak, count)));
    } else {
        lines.push_back("no peak: throughput does not fall with more (Amdahl's law)");
    }
    if (law.limit && law.limit->value)
        lines.push_back(
            fmt::format("at most {}{}", rate(*law.limit->value), interval_of(*law.limit, rate)));
    if (law.p_few_runs < 0.05) {
        lines.push_back(fmt::format(
            "the points do not follow the law: their signs change too seldom (p = {:.2g})",
            law.p_few_runs));
    }
    if (!law.held_out) {
        lines.push_back("not checked at loads that it was not fitted to: fewer than 6 measured");
    } else if (law.hold_out_error) {
        lines.push_back(fmt::format("fitted to the lower loads it misses the highest by {}: {}",
                                    share(*law.hold_out_error),
                                    law.hold_out_passed ? "passed" : "do not extrapolate"));
    } else {
        lines.push_back("the lower loads alone have no such law: do not extrapolate");
    }
    return lines;
}

std::vector<std::string> degradation_sentences(const ScalingDocument& document,
                                               const ScalingTarget& target) {
    std::vector<std::string> lines;
    if (!target.degradation) return lines;
    const auto& found = *target.degradation;
    const double best = found.best_load.estimate.value.value_or(0);
    lines.push_back(fmt::format("measured to do most with {}{}", most_done(document, found),
                                why_no_interval(found.best_load)));
    if (found.worst_load > best) {
        const auto& lost = found.throughput_lost;
        const auto past = format_axis_load(document, best);
        const auto at = format_axis_load(document, found.worst_load);
        const auto amount = share_or_less(lost.estimate);
        lines.push_back(
            may_be(lost, 0)
                ? fmt::format("past {} no fall of throughput is seen: {} at {}", past, amount, at)
                : fmt::format("past {} throughput falls by {} at {}{}", past, amount, at,
                              why_no_interval(lost)));
    }
    write_growth(lines, document, target, found);
    const double highest = target.points.empty() ? best : target.points.back().load;
    const auto rise = [&](const DegradationRow::Figure& figure, std::string_view than) {
        lines.push_back(
            fmt::format("errors at {} are {} more than {}{}{}", format_axis_load(document, highest),
                        share_or_less(figure.estimate), than,
                        may_be(figure, 0) ? ": no change is seen" : "", why_no_interval(figure)));
    };
    rise(found.error_rise, "at the lowest load");
    if (highest > best) rise(found.error_rise_past, "where most is done");
    return lines;
}

std::vector<std::string> forecast_sentences(const ScalingDocument& document,
                                            const ScalingTarget& target) {
    std::vector<std::string> lines;
    if (!target.forecast) return lines;
    const auto& forecast = *target.forecast;
    auto demand = fmt::format("{}/s", base::format_count(forecast.rate));
    if (forecast.peak_factor > 1) demand += fmt::format(", {:g} times that", forecast.peak_factor);
    if (forecast.headroom > 0) demand += fmt::format(", {} free", share(forecast.headroom));
    if (forecast.stall > 0) {
        demand += fmt::format(", the backlog of a stall of {} gone within {}",
                              base::format_duration(forecast.stall),
                              base::format_duration(forecast.drain_within));
    }
    if (!forecast.refused.empty()) {
        lines.push_back(fmt::format("forecast for {}: refused: {}", demand, forecast.refused));
    } else if (forecast.needed && forecast.needed->value) {
        const auto count = [](double value) { return base::format_count(value); };
        auto text = fmt::format("for {}: {}{} {}", demand, count(*forecast.needed->value),
                                interval_of(*forecast.needed, count), forecast.of);
        if (forecast.utilization)
            text += fmt::format(", {} used at the peak", share(*forecast.utilization));
        if (forecast.required)
            text += fmt::format("; {}/s have to fit", base::format_count(*forecast.required));
        if (forecast.stall > 0 && forecast.drain_seconds)
            text += fmt::format("; the backlog is gone after {}",
                                base::format_duration(*forecast.drain_seconds));
        lines.push_back(std::move(text));
    }
    if (forecast.measured_enough && !forecast.refused.empty())
        lines.push_back(fmt::format("measured to be enough: {}",
                                    format_axis_load(document, *forecast.measured_enough)));
    return lines;
}

std::vector<std::string> bottleneck_sentences(const ScalingDocument& document,
                                              const ScalingTarget& target) {
    std::vector<std::string> lines;
    if (!target.bottleneck) {
        if (!target.why_no_bottleneck.empty())
            lines.push_back("what binds is not known: " + target.why_no_bottleneck);
        return lines;
    }
    const auto& found = *target.bottleneck;
    lines.push_back(fmt::format("at {} binds: {} ({} confidence: {})",
                                format_axis_load(document, found.load), found.reason,
                                found.confidence, found.why_confidence));
    for (const auto& figure : found.evidence) lines.push_back("evidence: " + figure);
    if (found.samples && found.core_share) {
        lines.push_back(fmt::format("to see that, {} samples of every thread took {} of a core",
                                    base::format_count(*found.samples), share(*found.core_share)));
    }
    if (found.under_way && found.under_way_most) {
        lines.push_back(fmt::format("events under way: {} on average, {} in the highest sample",
                                    base::format_count(*found.under_way),
                                    base::format_count(*found.under_way_most)));
    }
    if (!found.change.empty()) {
        const auto predicted =
            found.predicted
                ? fmt::format("predicted at most {:.2f} times the throughput", *found.predicted)
                : std::string("no bound can be predicted");
        auto text = fmt::format("{}: {} ({})", found.change, predicted, found.why_change);
        if (found.measured && found.measured->value) {
            const auto times = [](double value) { return fmt::format("{:.2f}", value); };
            const bool beyond =
                found.predicted && found.measured->low.value_or(0) > *found.predicted;
            text += fmt::format("; measured {}{}: {}", times(*found.measured->value),
                                interval_of(*found.measured, times),
                                beyond ? "more than that: it takes away other waiting as well"
                                : found.confirmed ? "confirmed"
                                                  : "not confirmed");
        } else if (!found.no_change.empty()) {
            text += "; not measured: " + found.no_change;
        }
        lines.push_back(std::move(text));
    }
    for (const auto& law : found.laws) lines.push_back(law);
    for (std::size_t i = 0; i < std::min(kExcludedShown, found.others.size()); ++i) {
        const auto& other = found.others[i];
        lines.push_back(fmt::format("{} {}: {}", other.holds ? "also holds:" : "not",
                                    check_label(other.verdict), other.why));
    }
    return lines;
}

std::vector<std::string> limit_sentences(const ScalingDocument& document,
                                         const ScalingTarget& target) {
    std::vector<std::string> lines;
    for (const auto& limit : target.limits) {
        if (!limit.share || lines.size() >= kLimitsShown) continue;
        const auto amount = [&limit](double value) {
            return limit.unit == "B" || limit.unit == "bytes" ? base::format_bytes(value)
                                                              : base::format_count(value);
        };
        auto text = fmt::format("limit {} ({}): {} of {} used, {}", limit.name, limit.kind,
                                amount(limit.used.value_or(0)), amount(limit.limit.value_or(0)),
                                share(*limit.share));
        const auto load = [&](double value) { return format_axis_load(document, value); };
        if (limit.binds_at.value) {
            text += fmt::format("; it would bind at {}{}", load(*limit.binds_at.value),
                                interval_of(limit.binds_at, load));
        } else if (!limit.refused.empty()) {
            text += "; where it would bind is not known: " + limit.refused;
        }
        lines.push_back(std::move(text));
    }
    return lines;
}

std::array<std::string, 8> scaling_cells(const ScalingDocument& document,
                                         const ScalingPoint& point) {
    std::string interval;
    if (const auto* done = scaling_metric(point.metrics, "throughput");
        done != nullptr && done->estimate.has_interval())
        interval = fmt::format("[{}, {}]", base::format_count(*done->estimate.low),
                               base::format_count(*done->estimate.high));
    return {format_axis_load(document, point.load),
            metric_cell(point, "throughput"),
            interval,
            metric_cell(point, "latency_p50"),
            metric_cell(point, "latency_p99"),
            metric_cell(point, "cpu_per_event"),
            metric_cell(point, "memory_peak"),
            fmt::format("{}/{}", point.held, point.held + point.broken)};
}

std::vector<std::string> point_remarks(const ScalingDocument& document, const ScalingPoint& point) {
    std::vector<std::string> lines;
    const auto add = [&](const std::vector<std::string>& remarks, std::string_view what) {
        for (std::size_t i = 0; i < std::min(kRemarksShown, remarks.size()); ++i)
            lines.push_back(
                fmt::format("{}: {}{}", format_axis_load(document, point.load), what, remarks[i]));
        if (remarks.size() > kRemarksShown)
            lines.push_back(fmt::format("{}: {}{} more", format_axis_load(document, point.load),
                                        what, remarks.size() - kRemarksShown));
    };
    add(point.details, "");
    add(point.invalid, "invalid: ");
    return lines;
}

std::vector<std::string> slope_sentences(const ScalingDocument& document,
                                         const ScalingTarget& target) {
    std::vector<std::string> lines;
    for (const auto& slope : target.slopes) {
        if (!slope.estimate.value) continue;
        lines.push_back(fmt::format("{} for each further {}: {}", metric_label(slope.name),
                                    one_more(document), format_with_interval(slope)));
    }
    return lines;
}

std::vector<std::string> curve_comparison_sentences(const ScalingDocument& document,
                                                    const ScalingComparison& comparison) {
    std::vector<std::string> lines;
    const auto ratio = [](const Estimate& estimate) {
        return format_percent_change(*estimate.value) + " %" +
               interval_of(estimate, [](double value) { return format_percent_change(value); });
    };
    for (const auto& [loads, of] : comparison.over_loads) {
        if (!of.ratio.value || loads < 2) continue;
        const auto which = loads == comparison.points.size()
                               ? fmt::format("all {} loads", loads)
                               : fmt::format("the {} of {} loads that most rounds have", loads,
                                             comparison.points.size());
        lines.push_back(fmt::format("{} over {}, each counted alike: {}", metric_label(of.metric),
                                    which, ratio(of.ratio)));
    }
    if (document.axis == "rate" || document.axis == "payload") return lines;
    if (!comparison.why_no_curves.empty()) {
        lines.push_back("the laws of both are not compared: " + comparison.why_no_curves);
        return lines;
    }
    const auto add = [&lines](const std::string& what, const std::optional<Estimate>& estimate,
                              const auto& wording) {
        lines.push_back(fmt::format("{}: {}", what,
                                    estimate && estimate->value
                                        ? wording(*estimate)
                                        : "not known: not both of the laws have one"));
    };
    const auto difference = [](const Estimate& estimate) {
        const auto points = [](double value) { return fmt::format("{:+.3g}", 100 * value); };
        return points(*estimate.value) + interval_of(estimate, points) + " percentage points";
    };
    add(fmt::format("throughput of one {}, by the laws", one_more(document)),
        comparison.gamma_ratio, ratio);
    add("contention", comparison.alpha_difference, difference);
    add("coherency", comparison.beta_difference, difference);
    add("most throughput there is", comparison.limit_ratio, ratio);
    add("load with the most throughput", comparison.peak_ratio, ratio);
    return lines;
}

std::array<std::string, 5> scaling_ratio_cells(const ScalingDocument& document,
                                               const ComparedPoint& point) {
    const auto cell = [&point](std::string_view metric) {
        const auto found = std::ranges::find(point.ratios, metric, &ScalingRatio::metric);
        if (found == point.ratios.end() || !found->ratio.value) return std::string(kNoValue);
        const auto interval = format_ratio_interval(found->ratio);
        return format_percent_change(*found->ratio.value) + " %" +
               (interval.empty() ? "" : " [" + interval + "]");
    };
    return {format_axis_load(document, point.load), cell("throughput"), cell("latency_p50"),
            cell("latency_p99"), cell("memory_peak")};
}

}  // namespace crucible::lab::report
