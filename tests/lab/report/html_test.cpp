#include <regex>

#include "examples.h"
#include "lab/report/report.h"

namespace crucible::lab::report {
namespace {

std::string html(const nlohmann::json& result) {
    const auto text = render_html(result);
    EXPECT_TRUE(text) << text.error().message;
    return text.value_or("");
}

/// Points of the polyline with these classes; 0 when there is none.
std::size_t points_of(const std::string& page, const std::string& mark) {
    const auto start = page.find("<polyline class=\"" + mark + "\"");
    if (start == std::string::npos) return 0;
    return occurrences(page.substr(start, page.find("/>", start) - start), ",");
}

// The page is read years later, offline, from an archive: it may need nothing from anywhere.
TEST(HtmlReport, LoadsNothing) {
    for (const auto* name : kExamples) {
        const auto page = html(example(name));
        EXPECT_TRUE(contains(page, "default-src 'none'"));
        for (const auto* request :
             {"<script", "<link", "<img", "src=", "@import", "url(", "href=\"/", "href=\"http"})
            EXPECT_FALSE(contains(page, request)) << request;
    }
}

// Who wants more than the report says finds it in the files beside it.
TEST(HtmlReport, LinksTheFilesOfAProfile) {
    const auto page = html(example("memory.json"));
    EXPECT_TRUE(contains(page,
                         "<a href=\"target-allocated.svg\">flame graph of what was "
                         "allocated</a>"));
    EXPECT_TRUE(contains(page, "<a href=\"target.pb.gz\">"));
}

// Both systems' curves, with every point of the file.
TEST(HtmlReport, DrawsTheLatencyCurvesOfBothSystems) {
    const auto result = example("comparison.json");
    const auto page = html(result);
    const auto& curves = result["scenarios"][0]["curves"]["latency"];

    EXPECT_EQ(points_of(page, "curve a"), curves["baseline"].size());
    EXPECT_EQ(points_of(page, "curve b"), curves["candidate"].size());
    for (const auto* label : {">50 %<", ">90 %<", ">99 %<", ">99.9 %<"})
        EXPECT_TRUE(contains(page, label)) << label;
}

// One point draws no line; it must be seen nevertheless, and say what it is.
TEST(HtmlReport, DrawsACurveOfOnePoint) {
    auto result = example("comparison.json");
    result["scenarios"][0]["curves"]["latency"]["baseline"] = {{0.5, 0.001}};
    result["scenarios"][0]["curves"]["latency"]["candidate"] = nlohmann::json::array();

    const auto page = html(result);

    EXPECT_EQ(points_of(page, "curve a"), 0u);
    EXPECT_TRUE(contains(page, "<title>baseline 50 %: 1\u00a0ms</title>"));
    EXPECT_TRUE(contains(page, ">candidate: no curve<"));
}

// Where both were saturated there is no curve, and the page says so instead of showing a hole.
TEST(HtmlReport, SaysWhyThereIsNoCurve) {
    auto result = example("comparison.json");
    for (auto& [arm, curve] : result["scenarios"][0]["curves"]["latency"].items())
        curve = nlohmann::json::array();

    EXPECT_TRUE(contains(html(result), "No latency curve"));
}

// A mark of each arm for each round, and the rounds that are not compared shaded.
TEST(HtmlReport, DrawsEachRound) {
    auto result = example("comparison.json");
    result["scenarios"][0]["round_details"][3]["valid"] = false;

    const auto page = html(result);

    EXPECT_TRUE(contains(page, "<title>round 1, baseline: 7,099/s</title>"));
    EXPECT_TRUE(contains(page, "<title>round 10, candidate: "));
    // One shade in each chart of the gated metrics but error_rate, which is zero throughout.
    EXPECT_EQ(occurrences(page, "class=\"invalid\""), 6u);
}

// A pattern's course: both systems in one chart, and each stretch of both.
TEST(HtmlReport, ComparesOverTime) {
    auto result = example("comparison.json");
    const nlohmann::json peak = {
        {"phase", "steady"},      {"name", "peak"},     {"start", 1.0},    {"duration", 1.0},
        {"planned", 2000.0},      {"sent", 2000},       {"handled", 2000}, {"latency_p50", 0.00125},
        {"latency_p99", nullptr}, {"latency_max", 0.05}};
    auto& segments = result["scenarios"][0]["segments"];
    segments["baseline"] = {peak};
    segments["candidate"] = {peak};
    segments["candidate"][0]["latency_p50"] = 0.0025;

    const auto page = html(result);

    EXPECT_TRUE(contains(page, "Events handled: steady"));
    EXPECT_TRUE(contains(page, "Mean latency: steady"));
    const auto baseline = page.find("<th scope=\"row\">peak</th>");
    const auto candidate = page.find("<th scope=\"row\">- candidate</th>");
    ASSERT_NE(baseline, std::string::npos);
    EXPECT_GT(candidate, baseline);
    EXPECT_LT(page.find("1.25", baseline), candidate);
}

// Ratios beyond the chart end in an arrow; none may lie outside of it.
TEST(HtmlReport, ClampsExtremeRatios) {
    auto result = example("comparison.json");
    metric_of(result, "latency_p99")["ratio"] = {
        {"value", 900.0}, {"ci_low", 3.0}, {"ci_high", 1e6}};

    const auto page = html(result);

    EXPECT_TRUE(contains(page, "class=\"arrow\""));
    std::smatch found;
    const std::regex number("(?:x1|x2|cx)=\"([-0-9.]+)\"");
    for (auto at = page.cbegin(); std::regex_search(at, page.cend(), found, number);
         at = found.suffix().first) {
        EXPECT_GE(std::stod(found[1]), 0);
        EXPECT_LE(std::stod(found[1]), 560);
    }
}

// Every text comes from outside: a URL or reason must not become markup.
TEST(HtmlReport, EscapesWhatTheFileSays) {
    auto result = example("comparison.json");
    const std::string evil = "<script>alert('1')</script>\"onload=\"x";
    result["candidate"] = evil;
    result["reasons"][0] = evil;
    result["verdict"] = evil;
    result["command"][1] = evil;
    result["environment"]["cpu"] = evil;
    auto& scenario = result["scenarios"][0];
    scenario["name"] = evil;
    scenario["description"] = evil;
    scenario["checks"][0] = {{"name", evil}, {"passed", false}, {"detail", evil}};
    scenario["round_details"][0]["notes"] = {evil};
    scenario["load"]["phases"][0]["name"] = evil;
    for (auto& metric : scenario["metrics"]) {
        metric["reason"] = evil;
        metric["name"] = evil;
        metric["verdict"] = evil;
        metric["unit"] = evil;
    }
    for (auto& cost : scenario["harness"]) cost["name"] = cost["unit"] = evil;

    const auto page = html(result);

    EXPECT_FALSE(contains(page, "<script"));
    EXPECT_FALSE(contains(page, "\"onload=\""));
}

// The reader sees trouble before figures, and can repeat the measurement.
TEST(HtmlReport, PutsTroubleFirstAndTheMethodLast) {
    auto result = example("comparison.json");
    result["scenarios"][0]["checks"][1]["passed"] = false;

    const auto page = html(result);

    EXPECT_LT(page.find("1 check failed"), page.find("<h2>Why</h2>"));
    EXPECT_TRUE(contains(page, "<h2>How this was measured</h2>"));
    EXPECT_TRUE(
        contains(page, "<pre>crucible compare coordinator: daemon: --scenario medium</pre>"));
    EXPECT_TRUE(contains(html(example("comparison.json")), "All checks of the measurement passed"));
}

// Those who hear the page get titles, descriptions, captions and row headings.
TEST(HtmlReport, CanBeHeard) {
    for (const auto* name : kExamples) {
        const auto page = html(example(name));
        EXPECT_EQ(occurrences(page, "<svg "), occurrences(page, "<desc>"));
        EXPECT_GE(occurrences(page, "<caption>"), 2u);
        EXPECT_TRUE(contains(page, "<th scope=\"row\""));
        EXPECT_TRUE(contains(page, "<html lang=\"en\">"));
    }
}

// All that is opened is closed: browsers forgive it, other readers do not.
TEST(HtmlReport, ClosesItsElements) {
    for (const auto* name : kExamples) {
        const auto page = html(example(name));
        for (const auto* element : {"section", "div", "table", "figure", "svg", "details", "dl",
                                    "tr", "td", "ul", "main", "header"}) {
            const std::string open = std::string("<") + element;
            EXPECT_EQ(occurrences(page, open + ">") + occurrences(page, open + " "),
                      occurrences(page, std::string("</") + element + ">"))
                << element;
        }
    }
}

// The harness's own cost stands beside what was measured, not hidden in it.
TEST(HtmlReport, ShowsTheHarnessBeside) {
    EXPECT_TRUE(contains(html(example("run.json")), "The harness alone"));
}

}  // namespace
}  // namespace crucible::lab::report
