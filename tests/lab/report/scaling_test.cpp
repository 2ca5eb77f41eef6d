#include <fmt/format.h>

#include <utility>
#include <vector>

#include "examples.h"
#include "lab/report/report.h"
#include "lab/report/terminal_text.h"
#include "scaling_example.h"

namespace crucible::lab::report {
namespace {

TEST(ScalingReport, SaysUntilWhenEachHolds) {
    const auto text = terminal(scaling_result());
    EXPECT_TRUE(
        text.starts_with("coordinator: holds 4 clients and breaks at 8 clients; daemon: "
                         "holds 4 clients"))
        << text;
    for (const auto* part :
         {"breaks first: latency_p99<20ms broken: 24.0 ms, 20 % beyond",
          "one client does 1,000/s [950/s, 1,050/s]", "most with 9.5 clients [6.7, 30.0]",
          "the points do not follow the law", "do not extrapolate",
          "at 4 clients binds: the processors (high confidence",
          "share of the processors in use 97 % (at least 85 %)", "2.10", "not io: no storage",
          "also holds: lock contention", "17,143/s"}) {
        EXPECT_TRUE(contains(text, std::string_view(part).substr(0, 40))) << part << '\n' << text;
    }
    for (std::size_t at = 0; at < text.size();) {
        const auto line = text.substr(at, text.find('\n', at) - at);
        EXPECT_LE(columns(line), 80u) << line;
        at += line.size() + 1;
    }
}

json soak_that_broke(double load) {
    return {{"stage", "soak"},    {"load", load},          {"seconds", 12},         {"valid", true},
            {"broken", "target"}, {"throughput", nullptr}, {"latency_p99", nullptr}};
}

// That a soak broke is told with what followed, and a limit that rests on one is not given bare.
TEST(ScalingReport, TellsOfEachSoakThatBroke) {
    auto result = scaling_result();
    auto& point = result["targets"][0]["breaking_point"];
    point.update({{"reopened", 1}, {"soak_passed", true}, {"soak_load", 3}});
    point["course"] = json::array({soak_that_broke(7)});
    auto text = terminal(result);
    EXPECT_TRUE(contains(text, "the soak at 7 clients broke: searched again with trials of 12.0 s"))
        << text;
    EXPECT_FALSE(contains(text, "but the soak"));
    EXPECT_TRUE(contains(text, "the soak at 3 clients held, too"));
    result["axis"] = "rate";
    EXPECT_TRUE(contains(terminal(result), "95 % of what it holds was held for the soak, too"));
    result["axis"] = "clients";
    point.update({{"ending", "soak_failed"}, {"soak_passed", false}});
    point["course"].push_back(soak_that_broke(3));
    text = terminal(result);
    EXPECT_TRUE(contains(text, "breaks at 8 clients, but the soak at 3 clients")) << text;
    EXPECT_TRUE(contains(text, "the soak at 3 clients broke\n"));
    EXPECT_EQ(occurrences(text, "searched again"), 1U);
    EXPECT_TRUE(contains(text, "how much it holds for long is not known: the last soak broke"));
}

// Below what the search held most trials of the curves broke, or the other way round.
TEST(ScalingReport, SaysWhereTheCurvesAreNotAsTheSearchFound) {
    auto result = scaling_result();
    const auto text = [&] { return render_markdown(result).value_or(""); };
    EXPECT_FALSE(contains(text(), "not so in the curves"));
    auto& points = result["targets"][0]["points"];
    points[1].update({{"held", 2}, {"broken", 4}});
    points[2].update({{"held", 2}, {"broken", 4}});  // the bound itself may go either way
    EXPECT_TRUE(contains(text(), "(not so in the curves, measured afterwards); daemon:")) << text();
    EXPECT_TRUE(contains(text(), "afterwards: 2 clients held in 2 of 6 trials; the bounds are"));
    points[1].update({{"held", 3}, {"broken", 3}});
    points[3].update({{"load", 9}, {"held", 2}, {"broken", 1}});
    EXPECT_TRUE(contains(text(), "afterwards: 9 clients held in 2 of 3 trials; the")) << text();
    points[3].update({{"held", 2}, {"broken", 0}});
    EXPECT_FALSE(contains(text(), "not so in the curves"));
}

TEST(ScalingReport, SaysWhatWasNeverValid) {
    auto result = scaling_result();
    auto& point = result["targets"][0]["breaking_point"];
    point["soak_absent"] = "5 trials in a row were not valid: late";
    point["hysteresis_absent"] = "it died of the overload";
    auto text = terminal(result);
    EXPECT_TRUE(contains(text, "no soak: 5 trials in a row were not valid: late")) << text;
    EXPECT_TRUE(contains(text, "no way down after an overload: it died of the overload")) << text;
    point["hysteresis"] = {{"present", true}, {"recovers_at", nullptr}, {"broken_down_to", 3}};
    text = terminal(result);
    EXPECT_TRUE(contains(text, "whether it recovers")) << text;
    EXPECT_FALSE(contains(text, "no way down"));
}

// Loads that were not tried may be held again.
TEST(ScalingReport, SaysDownToWhichLoadItDidNotRecover) {
    auto result = scaling_result();
    auto& hysteresis = result["targets"][0]["breaking_point"]["hysteresis"];
    hysteresis = {{"present", true}, {"recovers_at", nullptr}, {"broken_down_to", 3}};
    EXPECT_TRUE(contains(terminal(result), "it did not recover\n   down to 3 clients\n"))
        << terminal(result);
    hysteresis["recovers_at"] = 2;
    EXPECT_TRUE(contains(terminal(result), "before; it recovers at 2\n")) << terminal(result);
}

// How long it took, or how long it was waited for.
TEST(ScalingReport, SaysHowLongItTookToRecover) {
    auto result = scaling_result();
    auto& hysteresis = result["targets"][0]["breaking_point"]["hysteresis"];
    hysteresis = {{"present", false},
                  {"recovers_at", 3},
                  {"broken_down_to", nullptr},
                  {"recovery_seconds", 8},
                  {"recovery_allowed_seconds", 12}};
    const auto text = [&result] {
        auto words = terminal(result);
        for (std::size_t at; (at = words.find("\n   ")) != std::string::npos;)
            words.replace(at, 4, " ");
        return words;
    };
    EXPECT_TRUE(
        contains(text(), "it holds what it held before, within 8.00 s of the fall of the load"))
        << text();
    hysteresis["recovery_seconds"] = 0;
    EXPECT_TRUE(contains(text(), "held before, from the fall of the load on")) << text();
    hysteresis.update({{"present", true}, {"recovers_at", nullptr}, {"recovery_seconds", nullptr}});
    EXPECT_TRUE(contains(
        text(), "does not hold what it held before, not even 12.0 s after the fall of the load"))
        << text();
}

// Nothing is known below a load that breaks: that is a limit all the same.
TEST(ScalingReport, SaysWhereItBreaksWithoutAnyLoadHeld) {
    auto result = scaling_result();
    result["targets"][0]["breaking_point"].update({{"lower", nullptr}, {"ending", "running"}});
    const auto text = terminal(result);
    EXPECT_TRUE(text.starts_with("coordinator: breaks at 8 clients; daemon: holds")) << text;
    EXPECT_TRUE(contains(text, "the search was not finished")) << text;
}

// The axis's own figure is at each point and has none for all of them.
TEST(ScalingReport, LeavesTheAxisOutOfTheLoad) {
    auto result = scaling_result();
    auto& load = result["scenario"]["load"];
    load["clients"] = nullptr;
    EXPECT_TRUE(contains(terminal(result), "\n  3 services, ")) << terminal(result);
    load["phases"] = json::array({{{"name", "steady"},
                                   {"loop", "open"},
                                   {"rate", nullptr},
                                   {"pattern", nullptr},
                                   {"arrivals", "poisson"},
                                   {"events", nullptr},
                                   {"duration", 2},
                                   {"warmup", 0}}});
    EXPECT_TRUE(contains(terminal(result), "steady: open loop, poisson arrivals, 2 s"))
        << terminal(result);
}

// An interval without an upper end says so, and a curve that falls from one on is not Amdahl's.
TEST(ScalingReport, SaysWhereALawHasNoEndAndWhereItOnlyFalls) {
    auto result = scaling_result();
    auto& law = result["targets"][0]["scalability"];
    law["peak_n"]["ci_high"] = nullptr;
    law["limit"]["ci_high"] = nullptr;
    auto text = terminal(result);
    EXPECT_TRUE(contains(text, "most with 9.5 clients [6.7, no end]")) << text;
    EXPECT_TRUE(contains(text, "at most 4,000/s [3,800/s, no end]")) << text;
    law["alpha"]["value"] = 1.2;
    law["peak_n"]["value"] = 1;
    text = terminal(result);
    EXPECT_TRUE(contains(text, "throughput falls from one client on: two do less")) << text;
    EXPECT_FALSE(contains(text, "Amdahl"));
}

// A fall is one where its interval says so; what has none says why.
TEST(ScalingReport, SaysWhetherAFallIsSeen) {
    auto result = scaling_result();
    auto& watched = result["targets"][0]["bottleneck"]["activity"];
    watched = {{"samples", 120}, {"cost", {{"core_share", 0.0023}}}};
    auto sentences = [&result] {
        const auto text = render_terminal(result, 300, false);
        EXPECT_TRUE(text);
        return text.value_or("");
    };
    auto text = sentences();
    for (const auto* part : {
             "measured to do most with 4 clients [4 clients, 8 clients], 4,000/s",
             "past 4 clients no fall of throughput is seen: 1 % [-3 %, 5 %] at 8 clients",
             "latency p99 at 8 clients is 8 [7, 9] times that at 1 client\n",
             "latency p99 at 8 clients is 2 [1.8, 2.2] times that at 4 clients\n",
             "errors at 8 clients are 0 % [0 %, 0 %] more than at the lowest load: no change is",
             "errors at 8 clients are 0 % [0 %, 0 %] more than where most is done: no change is",
             "events under way: 640 on average, 1,200 in the highest sample",
             "littles law: 8.787 expected, 10.36 observed: holds to 25.8 %\n",
             "to see that, 120 samples of every thread took 0.23 % of a core\n",
         })
        EXPECT_TRUE(contains(text, part)) << part << '\n' << text;
    auto& law = result["targets"][0]["bottleneck"]["laws"][0];
    law.update({{"tolerance", 0.05}, {"holds", false}});
    EXPECT_TRUE(contains(sentences(), "10.36 observed: does not hold to 5 %\n"));
    law.update({{"bound", true}, {"holds", true}});
    EXPECT_TRUE(
        contains(sentences(), "8.787 expected at most or least, 10.36 observed: holds to 5 %\n"));
    auto& lost = result["targets"][0]["degradation"]["throughput_lost"];
    lost = scaling_figure(0.3, 0.2, 0.4);
    EXPECT_TRUE(contains(sentences(), "past 4 clients throughput falls by 30 % [20 %, 40 %] at"));
    lost = {{"value", 0.3}, {"ci_low", nullptr}, {"ci_high", nullptr}, {"absent", "too few"}};
    text = sentences();
    EXPECT_TRUE(contains(text, "throughput falls by 30 % at 8 clients (no interval: too few)"))
        << text;
    auto& found = result["targets"][0]["degradation"];
    found["latency_to"] = 4;
    EXPECT_TRUE(contains(sentences(), "latency p99 at 4 clients is 8 [7, 9] times that at 1"));
    EXPECT_TRUE(contains(sentences(), "at loads above 4 clients it has no value: it grew"));
    EXPECT_EQ(occurrences(sentences(), "times that at 4 clients"), 1U);  // the other target's
    found["latency_from"] = found["latency_to"] = nullptr;
    found["latency_growth"] = {
        {"value", nullptr}, {"ci_low", nullptr}, {"ci_high", nullptr}, {"absent", "it grew"}};
    EXPECT_TRUE(contains(sentences(), "latency p99 against the load: it grew"));
    result["targets"][0]["breaking_point"] = nullptr;
    EXPECT_TRUE(contains(sentences(), "coordinator: does most with 4 clients [4 clients, 8"));
}

// A bound that the change went beyond is not called confirmed.
TEST(ScalingReport, SaysWhetherAChangeGaveWhatWasPredicted) {
    auto result = scaling_result();
    const auto text = [&result] { return render_terminal(result, 300, false).value_or(""); };
    EXPECT_TRUE(contains(text(), "measured 2.10 [1.90, 2.30]: confirmed")) << text();
    auto& change = result["targets"][0]["bottleneck"]["intervention"];
    change["measured"] = scaling_value(5, 2.6, 9);
    EXPECT_TRUE(contains(text(), "measured 5.00 [2.60, 9.00]: more than that")) << text();
    change["measured"] = scaling_value(1.1, 0.9, 1.2);
    change["confirmed"] = false;
    EXPECT_TRUE(contains(text(), "measured 1.10 [0.90, 1.20]: not confirmed")) << text();
}

// What was not checked, or could not be, is said.
TEST(ScalingReport, SaysWhetherTheLawWasCheckedAtHigherLoads) {
    auto result = scaling_result();
    auto& hold_out = result["targets"][0]["scalability"]["hold_out"];
    hold_out["worst_error"] = nullptr;
    EXPECT_TRUE(contains(terminal(result), "the lower loads alone have no such law"));
    hold_out = nullptr;
    EXPECT_TRUE(contains(terminal(result), "not checked at loads that it was not fitted to"));
}

// Where a limit would bind with its interval, or why that is not known.
TEST(ScalingReport, SaysWhereALimitWouldBind) {
    auto result = scaling_result();
    auto& limit = result["targets"][0]["limits"].emplace_back(json{{"name", "descriptors"},
                                                                   {"kind", "RLIMIT_NOFILE"},
                                                                   {"whose", "daemon"},
                                                                   {"unit", "1"},
                                                                   {"used", 100},
                                                                   {"limit", 1000},
                                                                   {"share", 0.1},
                                                                   {"why_absent", nullptr},
                                                                   {"binds_at", 42},
                                                                   {"ci_low", 40},
                                                                   {"ci_high", nullptr},
                                                                   {"refused", nullptr}});
    auto text = render_terminal(result, 300, false).value_or("");
    EXPECT_TRUE(contains(text, "it would bind at 42 clients [40 clients, no end]")) << text;
    limit["binds_at"] = limit["ci_low"] = nullptr;
    limit["refused"] = "its use does not grow with the load";
    text = render_terminal(result, 300, false).value_or("");
    EXPECT_TRUE(contains(text, "where it would bind is not known: its use does not grow")) << text;
}

// The laws of both with what differs, or why they are not compared.
TEST(ScalingReport, ComparesTheLawsOfBoth) {
    auto result = scaling_result();
    auto text = render_terminal(result, 300, false).value_or("");
    EXPECT_TRUE(contains(text,
                         "the laws of both are not compared: 1 of 6 rounds have every load of "
                         "both; at least 2"))
        << text;
    auto& comparison = result["comparisons"][0];
    comparison["over_loads"].push_back(over_loads("latency_p99", "s", "lower", 3));
    comparison["curves"] = {{"rounds", 6},
                            {"gamma_ratio", scaling_value(1.2, 1.1, 1.3)},
                            {"alpha_difference", scaling_value(0.02, -0.01, 0.05)},
                            {"beta_difference", scaling_value(-0.001, -0.002, 0)},
                            {"limit_ratio", scaling_value(1.5, 0.9, 2)},
                            {"peak_ratio", nullptr}};
    comparison["curves"]["limit_ratio"]["ci_high"] = nullptr;
    text = render_terminal(result, 300, false).value_or("");
    for (const auto* part : {"over all 4 loads, each counted alike: +10.0 % [+5.0, +20.0]",
                             "over the 3 of 4 loads that most rounds have, each counted alike",
                             "one client, by the laws: +20.0 % [+10.0, +30.0]",
                             "contention: +2 [-1, +5] percentage points",
                             "coherency: -0.1 [-0.2, +0] percentage points",
                             "most throughput there is: +50.0 % [-10.0, no end]",
                             "load with the most throughput: not known: not both of the laws"})
        EXPECT_TRUE(contains(text, part)) << part << '\n' << text;
}

// Both curves with their laws, the breaking points, and a mark for each of four loads.
TEST(ScalingReport, SaysWhyNothingIsSaidOfWhatBinds) {
    auto result = scaling_result();
    result["targets"][0]["bottleneck"] = nullptr;
    result["targets"][0]["why_no_bottleneck"] = "the target died there";
    EXPECT_TRUE(contains(terminal(result), "what binds is not known: the target died there"));
}

TEST(ScalingReport, DrawsTheCurvesOfBoth) {
    const auto page = render_html(scaling_result());
    ASSERT_TRUE(page) << page.error().message;
    for (const auto* mark : {"law a", "law b"})
        EXPECT_EQ(occurrences(*page, "class=\"" + std::string(mark) + "\""), 1U) << mark;
    for (const auto* mark : {"break a", "break b"})
        EXPECT_EQ(occurrences(*page, "class=\"" + std::string(mark) + "\""), 3U) << mark;
    // Throughput, latency and memory, and each chart's legend.
    EXPECT_EQ(occurrences(*page, "class=\"dot a\""), 15U);
    EXPECT_TRUE(contains(*page, "4 clients: 12,000/s"));
    EXPECT_FALSE(contains(*page, "<script"));
}

TEST(ScalingReport, IsMarkdownWithATableForEachTarget) {
    const auto text = render_markdown(scaling_result());
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_EQ(occurrences(*text, "| load | done |"), 2U);
    EXPECT_TRUE(contains(*text, "| 8 clients | 12,000/s |"));
    EXPECT_TRUE(contains(*text, "+20.0 % [+10.0, +30.0]"));
}

/// From `start` up to `end`, or to the text's end.
std::string part_of(const std::string& text, std::string_view start, std::string_view end) {
    const auto from = text.find(start);
    EXPECT_NE(from, std::string::npos) << start << '\n' << text;
    if (from == std::string::npos) return {};
    return text.substr(from, text.find(end, from + start.size()) - from);
}

// Each further target has its ratios under a heading of its own, which names the baseline.
TEST(ScalingReport, ComparesEachFurtherTargetWithTheFirst) {
    auto result = scaling_result({"router:"});
    result["comparisons"][1]["points"][3]["metrics"][0]["ratio"]["value"] = 1.7;
    const std::string ends = "at the same loads in the same rounds [95 %]\n";
    const auto text = terminal(result);
    EXPECT_TRUE(contains(text, "; router: holds 4"));
    const auto daemon =
        part_of(text, "daemon: over baseline coordinator:, " + ends, "router: over");
    EXPECT_TRUE(contains(daemon, "8 clients +20.0 % [+10.0, +30.0]")) << daemon;
    const auto router = part_of(text, "router: over baseline coordinator:, " + ends, "\ndone:");
    EXPECT_TRUE(contains(router, "8 clients +70.0 % [+10.0, +30.0]")) << router;
    EXPECT_TRUE(contains(router, "the laws of both are not compared")) << router;
    const auto markdown = render_markdown(result).value_or("");
    EXPECT_EQ(occurrences(markdown, "## Compared\n"), 1U);
    EXPECT_TRUE(contains(part_of(markdown, "### `daemon:` over baseline `coordinator:`", "###"),
                         "| 8 clients | +20.0 %"));
    EXPECT_TRUE(contains(part_of(markdown, "### `router:` over baseline `coordinator:`", "##"),
                         "| 8 clients | +70.0 %"));
    const auto page = render_html(result).value_or("");
    EXPECT_TRUE(
        contains(part_of(page, "<h3>router: over baseline coordinator:</h3>", "</table>"), "70.0"));
}

// Long URLs wrap, so that each line of a terminal holds.
TEST(ScalingReport, WrapsHeadingsOfLongTargets) {
    const auto* url = "daemon:?work=none&durability=normal&workers=4";
    auto result = scaling_result({url});
    for (auto* name : {&result["targets"][0]["target"], &result["comparisons"][1]["baseline"]})
        *name = "coordinator:?work=none&durability=normal";
    const auto text = terminal(result);
    EXPECT_TRUE(contains(text, std::string("\n") + url +
                                   " over baseline\ncoordinator:?work=none&durability=normal, at "
                                   "the same loads in the same"))
        << text;
}

// Six curves in six colours and shapes. Their names take more than one line of the legend: the
// picture begins below it.
TEST(ScalingReport, TellsSixCurvesApart) {
    const auto page =
        render_html(scaling_result({"router:", "exec:./one", "exec:./two", "exec:./three"}));
    ASSERT_TRUE(page) << page.error().message;
    for (const auto* mark : {"a", "b", "d", "e", "f", "g"}) {
        EXPECT_EQ(occurrences(*page, fmt::format("class=\"dot {}\"", mark)), 15U) << mark;
        EXPECT_EQ(occurrences(*page, fmt::format("class=\"law {}\"", mark)), 1U) << mark;
        EXPECT_EQ(occurrences(*page, fmt::format("class=\"side {}\"", mark)), 1U) << mark;
        EXPECT_TRUE(contains(*page, fmt::format(".dot.{}{{fill:", mark))) << mark;
    }
    EXPECT_EQ(occurrences(*page, "<dt>Baseline</dt>"), 1U);
    EXPECT_EQ(occurrences(*page, "<dt>Candidate</dt>"), 5U);
    EXPECT_EQ(occurrences(*page, "viewBox=\"0 0 560 298\""), 3U);
    EXPECT_EQ(occurrences(render_html(scaling_result()).value_or(""), "viewBox=\"0 0 560 280\""),
              3U);
}

// What reads a page aloud tells of a table by its caption alone, and of its frame by its label.
TEST(ScalingReport, NamesTheTargetsOfEachTable) {
    const auto page = render_html(scaling_result({"exec:./a<b"})).value_or("");
    for (const auto* name :
         {"coordinator: along the axis of clients", "daemon: along the axis of clients",
          "exec:./a&lt;b along the axis of clients",
          "daemon: over baseline coordinator:, at the same loads in the same rounds",
          "exec:./a&lt;b over baseline coordinator:, at the same loads in the same rounds"}) {
        EXPECT_EQ(occurrences(page, fmt::format("<caption>{}</caption>", name)), 1U) << name;
        EXPECT_EQ(occurrences(page, fmt::format("aria-label=\"{}\"", name)), 1U) << name;
    }
}

// Each part of a comparison is in every result, and so are the comparisons, of one target none.
TEST(ScalingReport, NamesAMemberThatIsMissing) {
    const auto message_without = [](const json::json_pointer& whole, const char* member) {
        auto result = scaling_result();
        result[whole].erase(member);
        const auto text = render_terminal(result, 80, false);
        EXPECT_FALSE(text);
        if (text) return std::string();
        EXPECT_EQ(text.error().code, Errc::corrupt);
        return text.error().message;
    };
    using Pointer = json::json_pointer;
    EXPECT_TRUE(contains(message_without(Pointer("/targets/0"), "scalability"), "scalability"));
    EXPECT_TRUE(contains(message_without(Pointer(""), "comparisons"), "'comparisons' not found"));
    EXPECT_TRUE(contains(message_without(Pointer("/comparisons/0"), "over_loads"),
                         "'over_loads' not found"));
}

}  // namespace
}  // namespace crucible::lab::report
