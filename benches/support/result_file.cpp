#include "support/result_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "crucible_version.h"
#include "lab/compare/json_parts.h"
#include "lab/record/environment.h"
#include "runtime/event/rfc3339.h"

namespace crucible::bench {
namespace {

using nlohmann::json;
using Run = benchmark::BenchmarkReporter::Run;

/// All repetitions of one benchmark.
struct Scenario {
    std::string name;
    std::vector<const Run*> runs;
};

/// Without the library's suffixes about which clocks it read.
std::string name_of(const Run& run) {
    const auto& name = run.run_name;
    return name.threads.empty() ? name.function_name : name.function_name + "/" + name.threads;
}

std::vector<Scenario> scenarios_of(const std::vector<Run>& runs) {
    std::vector<Scenario> scenarios;
    for (const auto& run : runs) {
        // Means and deviations over repetitions are computed here.
        if (run.run_type == Run::RT_Aggregate) continue;
        const auto name = name_of(run);
        const auto found = std::ranges::find(scenarios, name, &Scenario::name);
        if (found != scenarios.end()) {
            found->runs.push_back(&run);
        } else {
            scenarios.push_back({name, {&run}});
        }
    }
    return scenarios;
}

double counter(const Run& run, const std::string& name) {
    const auto found = run.counters.find(name);
    return found == run.counters.end() ? 0.0 : found->second.value;
}

template <typename Value>
json metric(const Scenario& scenario, std::string_view name, std::string_view unit,
            std::string_view better, Value value) {
    std::vector<double> values;
    for (const auto* run : scenario.runs) {
        if (!run->error_occurred) values.push_back(value(*run));
    }
    json out{{"name", name},       {"unit", unit},       {"better", better},
             {"value", nullptr},   {"ci_low", nullptr},  {"ci_high", nullptr},
             {"n", values.size()}, {"interval", "none"}, {"absent", ""}};
    if (values.empty()) {
        out["absent"] = "the benchmark failed";
        return out;
    }
    const auto n = static_cast<double>(values.size());
    double mean = 0;
    for (const double one : values) mean += one / n;
    out["value"] = mean;
    if (values.size() < 2) return out;
    double squares = 0;
    for (const double one : values) squares += (one - mean) * (one - mean);
    const boost::math::students_t distribution(n - 1);
    const double half =
        boost::math::quantile(distribution, 0.975) * std::sqrt(squares / (n - 1) / n);
    out["ci_low"] = mean - half;
    out["ci_high"] = mean + half;
    out["interval"] = "across_trials";
    return out;
}

json to_json(const Scenario& scenario) {
    const auto per_event = [](double total, const Run& run) {
        return total / std::max(counter(run, "events"), 1.0);
    };
    double handled = 0;
    std::string failure;
    for (const auto* run : scenario.runs) {
        if (run->error_occurred) failure = run->error_message;
        if (!run->error_occurred) handled += counter(*run, "events");
    }
    json metrics = json::array();
    metrics.push_back(metric(scenario, "throughput", "events/s", "higher",
                             [](const Run& run) { return counter(run, "items_per_second"); }));
    metrics.push_back(metric(scenario, "cpu_per_event", "s", "lower", [&](const Run& run) {
        return run.counters.contains("cpu_per_event") ? counter(run, "cpu_per_event")
                                                      : per_event(run.cpu_accumulated_time, run);
    }));
    for (const auto& [name, unit] : {std::pair("allocations_per_event", "allocations"),
                                     std::pair("allocated_bytes_per_event", "bytes")}) {
        metrics.push_back(metric(scenario, name, unit, "lower",
                                 [&](const Run& run) { return counter(run, name); }));
    }
    const auto events = static_cast<std::uint64_t>(handled);
    return json{
        {"name", scenario.name},
        {"description", "in one process, with Google Benchmark"},
        {"trials", scenario.runs.size()},
        {"metrics", metrics},
        {"delivery",
         {{"planned", events},
          {"sent", events},
          {"handled", events},
          {"rejected", 0},
          {"lost", 0},
          {"duplicated", 0},
          {"reordered", 0}}},
        {"checks",
         json::array({{{"name", "all_handled"},
                       {"passed", failure.empty()},
                       {"detail", failure.empty() ? fmt::format("{} events", events) : failure}}})},
        {"series", json::array()},
        {"harness", json::array()},
        {"curves", json::object()},
        {"histograms", json::object()}};
}

}  // namespace

std::string RecordingReporter::failure() const {
    for (const auto& run : runs_) {
        if (run.error_occurred)
            return fmt::format("{}: {}", run.benchmark_name(), run.error_message);
    }
    return {};
}

Result<> write_result_file(const std::string& path, const RecordingReporter& reporter,
                           const std::vector<std::string>& command, WallTime started,
                           Duration duration) {
    json scenarios = json::array();
    for (const auto& scenario : scenarios_of(reporter.runs()))
        scenarios.push_back(to_json(scenario));
    const auto failure = reporter.failure();
    const json result{
        {"schema", "crucible.run/1"},
        {"crucible", {{"version", kCrucibleVersion}, {"commit", kCrucibleCommit}}},
        {"environment", lab::environment_json(lab::read_environment())},
        {"command", command},
        {"seed", 1},
        {"started", runtime::to_rfc3339(started)},
        {"duration_seconds", std::chrono::duration<double>(duration).count()},
        {"interrupted", false},
        {"failure", failure.empty() ? json() : json{{"code", "failed"}, {"message", failure}}},
        {"target", "in-process"},
        {"scenarios", scenarios}};
    return base::write_file(path, result.dump(1) + "\n");
}

}  // namespace crucible::bench
