#include "lab/memory/memory_parts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/rng.h"

namespace crucible::lab {
namespace {

/// place, owner -> bytes an event
using Bytes = std::map<std::pair<std::string, std::string>, double>;

MemoryFigures figures_of(const Bytes& bytes, double noise = 1) {
    MemoryFigures figures;
    figures.events = 1000;
    figures.total.owner = "total";
    figures.why_no_peaks.clear();
    for (const auto& [key, each] : bytes) {
        const double all = each * figures.events * noise;
        figures.owners.push_back({.place = key.first,
                                  .owner = key.second,
                                  .allocations = all / 100,
                                  .bytes = all,
                                  .frees = all / 100,
                                  .freed_bytes = all,
                                  .live_bytes = 10 * each,
                                  .live_blocks = each,
                                  .peak_bytes = 20 * each,
                                  .peak_per_event = 2 * each});
        figures.total += figures.owners.back();
    }
    return figures;
}

/// Rounds of two systems whose noise is half a percent.
MemoryProfile profile_of(const Bytes& baseline, const Bytes& candidate, std::uint32_t rounds) {
    MemoryProfile profile;
    profile.targets = {{.target = "a:"}, {.target = "b:"}};
    base::Rng random(7);
    for (std::uint32_t r = 0; r < rounds; ++r) {
        Round round;
        round.index = r;
        for (auto& arm : round.arms) arm.valid = true;
        CountedRound counted;
        const auto noisy = [&](const Bytes& bytes) {
            return figures_of(bytes, 1 + 0.01 * (random.uniform() - 0.5));
        };
        counted.scenario = {noisy(baseline), noisy(baseline), noisy(candidate)};
        profile.rounds.push_back(std::move(round));
        profile.counted.push_back(std::move(counted));
    }
    return profile;
}

const MetricComparison& metric_of(const std::vector<ComparedPart>& parts, std::string_view division,
                                  std::string_view part, std::string_view metric) {
    static const MetricComparison none;
    for (const auto& compared : parts) {
        if (compared.division != division || compared.part != part) continue;
        for (const auto& one : compared.metrics)
            if (one.info->name == metric) return one;
    }
    ADD_FAILURE() << "no " << division << " " << part << " " << metric;
    return none;
}

const Bytes kCoordinator{{{"client", "router"}, 100},
                         {{"client", "queue"}, 300},
                         {{"client", "database-1"}, 600},
                         {{"client", "process"}, 0}};

// An owner that lives in the clients here and in a process of its own there is one owner; all of
// them are the total, and so are their stages.
TEST(MemoryParts, AddUpToTheTotal) {
    const auto figures = figures_of({{{"client", "router"}, 1},
                                     {{"system", "router"}, 2},
                                     {{"client", "client stub"}, 4},
                                     {{"system", "session"}, 8},
                                     {{"system", "database-1"}, 16},
                                     {{"system", "services"}, 32},
                                     {{"system", "acknowledgement"}, 64},
                                     {{"system", "parser"}, 128},
                                     {{"system", "queue"}, 256}});
    const auto names = by_name(figures);
    ASSERT_EQ(names.size(), 8U);
    OwnerFigures all;
    for (const auto& part : names) {
        EXPECT_EQ(part.place, "");
        if (part.owner == "router") {
            EXPECT_DOUBLE_EQ(part.bytes, 3000);
        }
        all += part;
    }
    EXPECT_DOUBLE_EQ(all.bytes, 511'000);

    const auto stages = by_stage(figures);
    std::map<std::string, double> bytes;
    OwnerFigures staged;
    for (const auto& stage : stages) {
        bytes[stage.owner] = stage.bytes / 1000;
        staged += stage;
    }
    const std::map<std::string, double> expected{
        {"client", 4},   {"transport", 8},        {"router", 3},     {"queue", 256},
        {"service", 48}, {"acknowledgement", 64}, {"elsewhere", 128}};
    EXPECT_EQ(bytes, expected);
    EXPECT_EQ(stages.front().owner, "client");
    EXPECT_DOUBLE_EQ(staged.bytes, figures.total.bytes);
    EXPECT_DOUBLE_EQ(staged.allocations, figures.total.allocations);
    EXPECT_DOUBLE_EQ(staged.live_bytes, figures.total.live_bytes);
    // Peaks of owners, whatever those of the processes were.
    EXPECT_DOUBLE_EQ(staged.peak_bytes, 20 * 511);
    EXPECT_DOUBLE_EQ(staged.peak_per_event, 2 * 511);
}

// The queue takes twice as much, the database as much as before; a session, which the baseline has
// not, has a difference and no ratio.
TEST(MemoryParts, AreComparedByTheRulesOfAComparison) {
    const auto profile = profile_of(kCoordinator,
                                    {{{"system", "router"}, 100},
                                     {{"system", "queue"}, 600},
                                     {{"system", "database-1"}, 600},
                                     {{"system", "session"}, 200},
                                     {{"client", "client stub"}, 1}},
                                    40);
    const auto parts = compare_parts(profile, {});
    const auto& queue = metric_of(parts, "owner", "queue", "allocated_bytes_per_event");
    ASSERT_TRUE(queue.ratio && queue.difference);
    EXPECT_NEAR(queue.ratio->value, 2, 0.01);
    EXPECT_LT(queue.ratio->ci_low, 2);
    EXPECT_GT(queue.ratio->ci_high, 2);
    EXPECT_NEAR(queue.difference->value, 300, 3);
    EXPECT_LT(queue.difference->ci_low, 300);
    EXPECT_GT(queue.difference->ci_high, 300);
    EXPECT_EQ(queue.verdict, MetricVerdict::worse);
    EXPECT_FALSE(queue.info->gated);
    EXPECT_EQ(metric_of(parts, "owner", "router", "allocated_bytes_per_event").verdict,
              MetricVerdict::equivalent);
    EXPECT_EQ(metric_of(parts, "stage", "service", "allocations_per_event").verdict,
              MetricVerdict::equivalent);
    EXPECT_EQ(metric_of(parts, "stage", "queue", "peak_live_bytes_per_event").verdict,
              MetricVerdict::worse);

    const auto& session = metric_of(parts, "stage", "transport", "allocated_bytes_per_event");
    EXPECT_FALSE(session.ratio);
    ASSERT_TRUE(session.difference);
    EXPECT_NEAR(session.difference->value, 200, 2);
    EXPECT_LT(session.difference->ci_low, 200);
    EXPECT_GT(session.difference->ci_high, 200);
    EXPECT_EQ(session.baseline->value, 0);
    EXPECT_EQ(session.verdict, MetricVerdict::worse);
    // One byte of a thousand is new, and does not matter.
    const auto& stub = metric_of(parts, "owner", "client stub", "allocated_bytes_per_event");
    ASSERT_TRUE(stub.difference);
    EXPECT_NEAR(stub.difference->value, 1, 0.1);
    EXPECT_NE(stub.verdict, MetricVerdict::worse) << stub.reason;
    EXPECT_NE(stub.verdict, MetricVerdict::inconclusive) << stub.reason;
    // What neither has.
    EXPECT_EQ(metric_of(parts, "stage", "elsewhere", "allocated_bytes_per_event").verdict,
              MetricVerdict::equivalent);
}

// The differences of all stages are that of the total.
TEST(MemoryParts, DifferencesAddUp) {
    const auto parts = compare_parts(profile_of(kCoordinator,
                                                {{{"system", "router"}, 150},
                                                 {{"system", "queue"}, 100},
                                                 {{"system", "session"}, 200},
                                                 {{"system", "database-1"}, 600}},
                                                12),
                                     {});
    double sum = 0;
    for (const auto& part : parts) {
        if (part.division == "stage") sum += part.metrics[1].difference->value;
    }
    EXPECT_NEAR(sum, 50 - 200 + 200, 5);
}

// Rounds in which one side could not be counted are none; it says why.
TEST(MemoryParts, SayWhyTheyAreNotCompared) {
    auto profile = profile_of(kCoordinator, kCoordinator, 8);
    profile.counted[3].scenario[static_cast<std::size_t>(Arm::candidate)].reset();
    MetricValue absent{.info = &allocation_metrics().front()};
    absent.absent = "process 7: it is a static program";
    profile.rounds[3][Arm::candidate].metrics.push_back(absent);
    for (auto& round : profile.counted)
        round.scenario[static_cast<std::size_t>(Arm::control)]->why_no_peaks = "did not pile up";
    const auto parts = compare_parts(profile, {});
    EXPECT_EQ(metric_of(parts, "owner", "queue", "allocations_per_event").reason,
              "no value in 1 of 8 rounds (candidate: process 7: it is a static program)");
    EXPECT_EQ(metric_of(parts, "stage", "queue", "peak_live_bytes_per_event").reason,
              "no value in 8 of 8 rounds (control: did not pile up)");
}

// Events of one category alone, each category by itself.
TEST(MemoryParts, CategoriesAreThoseOfTheirOwnTrials) {
    auto profile = profile_of(kCoordinator, kCoordinator, 40);
    base::Rng random(3);
    const auto noisy = [&](double bytes) {
        return figures_of({{{"client", "queue"}, bytes}}, 1 + 0.01 * (random.uniform() - 0.5));
    };
    for (auto& round : profile.counted) {
        round.alone[Category::database] = {noisy(100), noisy(100), noisy(50)};
        round.alone[Category::mcp] = {noisy(400), noisy(400), noisy(400)};
    }
    profile.targets[0].alone[Category::database].figures = {figures_of({})};
    profile.targets[0].alone[Category::mcp].figures = {figures_of({})};
    const auto parts = compare_parts(profile, {});
    const auto& database = metric_of(parts, "category", "database", "allocated_bytes_per_event");
    EXPECT_NEAR(database.ratio->value, 0.5, 0.005);
    EXPECT_EQ(database.verdict, MetricVerdict::better);
    EXPECT_EQ(metric_of(parts, "category", "mcp", "allocated_bytes_per_event").verdict,
              MetricVerdict::equivalent);
    EXPECT_EQ(std::ranges::count(parts, "category", &ComparedPart::division), 2);
}

TEST(MemoryParts, OfOneTargetAreNotCompared) {
    auto profile = profile_of(kCoordinator, kCoordinator, 8);
    profile.targets.pop_back();
    EXPECT_TRUE(compare_parts(profile, {}).empty());
}

}  // namespace
}  // namespace crucible::lab
