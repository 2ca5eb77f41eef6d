#include "lab/compare/stored.h"

#include <fstream>

#include "lab/compare/stored_files.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

using Stored = StoredFiles;

// Whoever mistypes a path or hands over the wrong file reads in one line what is wrong with it.
TEST_F(Stored, FilesThatCannotBeReadAreNamed) {
    expect_refused(path("nothing.json"), ": No such file or directory");
    expect_refused(write_text("a.json", "{"), ": not JSON");
    expect_refused(write_text("b.json", ""), ": not JSON");
    expect_refused(write_text("c.json", std::string(100, '[')), ": nested 65 deep");
    expect_refused("/dev/null", ": not a regular file");
}

TEST_F(Stored, FilesOfNoKnownKindSayWhichAreKnown) {
    const std::string known =
        "; known are result.json of crucible run (crucible.run/1), Google Benchmark's JSON and "
        "k6's summary";
    expect_refused(write_text("a.json", "[1, 2]"), ": of no known kind" + known);
    expect_refused(write_text("b.json", "{\"schema\": 3}"), ": of no known kind" + known);
    expect_refused(
        write_text("c.json", "{\"schema\": \"crucible.comparison/1\"}"),
        ": 'crucible.comparison/1' is no stored measurement that can be compared" + known);
    expect_refused(write_text("d.json", "{\"metrics\": {}}"),
                   ": of no known kind: it has 'metrics', but none of k6's http_req_duration, "
                   "http_reqs and http_req_failed");
    expect_refused(write_text("e.json", "{\"version\": \"1.0.0\", \"results\": {\"metrics\": []}}"),
                   ": k6's machine-readable summary; only the other one is known: run k6 with "
                   "--new-machine-readable-summary=false");
}

// Half of a newer file read as if it were this version's would be wrong with confidence.
TEST_F(Stored, NewerResultsAreRefused) {
    expect_refused(write_text("a.json", "{\"schema\": \"crucible.run/2\"}"),
                   ": crucible.run/2: written by a newer crucible; upgrade to read it");
}

TEST_F(Stored, DirectoriesHoldRepetitions) {
    write("runs/b.json", benchmark_json({30}));
    write("runs/a.json", benchmark_json({10, 20}));
    write_text("runs/notes.txt", "not a result");
    const auto stored = read_stored(path("runs"));
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_EQ(stored->files.size(), 2u);
    EXPECT_EQ(stored->scenarios.at(0).repetitions, 3u);
    const auto& values = metric_of(*stored, "real_time").values;
    ASSERT_EQ(values.size(), 3u);
    EXPECT_DOUBLE_EQ(values[0], 10e-9);
    EXPECT_DOUBLE_EQ(values[2], 30e-9);
}

// A metric that one of the files lacks would be judged from the others alone.
TEST_F(Stored, MetricsThatSomeFilesLackAreCounted) {
    auto more = benchmark_json({10});
    more["benchmarks"][0]["items_per_second"] = 1e6;
    write("runs/a.json", benchmark_json({10, 20}));
    write("runs/b.json", more);
    const auto stored = read_stored(path("runs"));
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_EQ(metric_of(*stored, "items_per_second").values.size(), 1u);
    EXPECT_EQ(metric_of(*stored, "items_per_second").missing, 2u);
}

TEST_F(Stored, DirectoriesWithoutOneMeasurementAreRefused) {
    std::filesystem::create_directory(path("empty"));
    expect_refused(path("empty"), ": a directory without result.json or any other *.json");
    const auto benchmark = write("mixed/a.json", benchmark_json({1}));
    const auto k6 = write_text("mixed/b.json", R"({"metrics": {"http_reqs": {"rate": 5}}})");
    EXPECT_EQ(read_stored(path("mixed")).error().message,
              k6 + ": k6 summary, but " + benchmark +
                  ": Google Benchmark; a directory holds one "
                  "kind");
    const auto first = write("other/a.json", benchmark_json({1}));
    const auto second = write("other/b.json", benchmark_json({1}, "BM_Receive"));
    EXPECT_EQ(read_stored(path("other")).error().message,
              first + " and " + second +
                  " are no repetitions of one measurement: BM_Send: only in the first");
}

// All pairs of both sides are looked at: 10,000 on each would be 800 MB of them.
TEST_F(Stored, TooManyValuesAreRefused) {
    const auto file = write("a.json", benchmark_json(std::vector<double>(2001, 1.0)));
    expect_refused(file, ": BM_Send: real_time: 2001 values; at most 2000 are compared");
}

/// Every value of `document`, one after the other, as something that it must not be.
void replace_each(json& document, json& node, const auto& check) {
    if (!node.is_structured()) return;  // a plain value would hold itself
    for (auto& member : node) {
        const json whole = member;
        for (const json& wrong : {json(), json(-1), json("x"), json(1e300), json::array({1}),
                                  json::object({{"a", 1}}), json(true)}) {
            member = wrong;
            check(document);
        }
        member = whole;
        replace_each(document, member, check);
    }
}

// A file may come from anywhere. Whatever stands in it, reading it ends in a result or in one line.
TEST_F(Stored, SurviveWrongTypesAnywhere) {
    for (const std::string name :
         {"benchmark_errors.json", "k6_summary_export.json", "k6_handle_summary.json"}) {
        auto document = json::parse(
            *base::read_file(std::filesystem::path(CRUCIBLE_TEST_DATA) / "stored" / name));
        auto& benchmarks = document["benchmarks"];
        if (benchmarks.size() > 2) benchmarks.erase(benchmarks.begin() + 2, benchmarks.end());
        std::size_t refused = 0;
        const auto file = path("wrong.json");
        replace_each(document, document, [&](const json& wrong) {
            // Not base::write_file(): thousands of files that need to survive nothing.
            std::ofstream(file) << wrong;
            const auto stored = read_stored(file);
            if (stored) return;
            ++refused;
            EXPECT_EQ(stored.error().message.find('\n'), std::string::npos);
        });
        EXPECT_GT(refused, 10u) << name;
    }
}

}  // namespace
}  // namespace crucible::lab
