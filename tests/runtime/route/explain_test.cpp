#include "runtime/route/explain.h"

#include <gtest/gtest.h>

#include "random_rules.h"

namespace crucible::runtime {
namespace {

using testing::three_instances;

/// What the one rule says of an event of no particular kind.
RuleExplanation explained(const Rule& rule, const EventView& event = {.type = "a.b", .source = "c"},
                          const RouteState& state = {}) {
    RuleSet rules;
    rules.rules.push_back(rule);
    rules.rules[0].id = "rule";
    rules.rules[0].action = Drop{"test"};
    const auto table = RuleTable::compile(std::move(rules), three_instances());
    EXPECT_TRUE(table) << table.error().message;
    auto all = explain(**table, event, state);
    EXPECT_EQ(all.size(), 1u);
    return {{}, all[0].refused_by, all[0].why};
}

void expect_refused(const Rule& rule, RulePart part, std::string_view why,
                    const EventView& event = {.type = "a.b", .source = "c"},
                    const RouteState& state = {}) {
    const auto explanation = explained(rule, event, state);
    EXPECT_EQ(explanation.refused_by, part) << to_string(explanation.refused_by);
    EXPECT_EQ(explanation.why, why);
}

// One line for each part of a filter that can refuse, with what was given and what was asked for.
TEST(Explain, NamesThePartOfTheFilterThatRefused) {
    Rule rule;
    EXPECT_EQ(explained(rule).refused_by, RulePart::none);
    EXPECT_EQ(explained(rule).why, "it matches");
    rule.enabled = false;
    expect_refused(rule, RulePart::disabled, "it is not enabled");
    rule = {};
    rule.filter.categories = {Category::database, Category::mcp};
    expect_refused(rule, RulePart::category, "custom is not database, mcp");
    rule = {};
    rule.filter.type = *Pattern::parse("a.*.c");
    expect_refused(rule, RulePart::type, "'a.b' does not match 'a.*.c'");
    rule = {};
    rule.filter.source = *Pattern::parse("d*");
    expect_refused(rule, RulePart::source, "'c' does not match 'd*'");
    rule = {};
    rule.filter.event_priorities = {Priority::critical};
    expect_refused(rule, RulePart::event_priority, "normal is not critical");
    rule = {};
    rule.filter.targets = {"t"};
    expect_refused(rule, RulePart::targets, "the event names no target");
    const std::vector<std::string> targets{"other"};
    expect_refused(rule, RulePart::targets, "the event names none of its targets",
                   {.targets = std::span(targets)});
    rule = {};
    rule.filter.payload_bytes_min = 10;
    rule.filter.payload_bytes_max = 20;
    expect_refused(rule, RulePart::payload, "9 bytes are less than 10", {.payload_bytes = 9});
    expect_refused(rule, RulePart::payload, "21 bytes are more than 20", {.payload_bytes = 21});
}

TEST(Explain, NamesTheConditionThatRefused) {
    InstanceStates instances(3);
    instances.set_health(1, Health::degraded);
    const RouteState state{
        .now = WallTime(std::chrono::hours(12)), .queue_fill = 0.5, .instances = &instances};
    const EventView event;
    Rule rule;
    rule.conditions.health = {{"database-1", {Health::healthy}},
                              {"database-2", {Health::healthy, Health::starting}}};
    expect_refused(rule, RulePart::health, "'database-2' is degraded, not starting, healthy", event,
                   state);
    rule = {};
    rule.conditions.queue_above = 0.8;
    expect_refused(rule, RulePart::queue, "the queue is 50 % full, not above 80 %", event, state);
    rule = {};
    rule.conditions.queue_below = 0.25;
    expect_refused(rule, RulePart::queue, "the queue is 50 % full, not below 25 %", event, state);
    rule = {};
    rule.conditions.time = {std::chrono::hours(22), std::chrono::hours(6), {Weekday::fri}};
    expect_refused(rule, RulePart::time,
                   "1970-01-01T12:00:00.000000000Z is not within 22:00:00 and 06:00:00 on fri",
                   event, state);
}

// The first part that refuses, in the order of the document: one reason, always the same.
TEST(Explain, NamesTheFirstOfSeveralParts) {
    Rule rule;
    rule.filter.type = *Pattern::parse("x");
    rule.filter.payload_bytes_min = 10;
    rule.conditions.queue_above = 0.8;
    EXPECT_EQ(explained(rule).refused_by, RulePart::type);
}

// Whoever wonders why a rule does nothing needs the one that stopped before it.
TEST(Explain, NamesTheRuleThatStopped) {
    const auto table = RuleTable::compile(
        {{},
         {{.id = "low", .priority = -1, .action = Drop{"test"}},
          {.id = "off", .priority = -1, .enabled = false, .action = Drop{"test"}},
          {.id = "copy", .stop = false, .action = Deliver{{"system-1"}}},
          {.id = "stop", .action = Deliver{{"system-1"}}}}},
        three_instances());
    ASSERT_TRUE(table);

    const auto all = explain(**table, {}, {});

    ASSERT_EQ(all.size(), 4u);
    EXPECT_EQ(all[0].id, "copy");
    EXPECT_EQ(all[0].refused_by, RulePart::none);
    EXPECT_EQ(all[1].id, "stop");
    EXPECT_EQ(all[1].refused_by, RulePart::none);
    EXPECT_EQ(all[2].id, "low");
    EXPECT_EQ(all[2].refused_by, RulePart::stopped);
    EXPECT_EQ(all[2].why, "'stop' stopped before it");
    EXPECT_EQ(all[3].refused_by, RulePart::disabled);
}

// Where there are many rules: the first ones, and of the others those that match.
TEST(Explain, NamesTheFirstRulesAndThoseThatMatch) {
    RuleSet rules;
    for (int i = 0; i < 10; ++i) {
        rules.rules.push_back(
            {.id = "rule-" + std::to_string(i), .stop = false, .action = Deliver{{"system-1"}}});
        if (i % 4 != 3) rules.rules.back().filter.type = *Pattern::parse("other");
    }
    const auto table = RuleTable::compile(std::move(rules), three_instances());
    ASSERT_TRUE(table);

    std::vector<std::string> said;
    for (const auto& rule : explain(**table, {.type = "a.b"}, {}, 2))
        said.push_back(std::string(rule.id) + ": " + rule.why);

    EXPECT_EQ(said, (std::vector<std::string>{"rule-0: 'a.b' does not match 'other'",
                                              "rule-1: 'a.b' does not match 'other'",
                                              "rule-3: it matches", "rule-7: it matches"}));
}

// An explanation that differs from what happens is worse than none.
TEST(Explain, AgreesWithRouting) {
    ASSERT_TRUE(rc::check("explanations", [] {
        const auto table = RuleTable::compile({{}, *testing::any_rules()}, three_instances());
        RC_PRE(table.has_value());
        const auto drawn = *testing::any_state();
        InstanceStates instances(3);
        for (std::size_t i = 0; i < 3; ++i) instances.set_health(i, drawn.health[i]);
        const RouteState state{
            .now = drawn.now, .queue_fill = drawn.queue_fill, .instances = &instances};
        const Event event = *testing::any_event();
        std::vector<std::string> routed;
        const Decision decision = (*table)->route(view_of(event), state);
        for (const auto rank : decision.ranks()) routed.push_back((*table)->rule(rank).id);
        std::vector<std::string> matching;
        const auto first = *rc::gen::inRange<std::size_t>(0, (*table)->size() + 1);
        for (const auto& rule : explain(**table, view_of(event), state, first)) {
            if (rule.refused_by == RulePart::none) matching.emplace_back(rule.id);
        }
        RC_ASSERT(matching == routed);
    }));
}

}  // namespace
}  // namespace crucible::runtime
