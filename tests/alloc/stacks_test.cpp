// Sampled stacks against programs that know where they allocate.
#include "alloc/stacks.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "alloc/sampled_run.h"

namespace crucible::alloc::sampled {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using Names = std::vector<std::string>;

Names first(Names names, std::size_t count) {
    names.resize(std::min(names.size(), count));
    return names;
}

// The least that a stack has to be: each caller once, from malloc's own on.
TEST(Stacks, NameEachCallerInnermostFirst) {
    const auto stacks = named_stacks(stacks_of(run_stacks("nested")), "stacks");
    ASSERT_THAT(stacks, SizeIs(1));
    EXPECT_THAT(first(stacks[0], 4), ElementsAre("innermost", "middle", "outermost", "main"));
}

// The tracker's own functions between the program's and glibc's are no frames, in none of the ways
// in that there are: a call that is not the last act of its function would leave one.
TEST(Stacks, BeginWithTheCallerOfEachOfTheFamily) {
    const StackSnapshot snapshot = stacks_of(run_stacks("family"));
    const std::vector<std::pair<std::string, std::uint64_t>> expected{
        {"call_malloc", 101},       {"call_calloc", 102},         {"call_realloc", 103},
        {"call_realloc_null", 104}, {"call_reallocarray", 105},   {"call_memalign", 106},
        {"call_aligned_alloc", 96}, {"call_posix_memalign", 108}, {"call_valloc", 109},
        {"call_pvalloc", 4096},     {"call_large", 1 << 20},      {"call_realloc_aligned", 111}};
    for (const auto& [function, bytes] : expected) {
        const auto stacks = named_stacks(snapshot, "stacks", bytes);
        ASSERT_THAT(stacks, SizeIs(1)) << function;
        EXPECT_EQ(stacks[0].at(0), function);
    }
    const SampledCounts counts = of_owner(snapshot, "stacks");
    EXPECT_EQ(counts.allocations, expected.size());
    EXPECT_EQ(counts.frees, 3U);  // of what was reallocated
    EXPECT_EQ(counts.freed_bytes, 101U + 102U + 106U);
}

// operator new has no frame pointer, so that its caller is skipped: the return address that lies
// between is what tells two of them apart.
TEST(Stacks, KeepTwoCallsOfOperatorNewInOneFunctionApart) {
    const StackSnapshot snapshot = stacks_of(run_stacks("news"));
    std::set<std::uint64_t> bytes;
    for (const auto& stack : snapshot.stacks)
        if (stack.owner == "stacks") bytes.insert(stack.counts.bytes);
    EXPECT_THAT(bytes, ElementsAre(201, 404));
}

// Callbacks are called by code without frame pointers, which ends or skips: what is there is right.
TEST(Stacks, HoldInCallbacksOfTheLibrary) {
    const auto stacks = named_stacks(stacks_of(run_stacks("sort")), "stacks");
    ASSERT_GE(stacks.size(), 2U);
    for (const auto& stack : stacks) {
        if (stack.front() != "innermost") continue;  // qsort's own
        EXPECT_EQ(stack.at(1), "compare");
    }
    EXPECT_THAT(stacks, Contains(Contains("compare")));
}

TEST(Stacks, EndAtTheTopOfAThreadsStack) {
    const auto stacks = named_stacks(stacks_of(run_stacks("thread")), "stacks", 501);
    ASSERT_THAT(stacks, SizeIs(1));
    EXPECT_THAT(first(stacks[0], 4),
                ElementsAre("innermost", "middle", "outermost", "thread_begin"));
}

// What a sample needs of a stack fits beside what a thread with the smallest one has.
TEST(Stacks, AreTakenOnTheSmallestStackThatThereIs) {
    const auto stacks = named_stacks(stacks_of(run_stacks("small")), "stacks", 501);
    ASSERT_THAT(stacks, SizeIs(1));
    EXPECT_THAT(stacks[0], Contains("thread_begin"));
}

TEST(Stacks, HoldAtMostSixtyFourFrames) {
    const auto stacks = named_stacks(stacks_of(run_stacks("deep")), "stacks");
    ASSERT_THAT(stacks, SizeIs(1));
    ASSERT_THAT(stacks[0], SizeIs(kFramesMax));
    EXPECT_EQ(stacks[0][0], "innermost");
    EXPECT_THAT(Names(stacks[0].begin() + 1, stacks[0].end()), Each("dive"));
}

// Where a stack ends that the system does not know of, nobody can say: only its caller is taken,
// and back on the thread's own all of them are again.
TEST(Stacks, OnAnAlternativeStackAreOfOneFrame) {
    const auto stacks = named_stacks(stacks_of(run_stacks("signal")), "stacks", 701);
    EXPECT_THAT(stacks, ElementsAre(ElementsAre("innermost")));
}

TEST(Stacks, OfACoroutineAreOfOneFrame) {
    const StackSnapshot snapshot = stacks_of(run_stacks("coroutine"));
    EXPECT_THAT(named_stacks(snapshot, "stacks", 801 + 802), ElementsAre(ElementsAre("innermost")));
    const auto own = named_stacks(snapshot, "stacks", 803);
    ASSERT_THAT(own, SizeIs(1));
    EXPECT_THAT(own[0], Contains("main"));
}

// What one thread allocates and another frees is of the first one's stack.
TEST(Stacks, KnowWhatAnotherThreadHasFreed) {
    const StackSnapshot snapshot = stacks_of(run_stacks("elsewhere"));
    const SampledCounts counts = of_owner(snapshot, "stacks");
    EXPECT_EQ(counts.allocations, 110U);
    EXPECT_EQ(counts.bytes, 100U * 901 + 10U * 902);
    EXPECT_EQ(counts.frees, 104U);
    EXPECT_EQ(counts.live_blocks.value, 6);
    EXPECT_EQ(counts.live_bytes.value, 6 * 902);
    EXPECT_EQ(counts.live_bytes.variance, 0);
    EXPECT_GT(counts.freed_byte_seconds, 0);
    double lifetimes = 0;
    for (const auto& owner : snapshot.lifetimes)
        if (owner.owner == "stacks")
            for (const auto& one : owner.classes) lifetimes += one.blocks;
    EXPECT_EQ(lifetimes, 104);
}

// A forked process begins without stacks. The blocks that it has from its parent look like samples
// of its own: they are neither counted nor mistaken for those.
TEST(Stacks, OfAForkedProcessAreItsOwn) {
    const TrackedRun done = run_stacks("fork");
    const pid_t child = std::stoi(done.output);
    const SampledCounts parents = of_owner(stacks_of(done), "stacks");
    EXPECT_EQ(parents.allocations, 100U);
    EXPECT_EQ(parents.frees, 5U);
    const StackSnapshot snapshot = stacks_of(done, child);
    const SampledCounts childs = of_owner(snapshot, "stacks");
    EXPECT_EQ(childs.allocations, 7U);
    EXPECT_EQ(childs.bytes, 7U * 1002);
    EXPECT_EQ(childs.frees, 3U);
    EXPECT_EQ(first(named_stacks(snapshot, "stacks").at(0), 2), (Names{"innermost", "in_child"}));
    // Its exact counts go on from its parent's, under the right owner.
    for (const auto& owner : region_of(done, child).owners) {
        if (owner.name != "stacks") continue;
        EXPECT_EQ(owner.counts.allocations, 107U);
        EXPECT_EQ(owner.counts.frees, 53U);
        EXPECT_EQ(owner.counts.live_bytes(), 50 * 1001 + 4 * 1002);
    }
}

// The file is the kernel's, not the process's: it is read while the process runs, and stays whole
// when it is killed.
TEST(Stacks, AreReadLiveAndAfterAKill) {
    auto directory = base::TempDir::make("stacks-test");
    ASSERT_TRUE(directory);
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    ASSERT_EQ(::pipe2(in.data(), O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(out.data(), O_CLOEXEC), 0);
    auto process = base::Process::start(
        {.arguments = tracked(*directory, "all", {CRUCIBLE_ALLOC_PROGRAMS "/stacks", "kill"}),
         .inherit = {{in[0], 0}, {out[1], 1}}});
    ASSERT_TRUE(process) << process.error().message;
    char ready = 0;
    ASSERT_EQ(::read(out[0], &ready, 1), 1);
    const auto region = region_file(directory->path(), process->pid());
    ASSERT_TRUE(region);
    const auto reader = StacksReader::open(stacks_file(*region));
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ(of_owner(reader->read(), "stacks").bytes, 1101U);
    process->signal(SIGKILL);
    ASSERT_TRUE(process->wait(std::chrono::seconds(60)));
    const auto after = StacksReader::open(stacks_file(*region));
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_EQ(of_owner(after->read(), "stacks").bytes, 1101U);
    for (const int end : {in[0], in[1], out[0], out[1]}) ::close(end);
}

// Without the variable nothing is made; nor by what is no number of bytes, which is told, and does
// not make the counts incomplete.
TEST(Stacks, AreOffUnlessAskedFor) {
    for (const std::string sample : {"", "0B", "half", "5TiB", "12 KiB", "512K", "512kB"}) {
        const TrackedRun done = run_stacks("nested", sample);
        EXPECT_FALSE(StacksReader::open(file_of(done, done.pid))) << sample;
        const Snapshot counted = region_of(done, done.pid);
        EXPECT_EQ(counted.sample_refused, !sample.empty()) << sample;
        EXPECT_EQ(counted.sample_distance, std::nullopt) << sample;
        EXPECT_TRUE(counted.owners_complete) << sample;
    }
    const TrackedRun all = run_stacks("nested");
    EXPECT_EQ(region_of(all, all.pid).sample_distance, 0U);
    const TrackedRun some = run_stacks("nested", "2KiB");
    EXPECT_EQ(region_of(some, some.pid).sample_distance, 2048U);
    EXPECT_FALSE(region_of(some, some.pid).sample_refused);
}

// A limit that has room for the region and not for the stacks' file: growing a file beyond it would
// be the end of the program.
TEST(Stacks, AreLeftOutWhereTheirFileHasNoRoom) {
    const TrackedRun done = run(
        "all",
        {"/bin/bash", "-c", "ulimit -f 102400 && exec " CRUCIBLE_ALLOC_PROGRAMS "/stacks family"});
    ASSERT_EQ(done.status.exit_code, 0) << done.status.describe();
    EXPECT_FALSE(StacksReader::open(file_of(done, done.pid)));
    std::uint64_t allocations = 0;
    for (const auto& owner : region_of(done, done.pid).owners)
        if (owner.name == "stacks") allocations = owner.counts.allocations;
    EXPECT_EQ(allocations, 12U);
}

// 1,500 depths of recursion are as many stacks: more than a first table has room for, and than a
// thread remembers.
TEST(Stacks, AreManyWhereThereAreMany) {
    const StackSnapshot snapshot = stacks_of(run_stacks("many"));
    std::size_t stacks = 0;
    for (const auto& stack : snapshot.stacks) {
        if (stack.owner != "stacks") continue;
        ++stacks;
        EXPECT_EQ(stack.counts.allocations, 2U);
        EXPECT_EQ(stack.counts.frees, 2U);
    }
    EXPECT_EQ(stacks, 1500U);
}

TEST(Stacks, AreReadFromNothingElse) {
    const auto directory = base::TempDir::make("stacks-test");
    ASSERT_TRUE(directory);
    const auto file = directory->path() / "1-0.stacks";
    EXPECT_EQ(StacksReader::open(file).error().code, Errc::not_found);
    ASSERT_TRUE(base::write_file(file, "short"));
    EXPECT_EQ(StacksReader::open(file).error().code, Errc::corrupt);
    std::filesystem::resize_file(file, 0);
    std::filesystem::resize_file(file, sizeof(StackFile));
    EXPECT_EQ(StacksReader::open(file).error().code, Errc::not_found);
    std::fstream(file, std::ios::in | std::ios::out) << "other";
    EXPECT_EQ(StacksReader::open(file).error().code, Errc::corrupt);
}

// Whatever is in the way of a program must not change what it does: large ones, with interpreters,
// libraries, threads, forks and signals.
TEST(Stacks, LeavePythonAndBashUnharmed) {
    const TrackedRun python = run(
        "all", {"/usr/bin/python3", "-c",
                "import json, threading, subprocess, sqlite3\n"
                "out = []\n"
                "ts = [threading.Thread(target=lambda i=i: out.append(sum(len(str(j)) for j in "
                "range(2000)))) for i in range(8)]\n"
                "[t.start() for t in ts]; [t.join() for t in ts]\n"
                "db = sqlite3.connect(':memory:'); db.execute('create table t(a)')\n"
                "db.executemany('insert into t values(?)', [(i,) for i in range(1000)])\n"
                "text = subprocess.run(['/bin/echo', 'child'], capture_output=True, text=True)\n"
                "print(json.dumps([out, db.execute('select count(*) from t').fetchone(), "
                "text.stdout.strip()]))"});
    EXPECT_EQ(python.status.exit_code, 0) << python.status.describe();
    EXPECT_EQ(python.output,
              "[[6890, 6890, 6890, 6890, 6890, 6890, 6890, 6890], [1000], \"child\"]\n");
    EXPECT_GT(stacks_of(python).stacks.size(), 100U);
    const TrackedRun bash =
        run("all", {"/bin/bash", "-c",
                    "trap 'echo trapped' USR1; kill -USR1 $$; for i in 1 2 3; do "
                    "echo $i | cat; done; (exit 3); echo $? $(echo sub)"});
    EXPECT_EQ(bash.status.exit_code, 0) << bash.status.describe();
    EXPECT_EQ(bash.output, "trapped\n1\n2\n3\n3 sub\n");
}

// Exact counts and samples are two views of the same calls: of random ones, with every call
// sampled, they agree to the byte.
TEST(Stacks, OfAllAgreeWithTheExactCounts) {
    const TrackedRun done = run("all", {CRUCIBLE_ALLOC_PROGRAMS "/exercise", "5", "200000", "4"});
    ASSERT_EQ(done.status.exit_code, 0) << done.status.describe();
    const StackSnapshot snapshot = stacks_of(done);
    EXPECT_EQ(snapshot.mean_bytes, 0U);
    EXPECT_EQ(snapshot.without_stack, 0U);
    std::size_t compared = 0;
    for (const auto& owner : region_of(done, done.pid).owners) {
        const SampledCounts counts = of_owner(snapshot, owner.name);
        EXPECT_EQ(counts.allocations, owner.counts.allocations) << owner.name;
        EXPECT_EQ(counts.bytes, owner.counts.bytes) << owner.name;
        EXPECT_EQ(counts.frees, owner.counts.frees) << owner.name;
        EXPECT_EQ(counts.live_bytes.value, owner.counts.live_bytes()) << owner.name;
        ++compared;
    }
    EXPECT_EQ(compared, 2U);
    // Threads share the stacks and have their own counts.
    SampledCounts shares;
    for (const auto& stack : snapshot.stacks)
        for (const auto& thread : stack.threads) shares += thread.counts;
    EXPECT_EQ(shares.allocations, snapshot.total().allocations);
}

}  // namespace
}  // namespace crucible::alloc::sampled
