#include "examples.h"
#include "lab/report/report.h"
#include "lab/report/terminal_text.h"

namespace crucible::lab::report {
namespace {

std::string shown(const Result<std::string>& text) {
    EXPECT_TRUE(text) << text.error().message;
    return text.value_or("");
}

// Nobody may take it for a proof: the first line says so, in every form.
TEST(ObservationReport, SaysFirstThatNothingIsProven) {
    const auto result = example("observation.json");
    EXPECT_TRUE(terminal(result).starts_with("Observational, nothing is proven: "));
    EXPECT_TRUE(shown(render_markdown(result)).starts_with("# Observational, nothing is proven: "));
    const auto page = shown(render_html(result));
    EXPECT_TRUE(contains(page, ">OBSERVATIONAL</span>"));
    EXPECT_TRUE(contains(page, "<h1>Observational, nothing is proven: "));
    for (const auto* word : {"ADOPT", "KEEP", ">NOT PROVEN<"}) EXPECT_FALSE(contains(page, word));
}

// Ratio, interval and what it looks like in one line; below it what else is known.
TEST(ObservationReport, ShowsEachMetricWithItsEvidence) {
    const auto text = terminal(example("observation.json"));
    EXPECT_TRUE(contains(line_starting(text, " metric "), "looks"));
    EXPECT_EQ(line_starting(text, " CPU time"),
              " CPU time           5.77 us    6.35 us  +10.0 [+9.6, +10.6]        worse");
    EXPECT_TRUE(contains(text,
                         "   difference +577 ns [+554 ns, +612 ns]; p < 0.0001 by ranks, < 0.0001 "
                         "by\n   means; Cliff's delta +1.00\n"))
        << text;
    EXPECT_FALSE(contains(text, "noise"));
    const auto page = shown(render_html(example("observation.json")));
    EXPECT_TRUE(contains(page, ">looks worse</span>"));
    EXPECT_TRUE(contains(page, "CPU time: +10.0\u00a0% [+9.6, +10.6], looks worse"));
}

// What is open has its reason there, and a difference stands where there is no ratio.
TEST(ObservationReport, ShowsDifferencesAndOpenQuestions) {
    auto result = example("observation.json");
    auto& metric = metric_of(result, "cpu_time");
    metric["name"] = "http_req_failed_rate";
    metric["unit"] = "1";
    metric["ratio"] = nullptr;
    metric["difference"] = {{"value", 0.005}, {"ci_low", 0.004}, {"ci_high", nullptr}};
    metric["verdict"] = "inconclusive";
    metric["reason"] = "3 and 3 values; an interval needs at least 4 of each";
    const auto text = terminal(result);
    EXPECT_TRUE(contains(line_starting(text, " Failed requests"), "+0.500 points "));
    EXPECT_TRUE(contains(line_starting(text, " Failed requests"), " open"));
    EXPECT_TRUE(contains(text, " open: Failed requests: 3 and 3 values; an interval needs"));
}

// Failed checks stand before the figures and name no scenario: they are of the whole.
TEST(ObservationReport, PutsItsChecksFirst) {
    auto result = example("observation.json");
    for (auto& check : result["checks"]) check["passed"] = check["name"] != "same_machine";
    for (auto& check : result["checks"])
        if (check["name"] == "same_machine") check["detail"] = "cpu: A against B";
    const auto text = terminal(result);
    EXPECT_TRUE(contains(text, "1 check failed\n  same machine: cpu: A against B\n"));
    EXPECT_LT(text.find("1 check failed"), text.find(" CPU time"));
    const auto page = shown(render_html(result));
    EXPECT_TRUE(contains(page, "<strong>same machine</strong>: cpu: A against B"));
    EXPECT_TRUE(contains(shown(render_markdown(result)), "> - **same machine**: cpu: A against B"));
}

// Every text comes from a file of somebody else.
TEST(ObservationReport, EscapesWhatTheFileSays) {
    auto result = example("observation.json");
    const std::string evil = "<script>alert('1')</script>\x1b[2J\"onload=\"x|*";
    result["baseline"] = evil;
    result["reasons"][0] = evil;
    for (auto& check : result["checks"])
        check = {{"name", evil}, {"passed", false}, {"detail", evil}};
    for (auto& [side, input] : result["inputs"].items()) {
        input["kind"] = evil;
        input["files"][0] = {{"path", evil},
                             {"version", evil},
                             {"target", evil},
                             {"measured", evil},
                             {"machine", {{{"name", evil}, {"value", evil}}}}};
    }
    auto& scenario = result["scenarios"][0];
    scenario["name"] = scenario["description"] = evil;
    for (auto& metric : scenario["metrics"])
        metric["name"] = metric["unit"] = metric["verdict"] = metric["reason"] = evil;
    const auto page = shown(render_html(result));
    EXPECT_FALSE(contains(page, "<script"));
    EXPECT_FALSE(contains(page, "\"onload=\""));
    EXPECT_FALSE(contains(terminal(result), "\x1b"));
    EXPECT_TRUE(contains(shown(render_markdown(result)), "- \\<script\\>alert"));
}

// A run's load and ledger are shown, another program's are not there.
TEST(ObservationReport, ShowsTheLoadWhereItIsKnown) {
    auto result = example("observation.json");
    EXPECT_FALSE(contains(terminal(result), "delivery"));
    const auto run = example("run.json");
    auto& scenario = result["scenarios"][0];
    scenario["load"] = run["scenarios"][0]["load"];
    for (const auto* side : {"baseline", "candidate"})
        scenario["delivery"][side] = run["scenarios"][0]["delivery"];
    for (const auto& text : {terminal(result), shown(render_markdown(result))}) {
        EXPECT_TRUE(contains(text, "open loop, 1,000/s constant"));
        EXPECT_TRUE(contains(text, "duplicated"));
    }
}

TEST(ObservationReport, RefusesWhatIsNotWhole) {
    const auto whole = example("observation.json");
    for (const auto* member :
         {"inputs", "checks", "reasons", "method", "scenarios", "observational"}) {
        auto result = whole;
        result.erase(member);
        const auto text = render_terminal(result, 80, false);
        ASSERT_FALSE(text) << member;
        EXPECT_EQ(text.error().code, Errc::corrupt);
    }
    auto result = whole;
    result["scenarios"][0]["metrics"][0]["unpaired"] = nullptr;
    EXPECT_FALSE(render_html(result));
}

}  // namespace
}  // namespace crucible::lab::report
