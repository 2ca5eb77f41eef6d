#include "lab/record/thread_totals.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "lab/record/fake_root.h"
#include "lab/record/proc_text.h"

namespace crucible::lab {
namespace {

std::optional<ThreadTotals::Counts> parse_pair(std::string_view text) {
    const auto first = leading_number(text);
    const auto second = leading_number(text.substr(text.find(' ') + 1));
    if (!first || !second) return std::nullopt;
    return ThreadTotals::Counts{*first, *second};
}

class ThreadTotalsTest : public ::testing::Test {
protected:
    ThreadTotals::Counts update() {
        const auto total = totals_.update(directory_.get());
        EXPECT_TRUE(total);
        return total.value_or(ThreadTotals::Counts{});
    }

    FakeRoot root_;
    base::UniqueFd directory_{::open(root_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    ThreadTotals totals_{"counts", parse_pair};
};

using Counts = ThreadTotals::Counts;

// A pool whose threads come and go would otherwise seem to take back what it did.
TEST_F(ThreadTotalsTest, KeepsWhatEndedThreadsWereLastSeenWith) {
    root_.write("task/1/counts", "10 1");
    root_.write("task/2/counts", "20 2");
    EXPECT_EQ(update(), (Counts{30, 3}));
    root_.remove("task/2");
    root_.write("task/1/counts", "11 1");
    EXPECT_EQ(update(), (Counts{31, 3}));
    EXPECT_EQ(update(), (Counts{31, 3}));
    // The number is given out again: what it has now comes on top.
    root_.write("task/2/counts", "25 9");
    EXPECT_EQ(update(), (Counts{56, 12}));
}

// A number that was given out again between two readings shows by counts that went back.
TEST_F(ThreadTotalsTest, SeesANumberUsedAgain) {
    root_.write("task/1/counts", "10 1");
    root_.write("task/2/counts", "20 2");
    EXPECT_EQ(update(), (Counts{30, 3}));
    root_.write("task/2/counts", "5 0");
    EXPECT_EQ(update(), (Counts{35, 3}));
}

TEST_F(ThreadTotalsTest, SaysThatNoThreadHasTheFile) {
    EXPECT_EQ(totals_.update(directory_.get()).error(), ENOENT);
    root_.write("task/1/other", "");
    EXPECT_EQ(totals_.update(directory_.get()).error(), ENOENT);
    root_.write("task/1/counts", "none");
    EXPECT_EQ(totals_.update(directory_.get()).error(), EINVAL);
    root_.write("task/1/counts", "7 7");
    EXPECT_EQ(update(), (Counts{7, 7}));
}

}  // namespace
}  // namespace crucible::lab
