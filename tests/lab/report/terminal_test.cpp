#include "examples.h"
#include "lab/report/report.h"
#include "lab/report/terminal_text.h"

namespace crucible::lab::report {
namespace {

// The verdict is the first thing read; figures are in units for people, changes in percent with
// their interval, and beside them what a second copy of the baseline did.
TEST(TerminalReport, StartsWithTheVerdictAndShowsEachMetricInOneLine) {
    const auto text = terminal(example("comparison.json"));

    EXPECT_TRUE(text.starts_with("Adopt the candidate: ")) << text.substr(0, 80);
    EXPECT_EQ(line_starting(text, " Throughput"),
              " Throughput         6,916/s    9,437/s  +36.5 [+30.4, +44.9]   +2.4 better");
    EXPECT_EQ(line_starting(text, " Latency p99 "),
              " Latency p99        3.25 ms    3.13 ms   +0.9 [-23.3, +22.9]   -8.5 inconclusive");
    EXPECT_EQ(line_starting(text, " Memory peak"),
              " Memory peak       58.3 MiB   33.0 MiB  -43.4 [-43.7, -43.1]   +0.2 better");
}

// A table that wraps is unreadable: 80 columns are what every terminal has.
TEST(TerminalReport, FitsEightyColumns) {
    for (const auto* name : kExamples) {
        const auto text = terminal(example(name));
        for (std::size_t at = 0; at < text.size();) {
            const auto line = text.substr(at, text.find('\n', at) - at);
            EXPECT_LE(columns(line), 80u) << line;
            at += line.size() + 1;
        }
    }
}

// Why something is not known takes as many lines as it needs.
TEST(TerminalReport, WrapsReasonsOfAProfile) {
    auto result = example("memory.json");
    auto& metric = result["targets"][0]["metrics"][2];
    metric["value"] = metric["ci_low"] = metric["ci_high"] = nullptr;
    metric["absent"] =
        "process 4711: it is a static program, into which the allocation tracker "
        "cannot be loaded";
    EXPECT_TRUE(contains(terminal(result),
                         "\n Allocations       —  process 4711: it is a static program, into which "
                         "the\n                      allocation tracker cannot be loaded\n"))
        << terminal(result);
}

// A value that is not known is a dash, and its reason is there; no percentile is made up.
TEST(TerminalReport, GivesTheReasonOfAnAbsentValue) {
    const auto comparison = terminal(example("comparison.json"));
    EXPECT_EQ(line_starting(comparison, " Latency p99.9"),
              " Latency p99.9            —          —      —                       inconclusive");
    EXPECT_TRUE(contains(comparison, "— Latency p99.9: 2,000 samples a trial; p99.9 needs 3,688"));
    EXPECT_TRUE(contains(terminal(example("run.json")), "— Latency p99.9: 2,000 samples; p99.9"));
}

// Metrics that can be zero have no ratio: their difference stands there with its unit.
TEST(TerminalReport, ShowsDifferencesWhereThereIsNoRatio) {
    auto result = example("comparison.json");
    metric_of(result, "lost")["difference"] = {{"value", 12}, {"ci_low", 8}, {"ci_high", 17}};
    metric_of(result, "lost")["verdict"] = "worse";

    const auto text = terminal(result);

    EXPECT_EQ(line_starting(text, " Events lost"),
              " Events lost              0          0  +12 events [+8, +17]        worse");
    EXPECT_EQ(line_starting(text, " Duplicated"),
              " Duplicated               0          0   none                       equivalent");
}

// A failed check calls every figure into question, so it stands before the first of them.
TEST(TerminalReport, PutsFailedChecksBeforeTheFigures) {
    auto result = example("comparison.json");
    auto& check = result["scenarios"][0]["checks"][1];
    check["passed"] = false;
    check["detail"] = "lateness p99 4.2 ms";

    const auto text = terminal(result);

    EXPECT_TRUE(contains(text, "1 check failed\n  medium: schedule kept: lateness p99 4.2 ms\n"));
    EXPECT_LT(text.find("1 check failed"), text.find(" Throughput "));
    EXPECT_FALSE(contains(terminal(example("comparison.json")), "failed"));
}

// What was measured and left out is said with its cause.
TEST(TerminalReport, ListsInvalidRounds) {
    auto result = example("comparison.json");
    auto& round = result["scenarios"][0]["round_details"][3];
    round["valid"] = false;
    round["notes"] = {"candidate: schedule_kept failed: lateness p99 4.2 ms"};
    result["scenarios"][0]["rounds"] = 9;
    result["scenarios"][0]["rounds_invalid"] = 1;

    const auto text = terminal(result);

    EXPECT_TRUE(contains(text, "9 rounds compared, 1 invalid\n"));
    EXPECT_TRUE(contains(text, "invalid round 4: candidate: schedule_kept failed"));
}

// The backlog of a saturated target grows: its latency is a length of the run, and is not told.
TEST(TerminalReport, CallsASaturatedRunSaturated) {
    auto result = example("run.json");
    for (auto& check : result["scenarios"][0]["checks"])
        if (check["name"] == "not_saturated") check["passed"] = false;

    const auto text = terminal(result);

    EXPECT_TRUE(text.starts_with("daemon: saturated: it did not keep up with 1,000/s"));
    EXPECT_FALSE(contains(text.substr(0, text.find("\n\n")), "p99"));
}

// A partial result is never read as a whole one.
TEST(TerminalReport, SaysWhenTheResultIsPartial) {
    auto failed = example("comparison.json");
    failed["failure"] = {{"code", "closed"}, {"message", "daemon: was killed by signal 9"}};
    auto interrupted = example("run.json");
    interrupted["interrupted"] = true;

    EXPECT_TRUE(terminal(failed).starts_with("Not proven: a target failed"));
    EXPECT_TRUE(terminal(interrupted).starts_with("daemon: was interrupted; partial result."));
}

// Colour is for terminals alone: a file with escape sequences can't be read or compared.
TEST(TerminalReport, UsesColourOnlyWhenAsked) {
    EXPECT_FALSE(contains(terminal(example("comparison.json")), "\x1b"));
    EXPECT_TRUE(contains(terminal(example("comparison.json"), true), "\x1b[32mbetter\x1b[0m"));
}

// A result can come from anywhere; rendering it must not let it drive the reader's terminal.
TEST(TerminalReport, KeepsControlSequencesOfTheFileOut) {
    auto result = example("comparison.json");
    result["candidate"] = "daemon:\x1b]0;owned\x07";
    result["reasons"][0] = "clear\xc2\x9b[2J";
    result["scenarios"][0]["name"] = "me\ndium";

    const auto text = terminal(result);

    EXPECT_FALSE(contains(text, "\x1b"));
    EXPECT_FALSE(contains(text, "\x07"));
    EXPECT_FALSE(contains(text, "\xc2\x9b"));
    EXPECT_TRUE(contains(text, "\nme dium: "));
}

// Reading half of a newer or broken file would show wrong figures with confidence.
TEST(TerminalReport, RefusesWhatItDoesNotUnderstand) {
    auto newer = example("comparison.json");
    newer["schema"] = "crucible.comparison/2";
    EXPECT_EQ(render_terminal(newer, 80, false).error().message,
              "schema 'crucible.comparison/2': written by a newer crucible; upgrade to read it");
    auto other = example("comparison.json");
    other["schema"] = "crucible.weather/1";
    EXPECT_EQ(render_terminal(other, 80, false).error().code, Errc::unsupported);
    EXPECT_EQ(render_terminal(nlohmann::json::array(), 80, false).error().code, Errc::corrupt);

    auto broken = example("comparison.json");
    broken["scenarios"][0]["load"].erase("clients");
    const auto refused = render_terminal(broken, 80, false);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::corrupt);
    EXPECT_TRUE(contains(refused.error().message, "'clients'")) << refused.error().message;
}

// Every member that is removed is either optional or reported; none may end the program.
TEST(TerminalReport, SurvivesAnyMissingMember) {
    for (const auto* name : kExamples) {
        const auto whole = example(name);
        for (const auto& [key, value] : whole.items()) {
            auto result = whole;
            result.erase(key);
            (void)render_terminal(result, 80, false);
            (void)render_markdown(result);
            (void)render_html(result);
        }
        const std::string parts = whole.contains("scenarios") ? "scenarios" : "targets";
        for (const auto& [key, value] : whole[parts][0].items()) {
            auto result = whole;
            result[parts][0][key] = "text";
            const auto text = render_html(result);
            EXPECT_TRUE(text || text.error().code == Errc::corrupt) << key;
        }
    }
}

}  // namespace
}  // namespace crucible::lab::report
