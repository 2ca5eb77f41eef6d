// The tracker's malloc family answers as glibc's does.
#include <gtest/gtest.h>
#include <signal.h>

#include <sstream>
#include <string>
#include <vector>

#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

// Each call's success, errno, alignment and content; glibc itself says what is right.
TEST(Family, AnswersAsGlibcDoes) {
    const Ended truth = run({kPrograms / "family"}, {.tracker = Tracker::absent});
    ASSERT_EQ(truth.status.exit_code, 0) << truth.errors;
    const auto expected = lines_of(truth.output);
    ASSERT_GT(expected.size(), 600U);
    run_both("family", {}, [&](const Ended& ended) {
        ASSERT_EQ(ended.status.describe(), "exited with code 0") << ended.errors;
        const auto answers = lines_of(ended.output);
        ASSERT_EQ(answers.size(), expected.size());
        for (std::size_t i = 0; i < answers.size(); ++i)
            EXPECT_EQ(answers[i], expected[i]) << "line " << i;
        const Snapshot snapshot = snapshot_of(ended);
        // Two that came from glibc past the tracker; one of them by way of realloc.
        EXPECT_EQ(snapshot.foreign_frees, 2U);
        expect_partitions(snapshot);
    });
}

// A refused call changed nothing, so that it may leave no trace in the counts.
TEST(Family, CountsNothingOfWhatFails) {
    run_both("family", {"counts"}, [](const Ended& ended) {
        expect_ledgers(ended, 1);
        EXPECT_EQ(snapshot_of(ended).reallocations, 0U);
    });
}

// A wrong program ends where it would have ended, and says why. Each several times: what a freed
// block holds is random.
TEST(Family, EndsAWrongProgramAsGlibcDoes) {
    for (const auto* const how : {"invalid", "inside", "stack", "invalid_realloc", "twice",
                                  "twice_later", "twice_large", "realloc_freed"}) {
        const Ended truth = run({kPrograms / "family", how}, {.tracker = Tracker::absent});
        ASSERT_EQ(truth.status.signal, SIGABRT) << how;
        for (int i = 0; i < 5; ++i) {
            const Ended ended = run({kPrograms / "family", how});
            EXPECT_EQ(ended.status.describe(), truth.status.describe()) << how;
            EXPECT_NE(ended.errors, "") << how;
        }
    }
}

}  // namespace
}  // namespace crucible::alloc
