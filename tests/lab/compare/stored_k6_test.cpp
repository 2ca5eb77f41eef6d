#include "lab/compare/stored_files.h"

namespace crucible::lab {
namespace {

using StoredK6 = StoredFiles;

// Milliseconds become seconds, as in every other result.
TEST_F(StoredK6, SummaryExportIsOneValueForEachMetric) {
    const auto stored = shipped("k6_summary_export.json");
    EXPECT_EQ(stored.kind, StoredKind::k6_summary);
    ASSERT_EQ(stored.scenarios.size(), 1u);
    std::vector<std::string> names;
    for (const auto& metric : stored.scenarios[0].metrics) {
        names.push_back(metric.name);
        EXPECT_EQ(metric.values.size(), 1u) << metric.name;
    }
    const std::vector<std::string> expected{"http_req_duration_avg", "http_req_duration_min",
                                            "http_req_duration_med", "http_req_duration_max",
                                            "http_req_duration_p90", "http_req_duration_p95",
                                            "http_reqs_rate",        "http_req_failed_rate"};
    EXPECT_EQ(names, expected);
    EXPECT_DOUBLE_EQ(metric_of(stored, "http_req_duration_p95").values[0], 27.9e-3);
    EXPECT_DOUBLE_EQ(metric_of(stored, "http_reqs_rate").values[0], 199.8);
    EXPECT_EQ(metric_of(stored, "http_reqs_rate").better, Better::higher);
    EXPECT_DOUBLE_EQ(metric_of(stored, "http_req_failed_rate").values[0], 0);
    EXPECT_TRUE(stored.files.at(0).machine.empty());
    EXPECT_TRUE(stored.files.at(0).flaws.empty());
    EXPECT_EQ(stored.scenarios[0].load, "{\"vus_max\":10}");
}

// Percentiles are its user's choice; thresholds and checks that were not kept are told.
TEST_F(StoredK6, HandleSummaryIsReadAlike) {
    const auto stored = shipped("k6_handle_summary.json");
    EXPECT_DOUBLE_EQ(metric_of(stored, "http_req_duration_p99.9").values[0], 81e-3);
    EXPECT_DOUBLE_EQ(metric_of(stored, "http_req_failed_rate").values[0], 0.002);
    const std::vector<std::string> flaws{"threshold of http_req_duration: p(95)<30",
                                         "12 of 6000 checks failed"};
    EXPECT_EQ(stored.files.at(0).flaws, flaws);
}

// In --summary-export `true` says that a threshold was crossed.
TEST_F(StoredK6, ThresholdsOfTheOlderFormAreTurnedAround) {
    const auto stored = read_stored(write_text(
        "a.json",
        R"({"metrics": {"http_reqs": {"rate": 5, "thresholds": {"rate>9": true, "rate>1": false}}}})"));
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_EQ(stored->files.at(0).flaws,
              std::vector<std::string>{"threshold of http_reqs: rate>9"});
}

TEST_F(StoredK6, ValuesThatAreNoneAreNamed) {
    expect_refused(write_text("a.json", R"({"metrics": {"http_req_duration": {"avg": null}}})"),
                   ": http_req_duration_avg: null is not a number");
}

}  // namespace
}  // namespace crucible::lab
