#include "lab/scale/axis.h"

#include <gtest/gtest.h>

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;

Scenario axis_scenario(Phase phase) {
    Scenario scenario{
        .name = "any", .description = {}, .system = {}, .plan = {}, .expectations = {}};
    scenario.plan.phases = {std::move(phase)};
    return scenario;
}

TEST(Axis, IsRefusedWithThoseThatTheTargetHas) {
    EXPECT_EQ(check_axis(*parse_target("null:"), Axis::workers).error().message,
              "null:: has no axis workers; it has rate, clients, payload");
    EXPECT_EQ(check_axis(*parse_target("synthetic:"), Axis::services).error().message,
              "synthetic:: has no axis services; it has rate, clients, payload, workers");
    EXPECT_EQ(
        check_axis(*parse_target("daemon:?work=none&workers=2"), Axis::workers).error().message,
        "daemon:?work=none&workers=2: option workers: the axis changes it; leave it out");
    for (const auto axis :
         {Axis::rate, Axis::clients, Axis::services, Axis::payload, Axis::workers}) {
        EXPECT_TRUE(check_axis(*parse_target("daemon:?work=none"), axis));
        EXPECT_TRUE(check_axis(*parse_target("coordinator:"), axis));
    }
    EXPECT_EQ(parse_axis("memory").error().message,
              "axis 'memory': rate, clients, services, payload, workers");
}

TEST(Axis, TakesLoadsInItsUnit) {
    EXPECT_EQ(parse_load(Axis::rate, "2k/s"), 2'000);
    EXPECT_EQ(parse_load(Axis::payload, "4KiB"), 4'096);
    EXPECT_EQ(parse_load(Axis::clients, "16"), 16);
    EXPECT_EQ(parse_load(Axis::clients, "0").error().message,
              "'0': a whole number of clients from 1 to 1000");
    EXPECT_FALSE(parse_load(Axis::payload, "uniform:1KiB,2KiB"));
    EXPECT_EQ(format_load(Axis::clients, 1), "1 client");
    EXPECT_EQ(format_load(Axis::payload, 4'096), "4.00 KiB");
}

TEST(AtLoad, ChangesTheAxisAlone) {
    const auto scenario = axis_scenario(maximum_phase(1s));
    const auto clients = at_load(*parse_target("daemon:"), scenario, Axis::clients, 8);
    EXPECT_EQ(clients.plan.clients, 8U);
    EXPECT_EQ(clients.system.clients, 8U);
    EXPECT_EQ(clients.target.text, "daemon:");
    const auto workers = at_load(*parse_target("daemon:?work=none"), scenario, Axis::workers, 3);
    EXPECT_EQ(workers.target.text, "daemon:?work=none&workers=3");
    EXPECT_EQ(workers.plan.clients, scenario.plan.clients);
    const auto payload = at_load(*parse_target("daemon:"), scenario, Axis::payload, 4'096);
    EXPECT_DOUBLE_EQ(payload.plan.workload.payload.mean(), 4'096);
}

// As long as the scenario has it, at another rate.
TEST(AtLoad, KeepsTheLengthOfARatesPhase) {
    const auto scenario = axis_scenario(steady_phase(*base::Rate::per_second(100), 200, 200ms));
    const auto trial = at_load(*parse_target("null:"), scenario, Axis::rate, 5'000);
    EXPECT_EQ(trial.plan.phases.front().events(), 10'000U);
    EXPECT_EQ(trial.plan.phases.front().duration(), 2s);
    EXPECT_EQ(trial.plan.phases.front().warmup, 200ms);
}

}  // namespace
}  // namespace crucible::lab::scale
