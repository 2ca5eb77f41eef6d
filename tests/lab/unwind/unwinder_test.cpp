// Stacks through code without frame pointers, from programs that have ended.
#include "lab/unwind/unwinder.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "alloc/sampled_run.h"

namespace crucible::lab {
namespace {

using alloc::StackSnapshot;
using alloc::StacksReader;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::SizeIs;
namespace sampled = alloc::sampled;
using Names = std::vector<std::string>;

StackSnapshot unwound(const sampled::TrackedRun& done) {
    const auto reader = StacksReader::open(sampled::file_of(done, done.pid));
    EXPECT_TRUE(reader) << reader.error().message;
    if (!reader) return {};
    StackSnapshot snapshot = reader->read();
    EXPECT_EQ(snapshot.raw_not_saved, 0U);
    unwind(*reader, snapshot);
    return snapshot;
}

/// Those of `wanted` in this order, whatever is between them.
bool has_in_order(const Names& names, const Names& wanted) {
    auto next = wanted.begin();
    for (const auto& name : names)
        if (next != wanted.end() && name == *next) ++next;
    return next == wanted.end();
}

// Where frame pointers say all, the tables say the same.
TEST(Unwinder, AgreesWithFramePointers) {
    const auto stacks = sampled::named_stacks(unwound(sampled::run_stacks("nested")), "stacks");
    ASSERT_THAT(stacks, SizeIs(1));
    EXPECT_TRUE(has_in_order(stacks[0], {"innermost", "middle", "outermost", "main", "_start"}));
    EXPECT_EQ(stacks[0].back(), "_start");
}

// operator new has no frame pointer: by these, its caller would be missing.
TEST(Unwinder, FindsTheCallerOfOperatorNew) {
    const auto stacks = sampled::named_stacks(unwound(sampled::run_stacks("news")), "stacks");
    ASSERT_GE(stacks.size(), 2U);
    for (const auto& stack : stacks) {
        ASSERT_GE(stack.size(), 3U);
        EXPECT_EQ(stack[0], "_Znwm");
        EXPECT_EQ(stack[1], "two_news");
        EXPECT_EQ(stack[2], "main");
    }
}

// Through glibc's qsort and bsearch, of which the frame pointers know nothing.
TEST(Unwinder, FollowsCallbacks) {
    int by_qsort = 0;
    int by_bsearch = 0;
    const auto stacks = sampled::named_stacks(unwound(sampled::run_stacks("sort")), "stacks");
    for (const auto& stack : stacks) {
        if (stack.front() != "innermost") continue;
        EXPECT_TRUE(has_in_order(stack, {"innermost", "compare", "sort", "main", "_start"}))
            << ::testing::PrintToString(stack);
        by_qsort += has_in_order(stack, {"compare", "qsort_r", "sort"});
        by_bsearch += has_in_order(stack, {"compare", "bsearch", "sort"});
    }
    EXPECT_GE(by_qsort, 1);
    EXPECT_GE(by_bsearch, 1);
}

// A library that is loaded late, and has no frame pointers: from main through it to malloc.
TEST(Unwinder, FollowsALibraryThatIsLoadedLate) {
    const auto done = sampled::run("all", {CRUCIBLE_ALLOC_PROGRAMS "/stacks", "query"});
    if (done.status.exit_code == 77) GTEST_SKIP() << "no libsqlite3.so.0";
    ASSERT_EQ(done.status.exit_code, 0) << done.status.describe();
    const auto stacks = sampled::named_stacks(unwound(done), "query");
    int whole = 0;
    for (const auto& stack : stacks)
        whole += has_in_order(stack, {"sqlite3_exec", "query", "main", "_start"});
    EXPECT_GE(stacks.size(), 20U);
    EXPECT_EQ(static_cast<std::size_t>(whole), stacks.size());
}

TEST(Unwinder, EndsAtAThreadsBegin) {
    const auto stacks =
        sampled::named_stacks(unwound(sampled::run_stacks("thread")), "stacks", 501);
    ASSERT_THAT(stacks, SizeIs(1));
    EXPECT_TRUE(has_in_order(stacks[0], {"innermost", "middle", "outermost", "thread_begin"}));
    EXPECT_THAT(stacks[0], Not(Contains("main")));
}

// The memory that is saved is 16 KiB, the tables lead as far as that goes: beyond the 64 frames
// that the pointers had room for.
TEST(Unwinder, FindsMoreFramesThanThePointersHaveRoomFor) {
    const auto stacks = sampled::named_stacks(unwound(sampled::run_stacks("deep")), "stacks");
    ASSERT_THAT(stacks, SizeIs(1));
    EXPECT_GT(std::ranges::count(stacks[0], "dive"), 64 - 1);
}

// Python has neither frame pointers nor short stacks.
TEST(Unwinder, FindsMainUnderPython) {
    const auto done =
        sampled::run("all", {"/usr/bin/python3", "-c", "x = [str(i) for i in range(9)]"});
    ASSERT_EQ(done.status.exit_code, 0) << done.status.describe();
    const StackSnapshot snapshot = unwound(done);
    std::size_t whole = 0;
    std::size_t deepest = 0;
    for (const auto& stack : snapshot.stacks) {
        ASSERT_TRUE(stack.maps);
        const auto last = sampled::Symbols(snapshot.maps[*stack.maps]).name(stack.pcs.back());
        whole += last == "_start" || last == "?";  // the loader's has no name
        deepest = std::max(deepest, stack.pcs.size());
    }
    EXPECT_GT(deepest, 20U);
    EXPECT_GT(whole, snapshot.stacks.size() / 2);
    RecordProperty("whole", static_cast<int>(whole));
    RecordProperty("stacks", static_cast<int>(snapshot.stacks.size()));
}

TEST(Unwinder, JoinsWhatBothWaysHaveFound) {
    EXPECT_THAT(joined_frames({1, 2, 3, 4}, {1, 3, 4}), ElementsAre(1, 2, 3, 4));
    EXPECT_THAT(joined_frames({1, 2, 3}, {1, 3, 4, 5}), ElementsAre(1, 2, 3, 4, 5));
    EXPECT_THAT(joined_frames({1, 2}, {3, 4}), ElementsAre(1, 2));
    EXPECT_THAT(joined_frames({1}, {1, 4}), ElementsAre(1, 4));
    EXPECT_THAT(joined_frames({1, 9, 9, 2}, {1, 9, 9, 2, 3}), ElementsAre(1, 9, 9, 2, 3));
}

TEST(Unwinder, RefusesWhatAreNoMappings) {
    EXPECT_FALSE(Unwinder::make(""));
    EXPECT_FALSE(Unwinder::make("nothing of the kind\n"));
}

}  // namespace
}  // namespace crucible::lab
