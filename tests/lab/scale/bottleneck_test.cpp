#include "lab/scale/bottleneck.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "lab/scale/bottleneck_rules.h"

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;

double& mean_of(BottleneckEvidence& evidence, Activity activity) {
    return evidence.activity.sides[0].mean[static_cast<std::size_t>(activity)];
}
double& present_of(BottleneckEvidence& evidence, Activity activity) {
    return evidence.activity.sides[0].present[static_cast<std::size_t>(activity)];
}
void wait_in(BottleneckEvidence& evidence, Activity activity, double threads, double present) {
    mean_of(evidence, activity) = threads;
    present_of(evidence, activity) = present;
}

/// A system that does nothing remarkable on four cores, at a load that was too much for it.
BottleneckEvidence plain() {
    BottleneckEvidence evidence;
    evidence.limit_reached = true;
    evidence.offered = 2000;
    evidence.achieved = 1000;
    auto& activity = evidence.activity;
    activity.samples = 500;
    activity.wall = 5s;
    activity.cores = 4;
    activity.fault_cost = 500ns;
    activity.neighbour_cores = 0.1;
    activity.injector_on_cores = 1;
    activity.sides[0].cpu_cores = 0.4;
    activity.sides[0].busiest_cpu = 0.2;
    activity.sides[0].busiest_ready = 0.2;
    activity.sides[1].cpu_cores = 0.2;
    activity.sides[1].busiest_cpu = 0.1;
    wait_in(evidence, Activity::running, 0.4, 0.4);
    wait_in(evidence, Activity::idle, 6, 1);
    return evidence;
}

void use_processors(BottleneckEvidence& evidence) {
    auto& system = evidence.activity.sides[0];
    system.cpu_cores = 3.7;
    system.busiest_cpu = system.busiest_ready = 0.95;
    wait_in(evidence, Activity::running, 3.8, 1);
}

struct Planted {
    const char* name;
    Bottleneck verdict;
    std::function<void(BottleneckEvidence&)> plant;
};

const std::vector<Planted>& planted_evidence() {
    static const std::vector<Planted> all{
        {"nothing seen", Bottleneck::unknown, [](auto&) {}},
        {"kept up", Bottleneck::headroom, [](auto& e) { e.limit_reached = false; }},
        {"late sender", Bottleneck::client_limited,
         [](auto& e) {
             e.own_lateness_p99_s = 0.02;
             e.own_lateness_share = 0.9;
         }},
        // The lateness is the system's: its send() held everything up.
        {"blocking send", Bottleneck::unknown,
         [](auto& e) {
             e.own_lateness_p99_s = 0.02;
             e.own_lateness_share = 0.01;
         }},
        // It broke by more than that.
        {"late sender at a limit that it does not explain", Bottleneck::lock_contention,
         [](auto& e) {
             e.own_lateness_p99_s = 0.0065;
             e.own_lateness_share = 1;
             e.lateness_excused = true;
             wait_in(e, Activity::lock, 2.5, 0.95);
         }},
        // A sender without a core is late by the neighbours' fault, not its own.
        {"starved sender", Bottleneck::noisy_neighbour,
         [](auto& e) {
             e.own_lateness_p99_s = 0.02;
             e.own_lateness_share = 0.9;
             e.activity.sides[1].delay_threads = 0.5;
             e.activity.sides[0].delay_threads = 0.8;
             e.activity.neighbour_cores = 3.0;
         }},
        {"sender without pause", Bottleneck::client_limited,
         [](auto& e) {
             e.closed_loop = true;
             e.activity.sides[1].busiest_cpu = 0.97;
         }},
        {"clients use more than the system", Bottleneck::client_limited,
         [](auto& e) {
             e.activity.sides[1].cpu_cores = 2.5;
             e.activity.sides[0].cpu_cores = 1.2;
             e.activity.sides[0].delay_threads = 0.8;
         }},
        // A sender on a schedule spins until the next event is due.
        {"sender that spins", Bottleneck::lock_contention,
         [](auto& e) {
             e.activity.sides[1].busiest_cpu = 0.97;
             e.activity.sides[1].cpu_cores = 2.5;
             wait_in(e, Activity::lock, 2.5, 0.95);
         }},
        {"quota", Bottleneck::quota_throttled,
         [](auto& e) {
             e.activity.quota_cores = 0.5;
             e.activity.throttled_cores = 0.6;
         }},
        // Said also where the system copes: its latency pays for it.
        {"quota at a load it bears", Bottleneck::quota_throttled,
         [](auto& e) {
             e.limit_reached = false;
             e.activity.throttled_cores = 0.3;
         }},
        {"reading pages back", Bottleneck::memory_pressure,
         [](auto& e) {
             wait_in(e, Activity::page_fault, 1.5, 0.8);
             e.activity.major_faults = 3000;
         }},
        // Reading pages back is also reading from storage: the cause comes first.
        {"reading pages back, and storage", Bottleneck::memory_pressure,
         [](auto& e) {
             wait_in(e, Activity::page_fault, 1.5, 0.8);
             wait_in(e, Activity::storage, 1.5, 0.8);
         }},
        // A quick disk hides the waits, but not that every event has some.
        {"reading pages back from a quick disk", Bottleneck::memory_pressure,
         [](auto& e) {
             use_processors(e);
             e.activity.major_faults = 900;
         }},
        // 2.4 M faults of 0.5 us are 1.2 of 3.7 cores.
        {"first touches", Bottleneck::memory_pressure,
         [](auto& e) {
             use_processors(e);
             e.activity.minor_faults = 2.4e6;
         }},
        // Beside others that fault, each costs more than it did when nobody else was there.
        {"first touches that cost more", Bottleneck::memory_pressure,
         [](auto& e) {
             use_processors(e);
             e.activity.minor_faults = 4.5e5;
             e.activity.kernel_share = 0.8;
         }},
        {"few first touches", Bottleneck::cpu_bound,
         [](auto& e) {
             use_processors(e);
             e.activity.minor_faults = 2e5;
         }},
        {"flushes", Bottleneck::io, [](auto& e) { wait_in(e, Activity::storage, 1.2, 0.9); }},
        // Those behind the one that flushes wait for its lock.
        {"flushes under a lock", Bottleneck::io,
         [](auto& e) {
             wait_in(e, Activity::storage, 1, 0.95);
             wait_in(e, Activity::lock, 2, 0.9);
         }},
        {"now and then a flush", Bottleneck::unknown,
         [](auto& e) { wait_in(e, Activity::storage, 0.3, 0.3); }},
        {"mutex", Bottleneck::lock_contention,
         [](auto& e) { wait_in(e, Activity::lock, 2.5, 0.95); }},
        {"lock on a file", Bottleneck::lock_contention,
         [](auto& e) { wait_in(e, Activity::file_lock, 2, 0.9); }},
        {"lock on a file, tried again", Bottleneck::lock_contention,
         [](auto& e) {
             wait_in(e, Activity::asleep, 2, 0.9);
             e.activity.file_lock_held = 0.9;
         }},
        {"slow peer", Bottleneck::back_pressure,
         [](auto& e) { wait_in(e, Activity::peer, 3.5, 1); }},
        // A server with a thread for each connection has many that wait for a peer.
        {"idle connections of a busy server", Bottleneck::cpu_bound,
         [](auto& e) {
             use_processors(e);
             wait_in(e, Activity::peer, 50, 1);
         }},
        // They slow it down a little; what it waits for is the peer.
        {"slow peer beside neighbours", Bottleneck::back_pressure,
         [](auto& e) {
             wait_in(e, Activity::peer, 3.5, 1);
             e.activity.neighbour_cores = 3.2;
             e.activity.sides[0].delay_threads = 0.3;
         }},
        {"asleep", Bottleneck::back_pressure, [](auto& e) { wait_in(e, Activity::asleep, 3, 1); }},
        {"refuses", Bottleneck::back_pressure, [](auto& e) { e.refused_share = 0.3; }},
        {"neighbours", Bottleneck::noisy_neighbour,
         [](auto& e) {
             use_processors(e);
             e.activity.sides[0].cpu_cores = 1.8;
             e.activity.sides[0].delay_threads = 1.7;
             e.activity.neighbour_cores = 2.0;
         }},
        {"stolen", Bottleneck::noisy_neighbour,
         [](auto& e) {
             e.activity.sides[0].delay_threads = 0.4;
             e.activity.neighbour_cores = 1.5;
         }},
        // They take nothing that it wanted.
        {"neighbours on other cores", Bottleneck::workers,
         [](auto& e) {
             e.activity.sides[0].busiest_ready = 0.97;
             e.activity.neighbour_cores = 1.0;
         }},
        {"processors", Bottleneck::cpu_bound, use_processors},
        {"one thread", Bottleneck::workers,
         [](auto& e) {
             e.activity.sides[0].cpu_cores = 1.1;
             e.activity.sides[0].busiest_ready = 0.98;
             e.activity.sides[0].busiest_thread = "worker-0";
         }},
        {"half a lock and half a disk", Bottleneck::mixed,
         [](auto& e) {
             wait_in(e, Activity::lock, 0.4, 0.4);
             wait_in(e, Activity::storage, 0.5, 0.45);
         }},
    };
    return all;
}

// One row for each way in which a rule may hold, and for each case in which the order decides.
TEST(Bottleneck, IsNamedByTheFirstRuleThatHolds) {
    for (const auto& [name, verdict, plant] : planted_evidence()) {
        auto evidence = plain();
        plant(evidence);
        const auto judgement = judge_bottleneck(evidence);
        EXPECT_EQ(to_string(judgement.verdict), to_string(verdict))
            << name << ": " << judgement.reason;
    }
}

// Whoever reads it has to see what else it might have been: each of the ten rules once.
TEST(Bottleneck, SaysWhatItExcluded) {
    for (const auto& [name, verdict, plant] : planted_evidence()) {
        auto evidence = plain();
        plant(evidence);
        const auto judgement = judge_bottleneck(evidence);
        const bool left = verdict == Bottleneck::mixed || verdict == Bottleneck::unknown;
        EXPECT_EQ(judgement.excluded.size(), left ? 10u : 9u) << name;
        EXPECT_EQ(judgement.evidence.empty(), left) << name;
        for (const auto& figure : judgement.evidence) EXPECT_TRUE(figure.met) << figure.text();
        for (const auto& rule : judgement.excluded) {
            EXPECT_FALSE(rule.figures.empty()) << name;
            EXPECT_FALSE(rule.why.empty()) << name << ", " << to_string(rule.verdict);
        }
    }
}

// Thresholds are met by their own value, and by nothing below.
TEST(Bottleneck, StandsAtItsThreshold) {
    auto evidence = plain();
    mean_of(evidence, Activity::storage) = 1;
    present_of(evidence, Activity::storage) = threshold::kStorage;
    EXPECT_EQ(judge_bottleneck(evidence).verdict, Bottleneck::io);
    present_of(evidence, Activity::storage) = threshold::kStorage - 0.001;
    EXPECT_NE(judge_bottleneck(evidence).verdict, Bottleneck::io);
}

// What was not measured is neither zero nor met.
TEST(Bottleneck, DoesNotTakeWhatItCannotSeeForNothing) {
    auto evidence = plain();
    wait_in(evidence, Activity::lock, 2.5, 0.95);
    evidence.activity.why_blind = "not ours to read";
    const auto judgement = judge_bottleneck(evidence);
    EXPECT_EQ(judgement.verdict, Bottleneck::unknown);
    EXPECT_EQ(judgement.confidence, Confidence::low);
    const auto lock = std::ranges::find(judgement.excluded, Bottleneck::lock_contention,
                                        &BottleneckRule::verdict);
    ASSERT_NE(lock, judgement.excluded.end());
    EXPECT_NE(lock->why.find("not measured"), std::string::npos) << lock->why;
}

// What another rule asks first does not stand in the way where it cannot be read, but is told.
TEST(Bottleneck, SaysWhatItTookForNone) {
    auto evidence = plain();
    evidence.own_lateness_p99_s = 0.02;
    evidence.own_lateness_share = 0.9;
    evidence.activity.throttled_cores = 0.0;
    EXPECT_EQ(judge_bottleneck(evidence).confidence, Confidence::high);
    evidence.activity.throttled_cores.reset();
    const auto judgement = judge_bottleneck(evidence);
    EXPECT_EQ(judgement.verdict, Bottleneck::client_limited);
    EXPECT_EQ(judgement.confidence, Confidence::medium);
    EXPECT_NE(judgement.why_confidence.find("not measured"), std::string::npos);
    const auto& quota = judgement.evidence.back();
    EXPECT_FALSE(quota.observed);
    EXPECT_NE(quota.text().find("not measured, taken for none"), std::string::npos);
}

// With the clients on cores of their own their processor time says nothing of the system's.
TEST(Bottleneck, CountsOnlyWhatUsedTheSystemsCores) {
    auto evidence = plain();
    evidence.activity.cores = 1;
    evidence.activity.neighbour_cores = 0.05;
    evidence.activity.injector_on_cores = 0;
    evidence.activity.sides[0].cpu_cores = 0.45;
    evidence.activity.sides[1].cpu_cores = 0.9;
    EXPECT_EQ(judge_bottleneck(evidence).verdict, Bottleneck::unknown);
    evidence.activity.injector_on_cores = 1;
    EXPECT_EQ(judge_bottleneck(evidence).verdict, Bottleneck::cpu_bound);
    // They may have used them, or not.
    evidence.activity.injector_on_cores.reset();
    const auto judgement = judge_bottleneck(evidence);
    EXPECT_EQ(judgement.verdict, Bottleneck::unknown);
    const auto processors =
        std::ranges::find(judgement.excluded, Bottleneck::cpu_bound, &BottleneckRule::verdict);
    ASSERT_NE(processors, judgement.excluded.end());
    EXPECT_NE(processors->why.find("not measured"), std::string::npos) << processors->why;
}

// Without counters nobody knows why busy processors are slow; with them it is said.
TEST(Bottleneck, SaysWhetherItKnowsWhyProcessorsStall) {
    auto evidence = plain();
    use_processors(evidence);
    evidence.activity.why_no_counters = "this machine has no hardware counters";
    EXPECT_NE(judge_bottleneck(evidence).reason.find(
                  "CPU-saturated, stall cause unknown (this machine has no hardware counters)"),
              std::string::npos);
    evidence.activity.instructions_per_cycle = 0.4;
    evidence.activity.cache_misses_per_kilo_instruction = 25;
    EXPECT_NE(judge_bottleneck(evidence).reason.find("they wait for memory"), std::string::npos);
    evidence.activity.cache_misses_per_kilo_instruction = 1;
    EXPECT_NE(judge_bottleneck(evidence).reason.find("not for memory"), std::string::npos);
    evidence.activity.instructions_per_cycle = 2.5;
    EXPECT_NE(judge_bottleneck(evidence).reason.find("the processors do work"), std::string::npos);
}

// A share of 0.5 from 20 samples may be one of 0.3; an earlier rule that nearly held may be it.
TEST(Bottleneck, IsAsConfidentAsItsSamplesAllow) {
    auto evidence = plain();
    wait_in(evidence, Activity::lock, 3, 0.98);
    EXPECT_EQ(judge_bottleneck(evidence).confidence, Confidence::high);
    wait_in(evidence, Activity::storage, 1.2, 0.55);
    EXPECT_EQ(judge_bottleneck(evidence).confidence, Confidence::medium);
    wait_in(evidence, Activity::storage, 0, 0);
    evidence.activity.samples = 60;
    EXPECT_EQ(judge_bottleneck(evidence).confidence, Confidence::medium);
    evidence.activity.samples = 20;
    EXPECT_EQ(judge_bottleneck(evidence).confidence, Confidence::low);
}

// At its threshold the next run may be below it, of processors as of everything.
TEST(Bottleneck, IsNotConfidentAtItsThreshold) {
    auto evidence = plain();
    use_processors(evidence);
    evidence.activity.neighbour_cores = 0;
    evidence.activity.sides[1].cpu_cores = 0;
    evidence.activity.sides[0].cpu_cores = 4 * 0.86;
    EXPECT_EQ(judge_bottleneck(evidence).verdict, Bottleneck::cpu_bound);
    EXPECT_EQ(judge_bottleneck(evidence).confidence, Confidence::medium);
    evidence.activity.sides[0].cpu_cores = 4 * 0.95;
    const auto clear = judge_bottleneck(evidence);
    EXPECT_EQ(clear.confidence, Confidence::high);
    EXPECT_TRUE(clear.why_confidence.ends_with("but those not measured: a CPU quota"))
        << clear.why_confidence;
}

// A closed loop is one or it is not, and a sender is busy 100 % of the time at most: neither can be
// a quarter beyond its threshold, and half-way to the end is clear.
TEST(Bottleneck, IsConfidentOfWhatCannotBeMore) {
    auto evidence = plain();
    evidence.closed_loop = true;
    evidence.activity.sides[1].busiest_cpu = 0.97;
    EXPECT_EQ(judge_bottleneck(evidence).verdict, Bottleneck::client_limited);
    EXPECT_EQ(judge_bottleneck(evidence).confidence, Confidence::high);
    evidence.activity.sides[1].busiest_cpu = 0.92;
    EXPECT_EQ(judge_bottleneck(evidence).confidence, Confidence::medium);
    // The clients' processor time over the system's has no end.
    auto clients = plain();
    clients.activity.sides[0].cpu_cores = 1.7;
    clients.activity.sides[0].delay_threads = 1.2;
    clients.activity.sides[1].cpu_cores = 2.0;
    EXPECT_EQ(judge_bottleneck(clients).verdict, Bottleneck::client_limited);
    EXPECT_EQ(judge_bottleneck(clients).confidence, Confidence::medium);
    clients.activity.sides[0].cpu_cores = 1.4;
    clients.activity.sides[1].cpu_cores = 2.4;
    EXPECT_EQ(judge_bottleneck(clients).confidence, Confidence::high);
}

// In words a person can check against the figures.
TEST(Bottleneck, FiguresReadAsSentences) {
    auto evidence = plain();
    evidence.limit = "latency_p99 25 ms, allowed 10 ms";
    evidence.activity.throttled_cores = 0.6;
    const auto judgement = judge_bottleneck(evidence);
    ASSERT_EQ(judgement.evidence.size(), 1u);
    EXPECT_EQ(judgement.evidence.front().text(),
              "cores' worth of time in which a quota stopped it 0.6 cores (at least 0.1 cores)");
    EXPECT_NE(judgement.reason.find("(latency_p99 25 ms, allowed 10 ms)"), std::string::npos);
}

}  // namespace
}  // namespace crucible::lab::scale
