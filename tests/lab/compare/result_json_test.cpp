#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/process.h"
#include "lab/compare/comparison.h"
#include "lab/compare/json_parts.h"
#include "lab/compare/observation.h"
#include "lab/compare/simulated_experiment.h"

namespace crucible::lab {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

const std::filesystem::path kTests = std::filesystem::path(CRUCIBLE_TEST_DATA).parent_path();
const std::filesystem::path kFormats = kTests.parent_path() / "docs" / "formats";

/// What the schema has against `file`; empty when nothing.
std::string validation_errors(const std::string& schema, const std::filesystem::path& file) {
    const auto directory = base::TempDir::make("schema");
    if (!directory) return directory.error().message;
    const auto output = directory->path() / "output";
    auto process = base::Process::start(
        {.arguments = {"/usr/bin/python3", kTests / "lab" / "compare" / "validate_json.py",
                       kFormats / schema, file},
         .inherit = {},
         .standard_output = output,
         .standard_error = directory->path() / "errors"});
    if (!process) return process.error().message;
    const auto status = process->wait(60s);
    if (status && status->signal == 0 && status->exit_code == 0) return {};
    return base::read_file(output).value_or("") +
           base::read_file(directory->path() / "errors").value_or("") + "did not exit 0";
}

std::string validation_errors(const std::string& schema, const json& document) {
    const auto directory = base::TempDir::make("result");
    if (!directory) return directory.error().message;
    const auto file = directory->path() / "result.json";
    if (const auto written = base::write_file(file, document.dump()); !written) {
        return written.error().message;
    }
    return validation_errors(schema, file);
}

const RunFacts kFacts{.version = "0.1.0",
                      .commit = "1a2b3c4",
                      .command = {"crucible", "compare", "a:", "b:"},
                      .started = "2026-01-31T12:00:00Z",
                      .duration_seconds = 3.5,
                      .seed = 7};

json write_comparison(const Experiment& experiment) {
    ExperimentOptions options;
    options.baseline.text = "a:";
    options.candidate.text = "b:";
    return comparison_json(kFacts, options, {}, experiment, compare(experiment, {}));
}

// The shipped examples are what readers of the format start from.
TEST(Examples, FollowTheirSchemas) {
    EXPECT_EQ(validation_errors("comparison.schema.json", kFormats / "examples/comparison.json"),
              "");
    EXPECT_EQ(validation_errors("comparison.schema.json", kFormats / "examples/observation.json"),
              "");
    EXPECT_EQ(validation_errors("run.schema.json", kFormats / "examples/run.json"), "");
    EXPECT_EQ(validation_errors("memory.schema.json", kFormats / "examples/memory.json"), "");
    EXPECT_EQ(validation_errors("allocations.schema.json", kFormats / "examples/allocations.json"),
              "");
    EXPECT_EQ(validation_errors("scaling.schema.json", kFormats / "examples/scaling.json"), "");
}

// A run file from before each trial's values were kept is still one.
TEST(Examples, OlderRunsFollowTheSchema) {
    auto document = json::parse(*base::read_file(kFormats / "examples/run.json"));
    ASSERT_EQ(document["scenarios"][0].erase("trial_values"), 1u);
    EXPECT_EQ(validation_errors("run.schema.json", document), "");
}

// An observation that calls itself a proof, or a measurement without rounds, is neither.
TEST(Examples, ObservationsAndMeasurementsAreNotMixed) {
    const auto observation = json::parse(*base::read_file(kFormats / "examples/observation.json"));
    const auto comparison = json::parse(*base::read_file(kFormats / "examples/comparison.json"));
    auto document = observation;
    document["verdict"] = "adopt";
    EXPECT_NE(validation_errors("comparison.schema.json", document), "");
    document = observation;
    document["observational"] = false;
    EXPECT_NE(validation_errors("comparison.schema.json", document), "");
    document = comparison;
    document["observational"] = true;
    EXPECT_NE(validation_errors("comparison.schema.json", document), "");
    document = comparison;
    document["scenarios"][0]["metrics"][0]["name"] = "real_time";
    EXPECT_NE(validation_errors("comparison.schema.json", document), "");
}

// The schemas are strict: a field they don't know is an error, so that the document and the writer
// cannot part.
TEST(Examples, AnUnknownFieldIsRefused) {
    auto document = json::parse(*base::read_file(kFormats / "examples/comparison.json"));
    document["scenarios"][0]["metrics"][0]["p_value"] = 0.01;
    EXPECT_NE(validation_errors("comparison.schema.json", document), "");
}

TEST(ComparisonJson, FollowsItsSchema) {
    const auto document =
        write_comparison(Simulation{.candidate = {{"throughput", 1.3}}}.experiment());
    EXPECT_EQ(validation_errors("comparison.schema.json", document), "");
    EXPECT_EQ(document["verdict"], "adopt");
    EXPECT_EQ(document["seed"], 7);
    const auto& scenario = document["scenarios"][0];
    EXPECT_EQ(scenario["metrics"][0]["name"], "throughput");
    EXPECT_EQ(scenario["metrics"][0]["verdict"], "better");
    EXPECT_EQ(scenario["metrics"][0]["baseline"]["n"], 10);
    EXPECT_EQ(scenario["delivery"]["candidate"]["handled"], 20'000);
    EXPECT_EQ(scenario["round_details"].size(), 10u);
    EXPECT_EQ(scenario["load"]["phases"][1]["loop"], "closed");
}

// Pooled histograms come back whole: 10 rounds of 2,000 latencies.
TEST(ComparisonJson, HistogramsPoolTheRounds) {
    const auto document = write_comparison(Simulation{}.experiment());
    const auto pooled = Histogram::decode(
        document["scenarios"][0]["histograms"]["latency"]["baseline"].get<std::string>());
    ASSERT_TRUE(pooled) << pooled.error().message;
    EXPECT_EQ(pooled->count(), 20'000u);
}

// Stretches are pooled over the rounds that are compared; the course is that of the first of them.
TEST(ComparisonJson, ShowsBothOverTime) {
    auto experiment = Simulation{.rounds = 6}.experiment();
    auto& rounds = experiment.scenarios[0].rounds;
    rounds[0][Arm::candidate].valid = false;
    for (auto& round : rounds) {
        for (const Arm arm : {Arm::baseline, Arm::candidate}) {
            auto& phase = round[arm].phases[0];
            phase.phase.pattern = *Pattern::parse("spike:100,2000,1s,3s");
            phase.segments.resize(3);
            phase.segments[1].sent = 100;
            for (int i = 0; i < 100; ++i) phase.segments[1].latency.record(2ms);
            phase.clients.resize(1);
            phase.series[1].handled = round.index;
        }
    }
    const auto document = write_comparison(experiment);
    EXPECT_EQ(validation_errors("comparison.schema.json", document), "");
    const auto& scenario = document["scenarios"][0];
    const auto& peak = scenario["segments"]["candidate"][1];
    EXPECT_EQ(peak["name"], "peak");
    EXPECT_EQ(peak["sent"], 500);
    EXPECT_NEAR(peak["latency_p50"].get<double>(), 2e-3, 2e-6);
    for (const auto& series : scenario["series"]["baseline"]) {
        if (series["name"] != "handled" || series["phase"] != "spike") continue;
        EXPECT_EQ(series["values"][1], 1);
    }
}

// A run that broke off in its first round: no interval, no ratio, notes on what was not run. Still
// a file that every reader can read.
TEST(ComparisonJson, APartialResultFollowsItsSchema) {
    auto experiment = Simulation{.rounds = 1}.experiment();
    auto& round = experiment.scenarios[0].rounds[0];
    round[Arm::candidate].valid = false;
    round[Arm::candidate].failure = Error{Errc::failed, "was killed by signal 9"};
    round[Arm::harness] = ArmResult();
    experiment.failure = Error{Errc::failed, "b:: was killed by signal 9"};
    const auto document = write_comparison(experiment);
    EXPECT_EQ(validation_errors("comparison.schema.json", document), "");
    EXPECT_EQ(document["failure"]["code"], "failed");
    EXPECT_EQ(document["scenarios"][0]["rounds"], 0);
    EXPECT_EQ(document["scenarios"][0]["metrics"][0]["ratio"], nullptr);
    EXPECT_EQ(document["scenarios"][0]["delivery"]["baseline"]["sent"], 2000);
    const auto notes = document["scenarios"][0]["round_details"][0]["notes"].dump();
    EXPECT_NE(notes.find("candidate: was killed by signal 9"), std::string::npos) << notes;
    EXPECT_NE(notes.find("harness: not run"), std::string::npos) << notes;
}

// JSON has no NaN: an interval that does not exist is null, an experiment without scenarios is one.
TEST(ComparisonJson, NeverWritesNaN) {
    const auto document = write_comparison(Simulation{.rounds = 3}.experiment());
    EXPECT_EQ(validation_errors("comparison.schema.json", document), "");
    const auto& ratio = document["scenarios"][0]["metrics"][0]["ratio"];
    EXPECT_TRUE(ratio["value"].is_number());
    EXPECT_TRUE(ratio["ci_low"].is_null());
    EXPECT_TRUE(number(NAN).is_null());
    EXPECT_TRUE(number(INFINITY).is_null());
    EXPECT_EQ(validation_errors("comparison.schema.json", write_comparison(Experiment())), "");
}

// Two stored results: every member is there, what only a measurement has is empty, and no NaN of
// an interval that does not exist.
TEST(ObservationJson, FollowsItsSchema) {
    const auto read = [](const char* name) {
        return *read_stored(std::filesystem::path(CRUCIBLE_TEST_DATA) / "stored" / name);
    };
    for (const auto& [first, second] : {std::pair{"benchmark_before.json", "benchmark_after.json"},
                                        {"benchmark_errors.json", "benchmark_errors.json"},
                                        {"benchmark_aggregates.json", "benchmark_before.json"},
                                        {"k6_summary_export.json", "k6_handle_summary.json"}}) {
        const auto baseline = read(first);
        const auto candidate = read(second);
        const auto document =
            observation_json(kFacts, {}, baseline, candidate, *observe(baseline, candidate, {}));
        EXPECT_EQ(validation_errors("comparison.schema.json", document), "") << first;
        EXPECT_EQ(document["verdict"], "not_proven");
        EXPECT_EQ(document["environment"], nullptr);
        EXPECT_TRUE(document["reasons"][0].get<std::string>().starts_with("observational: "));
    }
}

// From p10 to the last quantile with an interval: of 2,000 samples 0.025^(1/2000) = 0.99816.
TEST(Curve, EndsWhereTheSamplesEnd) {
    Histogram histogram;
    for (int i = 1; i <= 2000; ++i) histogram.record(std::chrono::microseconds(i));
    const auto curve = curve_json(histogram);
    ASSERT_EQ(curve.size(), 60u);
    EXPECT_NEAR(curve[0][0].get<double>(), 0.1, 1e-12);
    EXPECT_NEAR(curve[0][1].get<double>(), 200e-6, 0.2e-6);
    EXPECT_NEAR(curve[59][0].get<double>(), 0.99816, 1e-5);
    EXPECT_NEAR(curve[59][1].get<double>(), 1997e-6, 2e-6);
    EXPECT_TRUE(curve_json(Histogram()).empty());
}

json write_run(const std::vector<TrialResult>& trials, const std::vector<TrialResult>& harness) {
    TargetUrl target;
    target.text = "a:";
    return run_json(kFacts, target, Simulation{}.experiment().scenarios[0].scenario, trials,
                    harness);
}

const json& run_metric(const json& document, std::string_view name) {
    for (const auto& metric : document["scenarios"][0]["metrics"]) {
        if (metric["name"] == name) return metric;
    }
    ADD_FAILURE() << name;
    return document;
}

// One trial: its values with the interval within the run, and why p99.9 is not among them.
TEST(RunJson, OfOneTrialFollowsItsSchema) {
    const auto document = write_run({simulated_trial(1)}, {});
    EXPECT_EQ(validation_errors("run.schema.json", document), "");
    EXPECT_EQ(run_metric(document, "latency_p99")["interval"], "within_run");
    EXPECT_EQ(run_metric(document, "latency_p999")["value"], nullptr);
    EXPECT_EQ(run_metric(document, "latency_p999")["absent"], "2,000 samples; p99.9 needs 3,688");
    EXPECT_EQ(document["scenarios"][0]["series"][0]["values"], json({0, 2, 1}));
    const auto& trials = document["scenarios"][0]["trial_values"];
    ASSERT_EQ(trials.size(), 1u);
    EXPECT_EQ(trials[0]["values"]["latency_p99"], run_metric(document, "latency_p99")["value"]);
    EXPECT_FALSE(trials[0]["values"].contains("latency_p999"));
}

// Seven trials: one value over them, its interval across them.
TEST(RunJson, OfSeveralTrialsFollowsItsSchema) {
    std::vector<TrialResult> trials;
    for (std::uint64_t seed = 1; seed <= 7; ++seed) trials.push_back(simulated_trial(seed));
    auto harness = trials;
    for (auto& one : harness) one.phases[0].usage.cpu = 20ms;
    const auto document = write_run(trials, harness);
    EXPECT_EQ(validation_errors("run.schema.json", document), "");
    EXPECT_EQ(run_metric(document, "latency_p99")["interval"], "across_trials");
    EXPECT_EQ(run_metric(document, "latency_p99")["n"], 7);
    EXPECT_DOUBLE_EQ(run_metric(document, "cpu_per_event")["value"].get<double>(), 40e-6);
    EXPECT_EQ(document["scenarios"][0]["delivery"]["sent"], 14'000);
    // Each trial by itself, net of the harness as well.
    ASSERT_EQ(document["scenarios"][0]["trial_values"].size(), 7u);
    for (const auto& each : document["scenarios"][0]["trial_values"]) {
        EXPECT_TRUE(each["valid"].get<bool>());
        EXPECT_DOUBLE_EQ(each["values"]["cpu_per_event"].get<double>(), 40e-6);
    }
}

// Saturated and then dead: no latency, no curve, the failure and what was delivered.
TEST(RunJson, OfAFailedTrialFollowsItsSchema) {
    auto failed = simulated_trial(1);
    failed.phases[0].saturated = true;
    failed.failure = Error{Errc::closed, "crucibled (pid 71) was killed by signal 9"};
    failed.checks.push_back({.name = "not_saturated", .passed = false, .detail = "grew"});
    const auto document = write_run({failed}, {});
    EXPECT_EQ(validation_errors("run.schema.json", document), "");
    EXPECT_EQ(document["failure"]["code"], "closed");
    EXPECT_EQ(run_metric(document, "latency_p50")["value"], nullptr);
    EXPECT_TRUE(document["scenarios"][0]["curves"]["latency"]["target"].empty());
    EXPECT_FALSE(document["scenarios"][0]["trial_values"][0]["valid"].get<bool>());
}

}  // namespace
}  // namespace crucible::lab
