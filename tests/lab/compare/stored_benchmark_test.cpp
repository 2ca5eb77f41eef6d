#include "lab/compare/stored_files.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

using StoredBenchmark = StoredFiles;

// Repetitions are the values; the rows of mean, median and deviation beside them are none.
TEST_F(StoredBenchmark, RepetitionsAreTheValues) {
    const auto stored = shipped("benchmark_before.json");
    EXPECT_EQ(stored.kind, StoredKind::google_benchmark);
    ASSERT_EQ(stored.scenarios.size(), 1u);
    EXPECT_EQ(stored.scenarios[0].name, "BM_Sum/4096");
    EXPECT_EQ(stored.scenarios[0].repetitions, 10u);
    ASSERT_EQ(stored.scenarios[0].metrics.size(), 4u);
    const auto& time = metric_of(stored, "real_time");
    EXPECT_EQ(time.values.size(), 10u);
    EXPECT_EQ(time.unit, "s");
    EXPECT_EQ(time.better, Better::lower);
    // 5.8484874634422868 in a row whose time_unit is "us".
    EXPECT_DOUBLE_EQ(time.values[0], 5.8484874634422868e-6);
    EXPECT_EQ(metric_of(stored, "items_per_second").better, Better::higher);
    EXPECT_EQ(metric_of(stored, "bytes_per_second").unit, "bytes/s");
    const std::vector<std::pair<std::string, std::string>> machine{{"host_name", "bench"},
                                                                   {"num_cpus", "2"}};
    EXPECT_EQ(stored.files.at(0).machine, machine);
    EXPECT_EQ(stored.files.at(0).warnings,
              std::vector<std::string>{"the library was built for debugging"});
}

// With --benchmark_report_aggregates_only there is nothing but the mean: one value.
TEST_F(StoredBenchmark, TheMeanAloneIsOneValue) {
    const auto stored = shipped("benchmark_aggregates.json");
    EXPECT_EQ(stored.scenarios.at(0).repetitions, 1u);
    EXPECT_EQ(metric_of(stored, "real_time").values.size(), 1u);
    EXPECT_DOUBLE_EQ(metric_of(stored, "real_time").values.at(0), 6.1511974332158896e-6);
}

// What a file does not say is not taken for good.
TEST_F(StoredBenchmark, AMissingContextIsToldOf) {
    auto document = benchmark_json({7});
    document.erase("context");
    const auto stored = read_stored(write("a.json", document));
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_TRUE(stored->files.at(0).machine.empty());
    EXPECT_EQ(stored->files.at(0).warnings,
              std::vector<std::string>{"it does not say how its library was built"});
}

// The times of a benchmark that failed are zero, and no measurement.
TEST_F(StoredBenchmark, ErrorsAreNamedAndHaveNoValues) {
    const auto stored = shipped("benchmark_errors.json");
    ASSERT_EQ(stored.scenarios.size(), 2u);
    EXPECT_EQ(stored.scenarios[1].name, "BM_Fails");
    EXPECT_EQ(stored.scenarios[1].repetitions, 0u);
    EXPECT_TRUE(metric_of(stored, "real_time", 1).values.empty());
    const std::vector<std::string> flaws(2, "BM_Fails: no such device");
    EXPECT_EQ(stored.files.at(0).flaws, flaws);
}

TEST_F(StoredBenchmark, EveryTimeUnitIsKnown) {
    for (const auto& [unit, seconds] :
         {std::pair{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1.0}}) {
        auto document = benchmark_json({7});
        document["benchmarks"][0]["time_unit"] = unit;
        const auto stored = read_stored(write("a.json", document));
        ASSERT_TRUE(stored) << stored.error().message;
        EXPECT_DOUBLE_EQ(metric_of(*stored, "real_time").values.at(0), 7 * seconds);
    }
    auto document = benchmark_json({7});
    document["benchmarks"][0]["time_unit"] = "h";
    expect_refused(write("a.json", document),
                   ": BM_Send: time_unit 'h' is none of ns, us, ms and s");
}

// It writes NaN where JSON has none. That matters where the value is asked for, and only there.
TEST_F(StoredBenchmark, NaNIsNamedWhereItIsAMetric) {
    auto text = benchmark_json({7}).dump();
    const auto at = text.find("\"real_time\":7.0");
    ASSERT_NE(at, std::string::npos);
    auto counter = text;
    counter.insert(at, "\"my_counter\":-Infinity,");
    EXPECT_TRUE(read_stored(write_text("a.json", counter)));
    text.replace(at, 15, "\"real_time\":NaN");
    expect_refused(write_text("a.json", text), ": BM_Send: real_time: null is not a number");
}

TEST_F(StoredBenchmark, ValuesThatAreNoneAreNamed) {
    auto document = benchmark_json({7});
    auto& row = document["benchmarks"][0];
    row["cpu_time"] = "fast";
    expect_refused(write("a.json", document), ": BM_Send: cpu_time: \"fast\" is not a number");
    row["cpu_time"] = 1e31;
    expect_refused(write("a.json", document),
                   ": BM_Send: cpu_time: 1e+31 is beyond what is measured");
    row.erase("name");
    row.erase("run_name");
    expect_refused(write("a.json", document),
                   ": not a whole Google Benchmark: key 'name' not found");
    document["benchmarks"] = json::array();
    expect_refused(write("a.json", document), ": no benchmark was run");
}

}  // namespace
}  // namespace crucible::lab
