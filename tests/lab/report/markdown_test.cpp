#include "examples.h"
#include "lab/report/report.h"

namespace crucible::lab::report {
namespace {

std::string markdown(const nlohmann::json& result) {
    const auto text = render_markdown(result);
    EXPECT_TRUE(text) << text.error().message;
    return text.value_or("");
}

// Verdict as the heading, gated metrics in bold, every column filled.
TEST(MarkdownReport, ShowsAComparison) {
    const auto text = markdown(example("comparison.json"));

    EXPECT_TRUE(text.starts_with("# Adopt the candidate: "));
    EXPECT_TRUE(contains(text,
                         "| **Throughput** | 6,916/s | 9,437/s | +36.5 % (+30.4, +44.9) | +2.4 % | "
                         "better | 36.5 % higher;"));
    EXPECT_TRUE(contains(text, "| Latency p99.9 | — | — | — | — | inconclusive | 2,000 samples"));
    EXPECT_TRUE(contains(text, "| Baseline | 94,800 | 94,800 | 94,800 | 0 | 0 | 0 | 0 |"));
}

TEST(MarkdownReport, ShowsARun) {
    const auto text = markdown(example("run.json"));

    EXPECT_TRUE(contains(
        text, "| Latency p50 | 578 us | 564 us to 593 us (within run) | 2,000 | steady |  |"));
    EXPECT_TRUE(contains(text, "\ncrucible run daemon: --scenario medium\n"));
}

TEST(MarkdownReport, ShowsAProfile) {
    const auto text = markdown(example("memory.json"));

    EXPECT_TRUE(contains(text, "| Allocations | 1.00 | 3 |  |"));
    EXPECT_TRUE(
        contains(text, "\n- client: target, SyntheticTarget::leak (synthetic.cpp:140) \\< "));
    EXPECT_TRUE(contains(text, ": leak (64 bytes an event sent \\[63.9, 64\\]): grows to the end"));
    EXPECT_TRUE(contains(text, "| client: target | 74.7 KiB | 74.7 KiB | 1.00 | 125 B | 33 B |"));
}

// A bar in a reason would end its cell, and a tag would be markup.
TEST(MarkdownReport, EscapesWhatTheFileSays) {
    auto result = example("comparison.json");
    result["candidate"] = "daemon:`a|b`";
    metric_of(result, "throughput")["reason"] = "a|b <b>*c*</b>";

    const auto text = markdown(result);

    EXPECT_TRUE(contains(text, "| a\\|b \\<b\\>\\*c\\*\\</b\\> |"));
    EXPECT_TRUE(contains(text, "| Candidate | `` daemon:`a\\|b` `` |"));
}

// Rows of one table have one number of cells, or viewers drop the rest.
TEST(MarkdownReport, HasWholeTables) {
    for (const auto* name : kExamples) {
        const auto text = markdown(example(name));
        std::size_t cells = 0;
        for (std::size_t at = 0; at < text.size();) {
            const auto line = text.substr(at, text.find('\n', at) - at);
            at += line.size() + 1;
            if (!line.starts_with("|")) {
                cells = 0;
                continue;
            }
            const auto here = occurrences(line, " |");
            EXPECT_TRUE(cells == 0 || here == cells) << line;
            cells = here;
        }
    }
}

}  // namespace
}  // namespace crucible::lab::report
