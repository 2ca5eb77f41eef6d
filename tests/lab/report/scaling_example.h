#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "examples.h"

namespace crucible::lab::report {

using nlohmann::json;

inline json scaling_value(double value, double low, double high) {
    return {{"value", value}, {"ci_low", low}, {"ci_high", high}};
}

inline json scaling_figure(double value, double low, double high) {
    auto figure = scaling_value(value, low, high);
    figure["absent"] = "";
    return figure;
}

inline json scaling_metric(const char* name, const char* unit, double value) {
    json metric = scaling_value(value, 0.9 * value, 1.1 * value);
    metric.update({{"name", name}, {"unit", unit}, {"better", "higher"}, {"absent", ""}, {"n", 6}});
    return metric;
}

/// A target with `each` events/s for each client up to four of them.
inline json scaling_target(const char* url, double each) {
    json points = json::array();
    json curve = json::array();
    for (const int clients : {1, 2, 4, 8}) {
        const double done = each * std::min(clients, 4);
        points.push_back({{"load", clients},
                          {"rounds", 6},
                          {"held", clients < 8 ? 6 : 0},
                          {"broken", clients < 8 ? 0 : 6},
                          {"details", json::array()},
                          {"invalid", json::array()},
                          {"metrics",
                           {scaling_metric("throughput", "events/s", done),
                            scaling_metric("latency_p50", "s", 0.001 * clients),
                            scaling_metric("latency_p99", "s", 0.003 * clients),
                            scaling_metric("cpu_per_event", "s", 80e-6),
                            scaling_metric("memory_peak", "bytes", 8e6 + 1e6 * clients)}}});
        curve.push_back({clients, done, 0.9 * done, 1.1 * done});
    }
    points.back()["details"] = {"latency_p99<20ms broken: 24.0 ms, 20 % beyond"};
    const json figure{{"name", "cpu_utilization"},
                      {"what", "share of the processors in use"},
                      {"unit", "1"},
                      {"observed", 0.97},
                      {"threshold", 0.85},
                      {"direction", "at_least"},
                      {"met", true}};
    const json excluded{
        {"verdict", "io"}, {"holds", false}, {"why", "no storage"}, {"figures", json::array()}};
    const json law{{"law", "littles"},   {"expected", 8.787}, {"observed", 10.36}, {"gap", 0.179},
                   {"tolerance", 0.258}, {"bound", false},    {"holds", true}};
    const json also{{"verdict", "lock_contention"},
                    {"holds", true},
                    {"why", "waits for locks 60 %"},
                    {"figures", json::array()}};
    return {{"target", url},
            {"axis", "clients"},
            {"points", points},
            {"breaking_point",
             {{"lower", 4},
              {"upper", 8},
              {"value", 4.7},
              {"ci_low", 4.1},
              {"ci_high", 7.6},
              {"unit", "clients"},
              {"ending", "trials_spent"},
              {"slo_broken", "latency_p99<20ms"},
              {"detail", "latency_p99<20ms broken: 24.0 ms, 20 % beyond"},
              {"conditional_throughput", 4 * each},
              {"trials", 40},
              {"invalid_trials", 0},
              {"other_trials", 1},
              {"invalid", ""},
              {"spread", 0.02},
              {"spurious_share", 0.01},
              {"soak_passed", true},
              {"soak_load", 3},
              {"soak_absent", ""},
              {"reopened", 0},
              {"hysteresis", nullptr},
              {"hysteresis_absent", ""},
              {"died", nullptr},
              {"course", json::array()}}},
            {"scalability",
             {{"gamma", scaling_value(each, 0.95 * each, 1.05 * each)},
              {"alpha", scaling_value(0.1, 0.05, 0.15)},
              {"beta", scaling_value(0.01, 0, 0.02)},
              {"peak_n", scaling_value(9.5, 6.7, 30)},
              {"limit", scaling_value(4 * each, 3.8 * each, 4.2 * each)},
              {"amdahl", false},
              {"measurements", 24},
              {"load_max", 8},
              {"residual_runs", {{"runs", 8}, {"above", 12}, {"below", 12}, {"p_few", 0.04}}},
              {"hold_out", {{"held_out", 6}, {"worst_error", 0.2}, {"passed", false}}},
              {"curve", curve}}},
            {"degradation",
             {{"best_load", scaling_figure(4, 4, 8)},
              {"best_throughput", 4 * each},
              {"worst_load", 8},
              {"throughput_lost", scaling_figure(0.01, -0.03, 0.05)},
              {"latency_from", 1},
              {"latency_to", 8},
              {"latency_growth", scaling_figure(8, 7, 9)},
              {"latency_growth_past", scaling_figure(2, 1.8, 2.2)},
              {"error_rise", scaling_figure(0, 0, 0)},
              {"error_rise_past", scaling_figure(0, 0, 0)}}},
            {"slopes", json::array()},
            {"bottleneck",
             {{"load", 4},
              {"verdict", "cpu_bound"},
              {"confidence", "high"},
              {"why_confidence", "190 samples, clear of all thresholds"},
              {"reason", "the processors"},
              {"evidence", json::array({figure})},
              {"under_way", {{"mean", 640.5}, {"most", 1'200}}},
              {"excluded", json::array({excluded, also})},
              {"suggestion", nullptr},
              {"intervention",
               {{"target", "daemon:?work=none"},
                {"change", "work=none"},
                {"why", "handlers"},
                {"predicted", 2.5},
                {"measured", scaling_value(2.1, 1.9, 2.3)},
                {"confirmed", true},
                {"absent", ""}}},
              {"laws", json::array({law})},
              {"activity", nullptr}}},
            {"why_no_bottleneck", nullptr},
            {"limits", json::array()},
            {"forecast",
             {{"demand",
               {{"rate", 4'000},
                {"peak_factor", 3},
                {"headroom", 0.3},
                {"stall", 0},
                {"drain_within", 0}}},
              {"refused", "17,143/s is more than twice what was measured"}}}};
}

inline json over_loads(const char* name, const char* unit, const char* better, int loads) {
    json ratio = scaling_value(1.1, 1.05, 1.2);
    ratio["n"] = 6;
    return {{"name", name}, {"unit", unit}, {"better", better}, {"loads", loads}, {"ratio", ratio}};
}

inline json scaling_result() {
    auto result = example("memory.json");
    for (const auto* member : {"clients", "checks", "comparison", "targets"}) result.erase(member);
    json ratios = json::array();
    for (const auto* name : {"throughput", "latency_p50", "latency_p99", "memory_peak"}) {
        json ratio = scaling_value(1.2, 1.1, 1.3);
        ratio["n"] = 6;
        ratios.push_back({{"name", name}, {"unit", "1"}, {"better", "higher"}, {"ratio", ratio}});
    }
    json points = json::array();
    for (const int clients : {1, 2, 4, 8})
        points.push_back({{"load", clients}, {"metrics", ratios}});
    result.update(
        {{"schema", "crucible.scaling/1"},
         {"out_of_time", false},
         {"axis", "clients"},
         {"unit", "clients"},
         {"slo", {{"text", "latency_p99<20ms"}, {"limits", json::array()}}},
         {"rounds", 6},
         {"targets", {scaling_target("coordinator:", 1'000), scaling_target("daemon:", 3'000)}},
         {"comparisons",
          json::array(
              {{{"baseline", "coordinator:"},
                {"candidate", "daemon:"},
                {"curves", {{"absent", "1 of 6 rounds have every load of both; at least 2"}}},
                {"over_loads", json::array({over_loads("throughput", "events/s", "higher", 4)})},
                {"points", points}}})}});
    return result;
}

/// With further targets, each compared with the first.
inline json scaling_result(const std::vector<const char*>& more) {
    auto result = scaling_result();
    for (const auto* url : more) {
        result["targets"].push_back(scaling_target(url, 2'000));
        auto comparison = result["comparisons"][0];
        comparison["candidate"] = url;
        result["comparisons"].push_back(std::move(comparison));
    }
    return result;
}

}  // namespace crucible::lab::report
