#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/process.h"
#include "in_process.h"
#include "real_binary.h"

namespace crucible::app {
namespace {

using namespace std::chrono_literals;

const std::filesystem::path kStored = std::filesystem::path(CRUCIBLE_TEST_DATA) / "stored";

class CompareStored : public testing::Test {
protected:
    CompareStored() : directory_(*base::TempDir::make("compare")) {}

    std::string path(const std::string& name) const { return directory_.path() / name; }
    static std::string shipped(const std::string& name) { return kStored / name; }

    Ended compare(std::vector<std::string> words) const {
        words.insert(words.begin(), "compare");
        words.insert(words.end(), {"--out", path("out")});
        return crucible(words);
    }
    nlohmann::json result() const {
        return nlohmann::json::parse(
            base::read_file(std::filesystem::path(path("out")) / "result.json").value_or("null"));
    }
    /// What the schema has against the result; empty when nothing.
    std::string complaints() const {
        return schema_complaints("comparison.schema.json", path("out") + "/result.json",
                                 path("complaints"));
    }
    /// Bad input ends with this one line, and leaves nothing behind.
    void expect_refused(const std::vector<std::string>& words, const std::string& line) const {
        const auto ended = compare(words);
        EXPECT_EQ(ended.exit_code, kBadUsage);
        EXPECT_EQ(ended.err, "crucible: " + line + "\n");
        EXPECT_EQ(ended.out, "");
        EXPECT_FALSE(std::filesystem::exists(path("out")));
    }

private:
    base::TempDir directory_;
};

// 10 % more work in each iteration: CPU time shows it. The first line says what it is worth.
TEST_F(CompareStored, BenchmarksLookDifferentAndProveNothing) {
    const auto ended = compare({shipped("benchmark_before.json"), shipped("benchmark_after.json")});
    ASSERT_EQ(ended.exit_code, kDone) << ended.err;
    EXPECT_TRUE(ended.out.starts_with("Observational, nothing is proven: ")) << ended.out;
    EXPECT_TRUE(ended.out.ends_with("\nReport: " + path("out") + "/report.html\n"));
    EXPECT_EQ(complaints(), "");
    const auto written = result();
    EXPECT_EQ(written["observational"], true);
    EXPECT_EQ(written["verdict"], "not_proven");
    const auto& cpu = written["scenarios"][0]["metrics"][1];
    EXPECT_EQ(cpu["name"], "cpu_time");
    EXPECT_EQ(cpu["verdict"], "worse");
    EXPECT_NEAR(cpu["ratio"]["value"].get<double>(), 1.10, 0.01);
    EXPECT_EQ(cpu["baseline"]["n"], 10);
    // Debian's library was built for debugging, and says so.
    EXPECT_NE(ended.out.find("same context: "), std::string::npos);
    EXPECT_TRUE(std::filesystem::exists(path("out") + "/report.md"));
}

TEST_F(CompareStored, SummariesOfK6AreShownSideBySide) {
    const auto ended =
        compare({shipped("k6_summary_export.json"), shipped("k6_handle_summary.json"), "--json"});
    ASSERT_EQ(ended.exit_code, kDone) << ended.err;
    EXPECT_EQ(complaints(), "");
    const auto written = result();
    EXPECT_EQ(nlohmann::json::parse(ended.out), written);
    for (const auto& metric : written["scenarios"][0]["metrics"]) {
        if (metric["name"] == "http_req_duration_p99.9") {
            EXPECT_EQ(metric["reason"], "baseline: not in its files");
        } else {
            EXPECT_TRUE(metric["difference"]["value"].is_number()) << metric["name"];
        }
        EXPECT_EQ(metric["verdict"], "inconclusive") << metric["name"];
    }
}

// Rendered again like any other result.
TEST_F(CompareStored, IsReportedAgain) {
    ASSERT_EQ(
        compare({shipped("benchmark_before.json"), shipped("benchmark_before.json")}).exit_code,
        kDone);
    for (const auto& [format, start] : {std::pair{"terminal", "Observational, "},
                                        {"markdown", "# Observational, "},
                                        {"html", "<!doctype html>"},
                                        {"json", "{\n"},
                                        {"hdr", "#"}}) {
        const auto ended = crucible({"report", path("out"), "--format", format});
        EXPECT_EQ(ended.exit_code, kDone) << ended.err;
        EXPECT_TRUE(ended.out.starts_with(start)) << format;
    }
}

TEST_F(CompareStored, TheMarginIsTheUsers) {
    ASSERT_EQ(compare({shipped("benchmark_before.json"), shipped("benchmark_after.json"),
                       "--margin", "20%", "--quiet"})
                  .exit_code,
              kDone);
    EXPECT_EQ(result()["method"]["margin"], 0.2);
    EXPECT_EQ(result()["scenarios"][0]["metrics"][1]["verdict"], "changed_within_margin");
}

TEST_F(CompareStored, OneOfEachIsRefused) {
    const auto file = shipped("benchmark_before.json");
    expect_refused({file, "null:"}, file +
                                        " is a stored result and null: a target: compare two "
                                        "results, or two targets");
    expect_refused({"null:", file}, file +
                                        " is a stored result and null: a target: compare two "
                                        "results, or two targets");
    expect_refused({file}, "candidate is required; see crucible compare --help");
}

TEST_F(CompareStored, MissingFilesAreNamed) {
    const auto file = shipped("benchmark_before.json");
    expect_refused({file, "nothing"}, "nothing: no such file or directory");
    expect_refused({"no/where", "no/where/else"}, "no/where: no such file or directory");
    expect_refused({"null:", "after.json"}, "after.json: no such file or directory");
}

TEST_F(CompareStored, OptionsOfMeasurementsAreRefused) {
    const auto file = shipped("benchmark_before.json");
    const std::string rest =
        " says how to measure, but stored results are compared as they are: only --margin, --json, "
        "--out and --quiet apply";
    expect_refused({file, file, "--rate", "500"}, "--rate" + rest);
    expect_refused({file, file, "--rounds=5"}, "--rounds" + rest);
    expect_refused({file, file, "--time-budget", "5m"}, "--time-budget" + rest);
    expect_refused({file, file, "--realtime"}, "--realtime" + rest);
    expect_refused({file, file, "--margin", "0%"},
                   "--margin '0%': from 0.1%, the resolution of recorded latencies, to 100%");
}

TEST_F(CompareStored, FilesThatDoNotBelongTogetherAreRefused) {
    const auto benchmark = shipped("benchmark_before.json");
    const auto errors = shipped("benchmark_errors.json");
    const auto k6 = shipped("k6_summary_export.json");
    expect_refused({benchmark, k6}, benchmark + " is of the kind Google Benchmark, " + k6 +
                                        " of the kind k6 summary: only results of one kind can be "
                                        "compared");
    expect_refused({benchmark, errors},
                   benchmark + " and " + errors +
                       " were not measured under the same load: BM_Fails: only in the second");
}

// What a file says is shown, and cannot drive the terminal.
TEST_F(CompareStored, ControlCharactersOfAFileAreNotPrinted) {
    const auto file = path("evil.json");
    ASSERT_TRUE(base::write_file(file, R"({"schema": "crucible.run/\u001b]0;owned"})"));
    const auto ended = compare({file, file});
    EXPECT_EQ(ended.exit_code, kBadUsage);
    EXPECT_EQ(ended.err.find('\x1b'), std::string::npos) << ended.err;
}

// The result would take the place of what it is made of.
TEST_F(CompareStored, TheOutputIsNotOneOfTheInputs) {
    std::filesystem::create_directory(path("out"));
    const auto inside = path("out") + "/result.json";
    ASSERT_TRUE(std::filesystem::copy_file(shipped("benchmark_before.json"), inside));
    const auto ended = compare({path("out"), shipped("benchmark_before.json")});
    EXPECT_EQ(ended.exit_code, kBadUsage);
    EXPECT_EQ(ended.err, "crucible: --out '" + path("out") + "': " + inside +
                             " is there, which is compared\n");
    EXPECT_EQ(base::read_file(inside).value_or(""),
              base::read_file(shipped("benchmark_before.json")).value_or("none"));
}

}  // namespace
}  // namespace crucible::app
