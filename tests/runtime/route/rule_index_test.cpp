#include "runtime/route/rule_index.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "reference_match.h"

namespace crucible::runtime {
namespace {

using testing::any_event;
using testing::any_rules;
using testing::any_state;
using testing::three_instances;

std::vector<std::string> ids_of(const RuleTable& table, const Decision& decision) {
    std::vector<std::string> ids;
    for (const auto rank : decision.ranks()) ids.push_back(table.rule(rank).id);
    return ids;
}

/// `count` rules of five kinds: exact types, types of a family, sources, type and source, targets.
std::vector<Rule> many_rules(std::size_t count) {
    std::vector<Rule> rules;
    for (std::size_t i = 0; i < count; ++i) {
        Rule rule{.id = fmt::format("rule-{}", i), .action = Drop{"test"}};
        const std::size_t number = i / 5;
        switch (i % 5) {
            case 0:
                rule.filter.type = *Pattern::parse(fmt::format("kind-{}.created", number));
                break;
            case 1:
                rule.filter.type = *Pattern::parse(fmt::format("kind-{}.**", number));
                break;
            case 2:
                rule.filter.source = *Pattern::parse(fmt::format("client-{}", number));
                break;
            case 3:
                rule.filter.type = *Pattern::parse("record.*");
                rule.filter.source = *Pattern::parse(fmt::format("client-{}.eu.*", number));
                break;
            case 4:
                rule.filter.targets = {fmt::format("instance-{}", number)};
                break;
        }
        rules.push_back(std::move(rule));
    }
    return rules;
}

std::string index_error(std::vector<Rule> rules) {
    const auto table = RuleTable::compile({{}, std::move(rules)}, three_instances());
    return table ? "no error" : table.error().message;
}

// The index leaves rules out; it may never leave out one that matches, and never change the order.
// Thousands of random rule sets, each with several events, against a matcher that looks at all.
TEST(RuleIndex, FindsExactlyTheRulesThatALookAtAllFinds) {
    std::size_t matched = 0;
    ASSERT_TRUE(rc::check("routing", [&matched] {
        const auto rules = *any_rules();
        const auto table = RuleTable::compile({{}, rules}, three_instances());
        RC_PRE(table.has_value());  // few have too many kinds
        const auto state = *any_state();
        InstanceStates instances(3);
        for (std::size_t i = 0; i < 3; ++i) instances.set_health(i, state.health[i]);
        for (int i = 0; i < 8; ++i) {
            const Event event = *any_event();
            const Decision decision = (*table)->route(
                view_of(event),
                {.now = state.now, .queue_fill = state.queue_fill, .instances = &instances});
            const auto ids = ids_of(**table, decision);
            RC_ASSERT(ids == testing::route_by_the_book(rules, event, state));
            matched += ids.size();
        }
    }));
    // The test is about rules that match: it would pass if none ever did.
    EXPECT_GT(matched, 5000u);
}

// The same in a table as large as they come, where slots are crowded and tags meet: whatever rules
// are drawn in among a hundred thousand others, texts longer than a rule has room for included.
TEST(RuleIndex, FindsThemAmongAHundredThousandOthers) {
    auto rules = many_rules(100'000);
    for (std::size_t i = 0; i < rules.size(); i += 7) {
        rules[i].stop = false;
        rules[i].action = Deliver{{"system-1"}};
        rules[i].priority = static_cast<std::int32_t>(i % 5) - 2;
        if (i % 3 == 0) rules[i].filter.event_priorities = {Priority::low, Priority::normal};
        if (i % 35 == 0)
            rules[i].filter.type =
                *Pattern::parse(fmt::format("kind-{}.created.{}", i / 5, std::string(40, 'x')));
    }
    const auto table = RuleTable::compile({{}, rules}, three_instances());
    ASSERT_TRUE(table) << table.error().message;
    const testing::RandomState state{.health = std::vector<Health>(3), .now = {}};
    base::Rng random(1);
    std::size_t matched = 0;
    for (int i = 0; i < 24; ++i) {
        const auto number = random.below(20'000);
        Event event;
        event.type = i % 3 == 0 ? fmt::format("kind-{}.created", number)
                     : i % 3 == 1
                         ? fmt::format("kind-{}.created.{}", number / 7 * 7, std::string(40, 'x'))
                         : "record.read";
        event.source = i % 2 == 0 ? fmt::format("client-{}", number)
                                  : fmt::format("client-{}.eu.north", number);
        if (i % 4 == 0) event.targets = {fmt::format("instance-{}", number), "instance-1"};

        const Decision decision = (*table)->route(view_of(event), {});

        EXPECT_EQ(ids_of(**table, decision), testing::route_by_the_book(rules, event, state))
            << event.type << " of " << event.source;
        for (const auto rank : decision.ranks())
            EXPECT_EQ((*table)->refusal(rank, view_of(event), {}), RulePart::none);
        matched += decision.ranks().size();
    }
    EXPECT_GT(matched, 24u);
}

// What is kept of each rule for deciding: a line of the cache, its rank and one and a half slots.
TEST(RuleIndex, KeepsLittleOfEachRule) {
    const auto table = RuleTable::compile({{}, many_rules(100'000)}, three_instances());
    ASSERT_TRUE(table) << table.error().message;

    EXPECT_LT((*table)->index().bytes_used(), 100'000u * 13);
    EXPECT_LT((*table)->bytes_used(), 100'000u * 82);
}

// The promise: what is looked up for an event depends on the kinds of rules, not on their number.
TEST(RuleIndex, LooksUpAsMuchForTenRulesAsForAHundredThousand) {
    const std::vector<std::string> targets{"instance-1", "instance-0"};
    const EventView event{.category = Category::database,
                          .type = "kind-1.created",
                          .source = "client-1",
                          .targets = std::span(targets)};
    for (const std::size_t count : {10u, 10'000u, 100'000u}) {
        const auto table = RuleTable::compile({{}, many_rules(count)}, three_instances());
        ASSERT_TRUE(table) << table.error().message;

        const Decision decision = (*table)->route(event, {});

        // Of the five kinds one cannot have this event (three segments of the source are asked
        // for), and one is looked up for each of its two targets.
        EXPECT_EQ((*table)->index().kinds(), 5u);
        EXPECT_EQ(decision.cost.lookups, 5u) << count << " rules";
        // Rules 5 to 7 fit, and 4 and 9; 5 and 4 are looked at, and then no lower one.
        EXPECT_LE(decision.cost.candidates, 3u) << count << " rules";
        EXPECT_EQ(ids_of(**table, decision), std::vector<std::string>{"rule-4"});
    }
}

// An event that no rule is about costs its lookups and not one rule looked at.
TEST(RuleIndex, LooksAtNoRuleForAnEventOfNobody) {
    const auto table = RuleTable::compile({{}, many_rules(10'000)}, three_instances());
    ASSERT_TRUE(table);

    const Decision decision = (*table)->route({.type = "other.created", .source = "me.eu"}, {});

    EXPECT_TRUE(decision.empty());
    // Nor is it looked up where two segments cannot be three, or for targets that it does not name.
    EXPECT_EQ(decision.cost.lookups, 3u);
    EXPECT_EQ(decision.cost.candidates, 0u);
}

// The limit behind the promise: the rule that would need one more lookup for every event is named.
TEST(RuleIndex, RefusesTheSixtyFifthKind) {
    std::vector<Rule> rules;
    // A prefix of another length is another kind.
    for (std::size_t i = 1; i <= 65; ++i) {
        Rule rule{.id = fmt::format("rule-{}", i), .action = Drop{"test"}};
        rule.filter.type = *Pattern::parse(std::string(i, 'a') + "*");
        rules.push_back(std::move(rule));
    }
    EXPECT_EQ(index_error(rules),
              "rule 'rule-65': its mix of wildcards (type '" + std::string(64, 'a') +
                  "...', source '**') is of another kind than all before; at most 64 kinds can be "
                  "told apart");
    rules[64].enabled = false;
    EXPECT_EQ(index_error(rules), "no error");
    rules.pop_back();
    EXPECT_EQ(index_error(rules), "no error");
}

// The other limit: rules that no lookup tells apart are looked at one by one.
TEST(RuleIndex, RefusesTooManyRulesOfOneKey) {
    std::vector<Rule> rules;
    for (std::size_t i = 0; i < 129; ++i) {
        Rule rule{.id = fmt::format("rule-{}", i), .stop = false, .action = Deliver{{"system-1"}}};
        rule.filter.type = *Pattern::parse("file.created");
        rule.filter.payload_bytes_min = i;
        rules.push_back(std::move(rule));
    }
    EXPECT_EQ(index_error(rules),
              "rule 'rule-128': 128 rules before it ask for the same type, source and targets; no "
              "more can be told apart");
    rules[128].filter.source = *Pattern::parse("client-1");
    EXPECT_EQ(index_error(rules), "no error");
}

// A hostile event may name a thousand targets: only the first 64 are looked up.
TEST(RuleIndex, LooksUpTheFirstTargetsOnly) {
    Rule rule{.id = "rule", .action = Drop{"test"}};
    rule.filter.targets = {"wanted"};
    const auto table = RuleTable::compile({{}, {rule}}, three_instances());
    ASSERT_TRUE(table);
    std::vector<std::string> targets(1000, "other");
    targets[63] = "wanted";
    const EventView event{.targets = std::span<const std::string>(targets)};

    EXPECT_FALSE((*table)->route(event, {}).empty());
    EXPECT_EQ((*table)->route(event, {}).cost.lookups, 64u);

    std::swap(targets[63], targets[64]);
    EXPECT_TRUE((*table)->route(event, {}).empty());
    EXPECT_EQ((*table)->refusal(0, event, {}), RulePart::targets);
}

}  // namespace
}  // namespace crucible::runtime
