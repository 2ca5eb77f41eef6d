#include "lab/compare/comparison.h"
#include "lab/compare/simulated_experiment.h"
#include "lab/compare/stored_files.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

class StoredRun : public StoredFiles {
protected:
    /// result.json of as many trials of one target.
    static json run(std::uint64_t trials) {
        std::vector<TrialResult> results;
        for (std::uint64_t seed = 1; seed <= trials; ++seed)
            results.push_back(simulated_trial(seed));
        return run(results);
    }
    static json run(const std::vector<TrialResult>& trials) {
        TargetUrl target;
        target.text = "a:";
        return run_json({.version = "0.1.0",
                         .commit = "1a2b3c4",
                         .command = {"crucible", "run", "a:"},
                         .started = "2026-01-31T12:00:00Z",
                         .duration_seconds = 3.5},
                        target, Simulation{}.experiment().scenarios[0].scenario, trials, trials);
    }
    StoredResult stored(const json& document) const {
        auto result = read_stored(write("result.json", document));
        EXPECT_TRUE(result) << result.error().message;
        return result.value_or(StoredResult());
    }
};

TEST_F(StoredRun, EachTrialIsAValue) {
    const auto document = run(3);
    const auto result = stored(document);
    EXPECT_EQ(result.kind, StoredKind::crucible_run);
    ASSERT_EQ(result.scenarios.size(), 1u);
    const auto& scenario = result.scenarios[0];
    EXPECT_EQ(scenario.name, "medium");
    EXPECT_EQ(scenario.repetitions, 3u);
    EXPECT_EQ(scenario.delivery->sent, 6000u);
    EXPECT_EQ(scenario.metrics.size(), known_metrics().size());
    const auto& latency = metric_of(result, "latency_p50");
    ASSERT_EQ(latency.values.size(), 3u);
    EXPECT_DOUBLE_EQ(
        latency.values[1],
        document["scenarios"][0]["trial_values"][1]["values"]["latency_p50"].get<double>());
    EXPECT_TRUE(latency.gated);
    EXPECT_EQ(latency.phase, "steady");
    EXPECT_FALSE(metric_of(result, "latency_p90").gated);
    const auto& file = result.files.at(0);
    EXPECT_EQ(file.version, "0.1.0 (1a2b3c4)");
    EXPECT_EQ(file.target, "a:");
    EXPECT_EQ(file.machine.size(), 4u);
    EXPECT_TRUE(file.flaws.empty());
}

// A directory of a result is the result: what else is in there is not a repetition.
TEST_F(StoredRun, TheDirectoryOfAResultIsTheResult) {
    write("run/result.json", run(2));
    write("run/other.json", json({{"schema", "crucible.run/7"}}));
    const auto result = read_stored(path("run"));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->files.size(), 1u);
}

// p99.9 of 2,000 events does not exist; the file says why, and so does the comparison.
TEST_F(StoredRun, AMetricWithoutAValueKeepsItsReason) {
    const auto result = stored(run(1));
    const auto& metric = metric_of(result, "latency_p999");
    EXPECT_TRUE(metric.values.empty());
    EXPECT_EQ(metric.missing, 1u);
    EXPECT_EQ(metric.missing_reason, "2,000 samples; p99.9 needs 3,688");
}

// Shown, never compared: a trial that was too late says nothing of the system.
TEST_F(StoredRun, TrialsThatAreNotValidHaveNoValues) {
    std::vector<TrialResult> trials{simulated_trial(1), simulated_trial(2), simulated_trial(3)};
    for (const std::size_t late : {0u, 2u})
        trials[late].checks.push_back(
            {.name = "schedule_kept", .passed = false, .detail = "lateness p99 9 ms"});
    const auto result = stored(run(trials));
    EXPECT_EQ(result.scenarios.at(0).repetitions, 1u);
    EXPECT_EQ(metric_of(result, "latency_p50").values.size(), 1u);
    EXPECT_EQ(result.files.at(0).flaws,
              std::vector<std::string>{
                  "medium: schedule_kept failed 2 times: trial 1: lateness p99 9 ms"});
}

TEST_F(StoredRun, PartialRunsSayWhy) {
    std::vector<TrialResult> trials{simulated_trial(1), simulated_trial(2)};
    trials[1].failure = Error{Errc::closed, "was killed by signal 9"};
    trials[0].interrupted = true;
    const auto result = stored(run(trials));
    const std::vector<std::string> flaws{"interrupted", "a target failed: was killed by signal 9"};
    EXPECT_EQ(result.files.at(0).flaws, flaws);
    EXPECT_EQ(result.scenarios.at(0).repetitions, 0u);
    EXPECT_EQ(metric_of(result, "latency_p50").missing_reason, "no valid trial");
}

// Files from before trial_values have only what all trials came to: one value, and none where they
// were not valid.
TEST_F(StoredRun, OlderFilesAreOneValue) {
    auto document = run(7);
    document["scenarios"][0].erase("trial_values");
    const auto whole = stored(document);
    EXPECT_EQ(whole.scenarios.at(0).repetitions, 1u);
    EXPECT_EQ(metric_of(whole, "latency_p50").values.size(), 1u);
    EXPECT_EQ(metric_of(whole, "latency_p999").missing, 1u);
    document["scenarios"][0]["checks"].push_back(
        {{"name", "clock_sanity"}, {"passed", false}, {"detail", "1 event"}});
    EXPECT_EQ(stored(document).scenarios.at(0).repetitions, 0u);
}

TEST_F(StoredRun, WhatIsNotWholeIsNamed) {
    const auto whole = run(1);
    const auto refused = [&](const json::json_pointer& at, const json& value,
                             const std::string& message) {
        auto document = whole;
        document[at] = value;
        expect_refused(write("result.json", document), message);
    };
    using namespace nlohmann::literals;
    refused("/scenarios/0/trial_values/0/values/latency_p50"_json_pointer, nullptr,
            ": medium: latency_p50: null is not a number");
    refused("/scenarios/0/trial_values/0/values"_json_pointer, 3,
            ": medium: trial_values: no 'values'");
    refused("/scenarios/0/load/clients"_json_pointer, "four",
            ": medium: load: 'clients' must be number, is string");
    refused("/scenarios/0/load/phases/1/window"_json_pointer, -1,
            ": medium: load: phases: 'window' must be number, is number");
    refused("/scenarios/0/delivery/lost"_json_pointer, 0.5,
            ": medium: delivery: 'lost' must be number, is number");
    refused("/environment/cores"_json_pointer, json::array(), ": environment: 'cores' is array");
    refused("/scenarios"_json_pointer, json::array(), ": no scenario was measured");
    refused("/scenarios/1"_json_pointer, whole["scenarios"][0],
            ": scenario 'medium' is there twice");
    auto document = whole;
    document.erase("target");
    expect_refused(write("result.json", document),
                   ": not a whole crucible.run/1: key 'target' not found");
}

}  // namespace
}  // namespace crucible::lab
