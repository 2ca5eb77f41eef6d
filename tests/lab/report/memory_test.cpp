#include <algorithm>

#include "examples.h"
#include "lab/report/report.h"
#include "lab/report/terminal_text.h"

namespace crucible::lab::report {
namespace {

using nlohmann::json;

std::string markdown_of(const json& result) {
    return render_markdown(result).value_or("");
}

std::string html_of(const json& result) {
    return render_html(result).value_or("");
}

json estimate(double value, double low, double high) {
    return {{"value", value}, {"ci_low", low}, {"ci_high", high}};
}

json arm(double value) {
    auto result = estimate(value, value, value);
    result["n"] = 10;
    return result;
}

json metric(const char* name, double baseline, double candidate, const json& ratio,
            const json& difference, const char* verdict) {
    auto compared = example("comparison.json")["scenarios"][0]["metrics"][0];
    compared["name"] = name;
    compared["unit"] = "bytes";
    compared["better"] = "lower";
    compared["gated"] = false;
    compared["baseline"] = arm(baseline);
    compared["candidate"] = arm(candidate);
    compared["ratio"] = ratio;
    compared["difference"] = difference;
    compared["control"] = nullptr;
    compared["verdict"] = verdict;
    compared["reason"] = "because";
    return compared;
}

/// The example with its first place sampled: 12 samples, of which none is live.
json sampled_example() {
    auto result = example("memory.json");
    auto& stacks = result["targets"][0]["stacks"];
    stacks["mean_bytes_between_samples"] = 524'288;
    stacks["exact"] = false;
    stacks["ranked_from_samples"] = 5;
    auto& site = stacks["sites"][0];
    site["samples"] = 12;
    site["live_samples"] = 0;
    site["ranked_by"] = {"bytes_per_event"};
    site["allocations_per_event"] = 1.02;
    site["bytes_per_event"] = estimate(1250, 718, 2192);
    site["live_bytes"] = estimate(0, 0, 1'934'000);
    stacks["sites"] = json::array({site});
    stacks["few_samples"] = {{"sites", 37},
                             {"samples", 41},
                             {"live_samples", 3},
                             {"allocations_per_event", 0.5},
                             {"bytes_per_event", 300},
                             {"live_blocks", 4},
                             {"live_bytes", 2048},
                             {"byte_seconds_per_event", 1}};
    return result;
}

/// The example's target twice, with the stages compared.
json comparison_of_two() {
    auto result = example("memory.json");
    result["targets"].push_back(result["targets"][0]);
    const auto part = [](const char* division, const char* name, const json& compared) {
        return json{{"division", division}, {"part", name}, {"metrics", {compared}}};
    };
    constexpr const char* kBytes = "allocated_bytes_per_event";
    const auto queue = metric(kBytes, 300, 600, estimate(2, 1.99, 2.01), estimate(300, 295, 304),
                              "changed_within_margin");
    result["comparison"] = {
        {"baseline", "a:"},
        {"candidate", "b:"},
        {"clients", 2},
        {"method", example("comparison.json")["method"]},
        {"metrics", json::array()},
        {"parts",
         {part("stage", "router", metric(kBytes, 0, 0, nullptr, estimate(0, 0, 0), "equivalent")),
          part("stage", "transport",
               metric(kBytes, 0, 2048, nullptr, estimate(2048, 1024, 3072), "worse")),
          part("stage", "queue", queue), part("owner", "a parser of everything", queue),
          part("category", "mcp",
               metric("peak_live_bytes_per_event", 500, 400, estimate(0.8, 0.7, 0.9),
                      estimate(-100, -150, -50), "better"))}}};
    // What the reader shows of it is what the engine compared.
    result["comparison"]["metrics"].push_back(
        metric(kBytes, 300, 2648, estimate(8.8, 8, 9), nullptr, "worse"));
    return result;
}

// Each stage and category of the example, in the table of owners.
TEST(MemoryReport, ShowsStagesAndCategories) {
    const auto text = terminal(example("memory.json"));
    EXPECT_EQ(line_starting(text, " stage"),
              " stage                        live     peak allocs/event bytes/event  peak/event");
    EXPECT_EQ(line_starting(text, " client  "),
              " client                   74.7 KiB 74.7 KiB         1.00       125 B        33 B");
    EXPECT_EQ(line_starting(text, " elsewhere"),
              " elsewhere                 145 KiB  145 KiB            0         0 B         0 B");
    EXPECT_NE(line_starting(text, " category alone"), "");
    EXPECT_NE(line_starting(text, " mcp"), "");
    const auto page = html_of(example("memory.json"));
    EXPECT_TRUE(contains(page, "By stage of an event's path"));
    EXPECT_TRUE(contains(page, "With events of one category alone"));
    EXPECT_TRUE(contains(markdown_of(example("memory.json")),
                         "| client | 74.7 KiB | 74.7 KiB | 1.00 | 125 B | 33 B |"));
}

// A sampled figure stands with its interval, its place with its samples; those that have too few
// are one line. All fits 80 columns.
TEST(MemoryReport, ShowsHowFarOffSampledStacksMayBe) {
    const auto result = sampled_example();
    const auto text = terminal(result);
    EXPECT_TRUE(contains(text,
                         "    1.22 [0.7, 2.14] KiB                      1.02"
                         "           0 [0, 1.84] MiB\n"
                         "            client: target, 12 (0 live) samples\n"))
        << text;
    EXPECT_TRUE(contains(text,
                         "                   300 B                     0.500"
                         "                  2.00 KiB\n"
                         "            37 sites with fewer than 5 samples: 41 (3 live)\n"))
        << text;
    EXPECT_TRUE(contains(text, "samples 512 KiB apart")) << text;
    for (std::size_t at = 0; at < text.size();) {
        const auto line = text.substr(at, text.find('\n', at) - at);
        EXPECT_LE(columns(line), 80u) << line;
        at += line.size() + 1;
    }
    const auto markdown = markdown_of(result);
    EXPECT_TRUE(contains(markdown,
                         "| 1.22 [0.7, 2.14] KiB | 1.02 | 0 [0, 1.84] MiB | 12 (0 live) | client: "
                         "target |"))
        << markdown;
    EXPECT_TRUE(contains(markdown,
                         "| 300 B | 0.500 | 2.00 KiB | 41 (3 live) |  | 37 sites with fewer than 5 "
                         "samples |"))
        << markdown;
    const auto page = html_of(result);
    EXPECT_TRUE(contains(page, "live)</td>"));
    EXPECT_TRUE(contains(page, "37 sites with fewer than 5 samples"));
    EXPECT_TRUE(contains(page, "are in no order"));
}

// What there are too few samples of does not rank a place, however much they stand for.
TEST(MemoryReport, RanksPlacesByEnoughSamples) {
    auto result = sampled_example();
    auto& sites = result["targets"][0]["stacks"]["sites"];
    auto held = sites[0];
    held["site"] = "held_by_four < main";
    held["samples"] = 4;
    held["live_samples"] = 9;
    held["ranked_by"] = {"live_bytes"};
    held["bytes_per_event"] = estimate(9e6, 3e6, 3e7);
    held["live_bytes"] = estimate(4e6, 2e6, 8e6);
    sites.insert(sites.begin(), held);
    // Leaks are told before, and by the same names.
    const auto text = terminal(result);
    const auto places = text.substr(text.find("owner, samples, and where"));
    const auto second = places.find("held_by_four");
    ASSERT_NE(second, std::string::npos) << text;
    EXPECT_LT(places.find("SyntheticTarget::leak"), second) << places;
}

// Where every allocation has its stack nothing is estimated, and that is said.
TEST(MemoryReport, SaysThatAllStacksAreExact) {
    const auto result = example("memory.json");
    EXPECT_EQ(line_starting(terminal(result), "       125 B"),
              "       125 B               1.00   74.0 KiB  client: target");
    const std::string exact = "exact: every allocation in one trial's events, at 16 places";
    EXPECT_TRUE(contains(terminal(result), exact));
    EXPECT_TRUE(
        contains(markdown_of(result), "| bytes/event | allocations/event | live | owner |"));
    EXPECT_TRUE(contains(markdown_of(result), exact));
    EXPECT_TRUE(contains(html_of(result), "exact: every allocation in one trial"));
}

// Where some processes have no stacks no word says that it is exact, no column has an interval, and
// the remark is wherever places are.
TEST(MemoryReport, SaysThatStacksAreOfSomeProcesses) {
    const std::string remark = "process 7 has no stacks";
    auto result = example("memory.json");
    auto* stacks = &result["targets"][0]["stacks"];
    (*stacks)["exact"] = false;
    (*stacks)["remarks"] = {remark};
    const std::string some = "every allocation in one trial's events, of some of its processes, at";
    for (const auto& text : {terminal(result), markdown_of(result)}) {
        EXPECT_TRUE(contains(text, remark)) << text;
        EXPECT_FALSE(contains(text, "exact:")) << text;
        EXPECT_FALSE(contains(text, "samples")) << text;
    }
    EXPECT_TRUE(contains(markdown_of(result), some));
    EXPECT_TRUE(contains(html_of(result), remark));
    EXPECT_FALSE(contains(html_of(result), "exact:"));

    result = sampled_example();
    stacks = &result["targets"][0]["stacks"];
    (*stacks)["remarks"] = {remark};
    for (const auto* figure : {"bytes_per_event", "live_bytes"})
        for (const auto* end : {"ci_low", "ci_high"}) (*stacks)["sites"][0][figure][end] = nullptr;
    const auto markdown = markdown_of(result);
    EXPECT_TRUE(contains(markdown, "| bytes/event | allocations/event | live | samples | owner |"))
        << markdown;
    EXPECT_FALSE(contains(markdown, "intervals overlap")) << markdown;
    EXPECT_TRUE(contains(terminal(result), "- " + remark)) << terminal(result);
}

// Size classes of one doubling are one row, and so are the threads that allocate least.
TEST(MemoryReport, ShowsSizesAndThreads) {
    auto result = example("memory.json");
    auto& target = result["targets"][0];
    const auto over_rounds = [](double value) { return arm(value); };
    const auto size = [&](const json& from, const json& to, double allocations) {
        return json{{"usable_bytes_from", from},
                    {"usable_bytes_to", to},
                    {"allocations_per_event", over_rounds(allocations)},
                    {"usable_bytes_per_event", over_rounds(allocations * from.get<double>())},
                    {"live_blocks", over_rounds(1000)}};
    };
    target["sizes"] = {size(8, 8, 1), size(24, 24, 2), size(40, 40, 1), size(56, 56, 0.5),
                       size(1 << 20, nullptr, 0.25)};
    const auto thread = [&](const std::string& name, double bytes) {
        return json{{"place", "system"},
                    {"thread", name},
                    {"threads", over_rounds(2)},
                    {"allocations_per_event", over_rounds(bytes / 100)},
                    {"bytes_per_event", over_rounds(bytes)},
                    {"freed_bytes_per_event", over_rounds(10)}};
    };
    target["threads"] = {thread("main", 0), thread("worker", 900)};
    auto markdown = markdown_of(result);
    EXPECT_TRUE(contains(markdown, "| 16 B | 1 | 8 B | 1,000 |")) << markdown;
    EXPECT_TRUE(contains(markdown, "| 64 B | 1.50 | 68 B | 2,000 |")) << markdown;
    EXPECT_TRUE(contains(markdown, "| any size | 0.250 | 256 KiB | 1,000 |")) << markdown;
    EXPECT_LT(markdown.find("| system: worker | 2 | 9 | 900 B | 10 B |"),
              markdown.find("| system: main | 2 | 0 | 0 B | 10 B |"));
    const auto page = html_of(result);
    EXPECT_TRUE(contains(page, "By what blocks can hold"));
    EXPECT_TRUE(contains(page, "Which threads allocate and free it"));
    for (int i = 0; i < 12; ++i)
        target["threads"].push_back(thread("thread" + std::to_string(i), 100 + i));
    markdown = markdown_of(result);
    // Of fourteen eleven are told: main and two that have 100 and 101 bytes are not.
    EXPECT_TRUE(contains(markdown, "| 3 others | 6 | 2.01 | 201 B | 30 B |")) << markdown;
}

// Of fourteen owners the eleven that hold most are told: not those that hold 0, 1 and 2 KiB.
TEST(MemoryReport, TellsOwnersThatHoldLeastAsOne) {
    auto result = example("memory.json");
    auto owner = result["targets"][0]["owners"][1];
    result["targets"][0]["owners"] = json::array();
    for (int i = 0; i < 14; ++i) {
        owner["owner"] = "owner" + std::to_string(i);
        owner["live_bytes"]["value"] = 1024 * i;
        owner["peak_bytes"]["value"] = 2048 * i;
        owner["allocations_per_event"]["value"] = i;
        owner["bytes_per_event"]["value"] = 10 * i;
        owner["peak_bytes_per_event"]["value"] = 100 * i;
        result["targets"][0]["owners"].push_back(owner);
    }
    const auto markdown = markdown_of(result);
    EXPECT_TRUE(contains(markdown, "| 3 others | 3.00 KiB | 6.00 KiB | 3 | 30 B | 300 B |"))
        << markdown;
    EXPECT_TRUE(contains(markdown, ": owner3 | 3.00 KiB |")) << markdown;
    EXPECT_FALSE(contains(markdown, ": owner2 |")) << markdown;
}

// What failed is told of its target; the headline has the figures of the other.
TEST(MemoryReport, TellsOfTheTargetBesideOneThatFailed) {
    auto result = example("memory.json");
    auto failed = result["targets"][0];
    failed["target"] = "exec:./mine";
    failed["metrics"] = json::array();
    failed["failure"] = {{"code", "failed"}, {"message", "client-0: gone"}};
    failed["failed_trials"] = {"with 2 clients, in a burst: refused"};
    result["targets"].push_back(failed);
    result["failure"] = {{"code", "failed"}, {"message", "exec:./mine: client-0: gone"}};
    const auto text = terminal(result);
    EXPECT_TRUE(text.starts_with("FAILED: exec:./mine: client-0: gone. Memory with 2 clients: "))
        << text;
    EXPECT_NE(line_starting(text, " failed: client-0: gone"), "") << text;
    EXPECT_NE(line_starting(text, " failed: with 2 clients, in a burst: refused"), "") << text;
    EXPECT_TRUE(contains(markdown_of(result), "- Failed: client-0: gone"));
    EXPECT_TRUE(contains(html_of(result), "<p>Failed: client-0: gone</p>"));
}

// What the watch for leaks held itself, here and in its clients, where it is known.
TEST(MemoryReport, TellsWhatTheWatchForLeaksHeld) {
    auto result = example("memory.json");
    auto& leak = result["targets"][0]["leak"];
    leak["own_memory"] = {{"first", 2 << 20}, {"last", 3 << 20}, {"peak", 4 << 20}};
    leak["worker_memory"] = {{"first", 16 << 20}, {"last", 17 << 20}, {"peak", 18 << 20}};
    const std::string own = "crucible's own memory went from 2.00 MiB to 3.00 MiB";
    const std::string workers = "; what it holds in its client processes from 16.0 MiB to 17.0 MiB";
    EXPECT_TRUE(contains(markdown_of(result), own + workers)) << markdown_of(result);
    EXPECT_TRUE(contains(html_of(result), "what it holds in its client processes from"));
    leak["worker_memory"] = nullptr;
    EXPECT_TRUE(contains(markdown_of(result), own));
    EXPECT_FALSE(contains(markdown_of(result), "client processes from"));
}

// Owners and stages come to more than the live peak, which is itself of several processes: wherever
// they are shown, it is said; and in the terminal where what it has no room for is.
TEST(MemoryReport, SaysThatPeaksDoNotAddUp) {
    const auto result = example("memory.json");
    auto text = terminal(result);
    std::ranges::replace(text, '\n', ' ');
    EXPECT_TRUE(contains(text, "Size classes, threads and lifetimes are in report.html.")) << text;
    for (const auto& report : {text, markdown_of(result), html_of(result)}) {
        EXPECT_TRUE(contains(report, "an upper bound of what they held at once")) << report;
        EXPECT_TRUE(contains(report, "neither they nor their peak/event add up")) << report;
    }
}

// What figures per event are over.
TEST(MemoryReport, ShowsWhatBecameOfTheEvents) {
    auto result = example("memory.json");
    auto& delivery = result["targets"][0]["delivery"];
    delivery["handled"] = 360;
    delivery["rejected"] = 540;
    EXPECT_EQ(line_starting(terminal(result), " counted"),
              " counted          900      900       360       540        0          0         0");
    EXPECT_TRUE(contains(markdown_of(result), "| Counted | 900 | 900 | 360 | 540 | 0 | 0 | 0 |"));
    EXPECT_TRUE(contains(html_of(result), R"(<td class="num bad">540</td>)"));
}

// A part that one side has not shows its difference with its unit; one that neither has is left
// out. All fits 80 columns, whatever owners are called.
TEST(MemoryReport, ShowsHowPartsCompare) {
    const auto result = comparison_of_two();
    const auto text = terminal(result);
    EXPECT_NE(line_starting(text, " Allocated/event by stage"), "") << text;
    EXPECT_EQ(line_starting(text, " transport  "),
              " transport              0 B  2.00 KiB  +2.00 [+1.00, +3.00] KiB    worse");
    EXPECT_EQ(line_starting(text, " queue  "),
              " queue                300 B     600 B   +100 [+99.0, +101] %       within margin");
    EXPECT_EQ(line_starting(text, " mcp  "),
              " mcp                  500 B     400 B  -20.0 [-30.0, -10.0] %      better");
    EXPECT_NE(line_starting(text, " a parser of ev"), "") << text;
    EXPECT_FALSE(contains(text, "\n router                 0 B       0 B"));
    for (std::size_t at = 0; at < text.size();) {
        const auto line = text.substr(at, text.find('\n', at) - at);
        EXPECT_LE(columns(line), 80u) << line;
        at += line.size() + 1;
    }
    // Where there is room both are shown.
    EXPECT_TRUE(contains(markdown_of(result),
                         "| queue | 300 B | 600 B | +300 [+295, +304] B | +100 +99.0, +101 |"));
    const auto page = html_of(result);
    EXPECT_TRUE(contains(page, "Peak/event by category"));
    EXPECT_TRUE(contains(page, "[+295,"));
}

}  // namespace
}  // namespace crucible::lab::report
