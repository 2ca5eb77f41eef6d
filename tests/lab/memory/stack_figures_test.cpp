#include "lab/memory/stack_figures.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lab/memory/leak_watch.h"

namespace crucible::lab {
namespace {

/// A microsecond to two, half a millisecond to one, one to two, and four seconds to eight.
std::vector<alloc::LifetimeClass> some_lifetimes() {
    return {{.number = 12, .from_ns = 1e3, .to_ns = 2e3, .blocks = 50},
            {.number = 21, .from_ns = 5e5, .to_ns = 1e6, .blocks = 25},
            {.number = 22, .from_ns = 1e6, .to_ns = 2e6, .blocks = 15},
            {.number = 34, .from_ns = 4e9, .to_ns = 8e9, .blocks = 10}};
}

TEST(Lifetimes, HaveQuantilesWithinTheirClasses) {
    const auto classes = some_lifetimes();
    EXPECT_DOUBLE_EQ(lifetime_quantile(classes, 0.5).value_or(0), 2e-6);
    EXPECT_DOUBLE_EQ(lifetime_quantile(classes, 0.25).value_or(0), 1e-6 * std::sqrt(2.0));
    EXPECT_DOUBLE_EQ(lifetime_quantile(classes, 1).value_or(0), 8);
    EXPECT_FALSE(lifetime_quantile({}, 0.5));
    // The first class begins at nothing.
    const std::vector<alloc::LifetimeClass> first{{.to_ns = 100, .blocks = 4}};
    EXPECT_DOUBLE_EQ(lifetime_quantile(first, 0.5).value_or(0), 50e-9);
}

TEST(Lifetimes, AreShortBelowAMillisecond) {
    EXPECT_DOUBLE_EQ(short_lived_share(some_lifetimes()), 0.75);
    EXPECT_DOUBLE_EQ(short_lived_share({}), 0);
    // Half of a class on the scale of logarithms.
    const std::vector<alloc::LifetimeClass> split{
        {.from_ns = 1e6 / std::sqrt(2.0), .to_ns = 1e6 * std::sqrt(2.0), .blocks = 8}};
    EXPECT_NEAR(short_lived_share(split), 0.5, 1e-12);
}

TEST(Lifetimes, BecomeMetrics) {
    LifetimeFigures figures;
    figures.total.classes = some_lifetimes();
    figures.freed_byte_seconds = 300;
    const auto values = lifetime_values(figures, {.sent = 100, .handled = 99, .rejected = 1});
    ASSERT_EQ(values.size(), lifetime_metrics().size());
    EXPECT_EQ(values[0].info->name, "byte_seconds_per_event");
    EXPECT_EQ(values[0].value, 3);
    EXPECT_EQ(values[0].n, 100U);
    EXPECT_EQ(lifetime_values({}, {.sent = 100, .handled = 100})[1].absent, "nothing was freed");
    // Refused ones held nothing for any time; how long blocks lived is known all the same.
    const auto refused = lifetime_values(figures, {.sent = 100, .handled = 98, .rejected = 2});
    EXPECT_FALSE(refused[0].value);
    EXPECT_EQ(refused[0].absent, "2 of 100 events were rejected or lost");
    EXPECT_TRUE(refused[1].value);
}

/// Functions and their files, innermost first; those without a file are in a library.
SymbolizedProfile profile_of(const std::vector<std::pair<std::string, std::string>>& frames) {
    SymbolizedProfile profile;
    profile.modules = {{.path = "/usr/lib/libsql.so.0"}, {.path = "/usr/bin/app"}};
    SymbolizedSample sample{.owner = "system: queue"};
    for (const auto& [function, file] : frames) {
        sample.stack.push_back(profile.locations.size());
        profile.locations.push_back({.module = file.empty() ? 0 : 1,
                                     .frames = {{.function = function, .file = file, .line = 7}}});
    }
    profile.samples.push_back(std::move(sample));
    return profile;
}

std::string site_of(const std::vector<std::pair<std::string, std::string>>& frames) {
    const auto profile = profile_of(frames);
    return describe_site(profile, profile.samples.front());
}

TEST(StackSite, IsWhoAskedForMemory) {
    EXPECT_EQ(site_of({{"operator new(unsigned long)", ""},
                       {"std::vector<int>::push_back(int const&)", "/usr/include/vector.h"},
                       {"app::(anonymous)::Parser::read(std::string)", "/src/app/parser.cpp"},
                       {"std::thread::_Invoker<int>::operator()()", "/usr/include/thread.h"},
                       {"_M_invoke", "/usr/include/c++/12/bits/std_thread.h"},
                       {"app::main(int)", "/src/main.cpp"}}),
              "Parser::read (parser.cpp:7) < app::main (main.cpp:7)");
    // Of a library without its source only what the program has called.
    EXPECT_EQ(site_of({{"libsql.so+0x12", ""},
                       {"sql_malloc", ""},
                       {"sql_step", ""},
                       {"app::run()", "/src/run.cpp"}}),
              "sql_step < app::run (run.cpp:7)");
    EXPECT_EQ(site_of({{"operator new(unsigned long)", ""}}), "operator new");
    EXPECT_EQ(site_of({{"a.so+0x1", ""}, {"b", ""}, {"c", ""}, {"d", ""}}), "a.so+0x1 < b < c");
    EXPECT_EQ(site_of({}), "an unknown place");
}

// What a library is its file's name says, not the folders that it is in.
TEST(StackSite, TellsLibrariesByTheirNames) {
    auto profile = profile_of({{"sql_malloc", ""}, {"sql_step", ""}, {"app::run()", "/run.cpp"}});
    const auto site_with = [&profile](const std::string& program, const std::string& library) {
        profile.modules[0].path = library;
        profile.modules[1].path = program;
        return describe_site(profile, profile.samples.front());
    };
    const std::string in_library = "sql_step < app::run (run.cpp:7)";
    const std::string in_program = "sql_malloc < sql_step < app::run (run.cpp:7)";
    EXPECT_EQ(site_with("/opt/my.software/bin/x", "/usr/lib/libsql.so"), in_library);
    EXPECT_EQ(site_with("/opt/my.so/x.sort", "/usr/lib/libsql.so.1.2"), in_library);
    EXPECT_EQ(site_with("x.so.conf", "libsql-1.so.so.0"), in_library);
    // All are of the program: none is left out.
    EXPECT_EQ(site_with("/usr/bin/app", "/opt/my.so.1/bin/sql"), in_program);
    EXPECT_EQ(site_with("/usr/bin/app", "/opt/bin/sql.software"), in_program);
}

TEST(StackSite, HasAWholeStack) {
    const auto profile = profile_of({{"operator new(unsigned long)", ""}, {"work()", "/w.cpp"}});
    EXPECT_EQ(describe_stack(profile, profile.samples.front()),
              (std::vector<std::string>{"operator new", "work (w.cpp:7)"}));
}

/// Of `samples` that stand for 1,000 bytes each, without a variance where these are all.
StackSums sums_of(double samples, double variance) {
    StackSums sums;
    sums.samples = static_cast<std::uint64_t>(samples);
    sums.bytes = {1000 * samples, variance * samples};
    sums.live_bytes = sums.bytes;
    return sums;
}

OwnerFigures counted(double bytes) {
    OwnerFigures figures;
    figures.bytes = bytes;
    figures.live_bytes = bytes;
    return figures;
}

// Of every allocation as close as two readings are.
TEST(StacksConserved, AreWhatWasCounted) {
    const auto passes = [](double bytes) {
        return stacks_conserved(sums_of(10'000, 0), counted(bytes), 0).passed;
    };
    EXPECT_TRUE(passes(10'000'000));
    EXPECT_TRUE(passes(10'014'000));
    EXPECT_TRUE(passes(9'986'000));
    EXPECT_FALSE(passes(10'015'000));
    EXPECT_FALSE(passes(9'985'000));
    // What is live counts as well.
    auto lost = counted(10'000'000);
    lost.live_bytes = 11'000'000;
    const auto check = stacks_conserved(sums_of(10'000, 0), lost, 0);
    EXPECT_EQ(check.name, "stacks_conserved");
    EXPECT_FALSE(check.passed);
    EXPECT_EQ(check.detail,
              "10000000 bytes allocated and 10000000 live on all stacks; 10000000 and 11000000 "
              "counted, from which they may be 14096 and 15096 off");
}

// Of samples within four standard errors: of 10,000 that stand for as much as their distance is
// each, 4 %, beside what two readings differ by and four distances. Blocks that are larger than the
// distance are known better; where no sample is, there may be some distances.
TEST(StacksConserved, AreWithinFourStandardErrorsOfSamples) {
    const auto passes = [](const StackSums& sums, double bytes) {
        return stacks_conserved(sums, counted(bytes), 1000).passed;
    };
    EXPECT_TRUE(passes(sums_of(10'000, 1e6), 10'410'000));
    EXPECT_FALSE(passes(sums_of(10'000, 1e6), 10'440'000));
    EXPECT_TRUE(passes(sums_of(10'000, 1e6), 9'600'000));
    EXPECT_FALSE(passes(sums_of(10'000, 1e6), 9'570'000));
    EXPECT_TRUE(passes(sums_of(10'000, 1e4), 10'055'000));
    EXPECT_FALSE(passes(sums_of(10'000, 1e4), 10'100'000));
    EXPECT_TRUE(passes({}, 10'000));
    EXPECT_FALSE(passes({}, 40'000));
}

TEST(StacksConserved, TellWhichProcessesHaveNone) {
    MemoryTrial trial;
    EXPECT_EQ(why_without_stacks(trial), "");
    trial.processes = {{.pid = 7}};
    EXPECT_EQ(
        why_without_stacks(trial),
        "process 7 has no stacks: it was forked, others started it without them, or there was "
        "no room for them");
    trial.processes.push_back({.pid = 8});
    EXPECT_TRUE(why_without_stacks(trial).starts_with("processes 7, 8 have no stacks: they were"));
}

MemoryTrial trial_of(std::size_t iterations) {
    MemoryTrial trial;
    ProcessCourse process{.pid = 7};
    for (std::size_t i = 0; i <= iterations; ++i) {
        alloc::Snapshot snapshot;
        snapshot.pid = 7;
        alloc::OwnerCounts owner{.name = "session"};
        owner.counts = {.allocations = 1000 + i * 100, .frees = 0, .bytes = 1000 + i * 6400};
        snapshot.owners.push_back(owner);
        process.quiet.push_back(snapshot);
        if (i == 0) continue;
        auto& delivery = trial.trial.phases.emplace_back().delivery;
        delivery.sent = delivery.handled = 100;
    }
    trial.processes.push_back(std::move(process));
    return trial;
}

// Without stacks the owners are judged, and it is said why.
TEST(LeakWatch, JudgesOwnersWhereStacksAreNotKnown) {
    const auto watch = judge_trial(trial_of(24), 1);
    EXPECT_EQ(watch.judgement.verdict, LeakVerdict::leak) << watch.judgement.reason;
    EXPECT_EQ(watch.judgement.iterations, 20U);
    ASSERT_EQ(watch.judgement.growing.size(), 1U);
    EXPECT_EQ(watch.judgement.growing[0].site, "system: session");
    EXPECT_NEAR(watch.judgement.growing[0].slope.value, 64, 1e-9);
    EXPECT_EQ(watch.sites_are, "owner");
    EXPECT_EQ(watch.why_not_call_sites, "process 7 has no stacks");
}

TEST(LeakWatch, DoesNotJudgeWhatItCannot) {
    const auto reason_of = [](const MemoryTrial& trial) {
        const auto watch = judge_trial(trial, 1);
        EXPECT_EQ(watch.judgement.verdict, LeakVerdict::inconclusive);
        return watch.judgement.reason;
    };
    EXPECT_EQ(reason_of(trial_of(23)), "only 23 iterations were driven whole");
    auto trial = trial_of(24);
    // The last one of a trial that was ended is not like the others.
    trial.trial.interrupted = true;
    EXPECT_EQ(reason_of(trial), "only 23 iterations were driven whole");
    trial = trial_of(24);
    trial.missing = {"process 9 ended before the load did"};
    EXPECT_EQ(reason_of(trial), "process 9 ended before the load did");
    trial = trial_of(24);
    trial.trial.phases[3].delivery = {.sent = 100, .handled = 97, .lost = 3};
    EXPECT_EQ(reason_of(trial), "3 of 2,400 events never ended");
    trial.trial.phases[3].delivery = {.sent = 100, .handled = 97, .rejected = 3};
    EXPECT_EQ(judge_trial(trial, 1).judgement.verdict, LeakVerdict::leak);
    trial.trial.phases[3].clients.push_back({.unknown = 2});
    EXPECT_EQ(
        reason_of(trial),
        "2,400 sent = 2,397 handled + 3 rejected + 0 lost; 2 acknowledgements of events never "
        "sent");
    trial = trial_of(24);
    trial.processes.clear();
    EXPECT_EQ(reason_of(trial), "no process of the system is known");
}

// One that failed is judged up to the last moment at which all its processes lived; what was lost
// in the iteration in which one ended does not count.
TEST(LeakWatch, JudgesWhatCameBeforeAFailure) {
    auto trial = trial_of(30);
    trial.trial.failure = Error{Errc::failed, "killed"};
    trial.trial.phases[28].delivery = {.sent = 100, .handled = 20, .lost = 80};
    trial.processes[0].quiet.resize(27);
    const auto watch = judge_trial(trial, 1);
    EXPECT_EQ(watch.judgement.verdict, LeakVerdict::leak) << watch.judgement.reason;
    EXPECT_EQ(watch.judgement.iterations, 22U);
}

// What is refused took part in what is held as well: the slope is over the events sent.
TEST(LeakWatch, CountsEventsThatWereSent) {
    auto trial = trial_of(24);
    for (auto& phase : trial.trial.phases)
        phase.delivery = {.sent = 100, .handled = 25, .rejected = 75};
    EXPECT_NEAR(judge_trial(trial, 1).judgement.growing.at(0).slope.value, 64, 1e-9);
}

// Iterations of two phases end with the second, and so does what the watch itself held.
TEST(LeakWatch, LooksAtTheEndsOfIterations) {
    const auto watch = judge_trial(trial_of(48), 2);
    EXPECT_EQ(watch.judgement.iterations, 20U);
    EXPECT_EQ(at_iteration_ends({9, 1, 2, 3, 4, 5}, 2), (std::vector<double>{2, 4}));
    EXPECT_EQ(at_iteration_ends({9, 1, 2}, 1), (std::vector<double>{1, 2}));
    EXPECT_TRUE(at_iteration_ends({}, 2).empty());
    EXPECT_NEAR(watch.judgement.growing.at(0).slope.value, 64, 1e-9);
}

}  // namespace
}  // namespace crucible::lab
