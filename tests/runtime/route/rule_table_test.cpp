#include "runtime/route/rule_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "random_rules.h"

namespace crucible::runtime {
namespace {

using testing::three_instances;

Rule rule_of(std::string id, std::int32_t priority = 0, bool stop = true) {
    return {
        .id = std::move(id), .priority = priority, .stop = stop, .action = Deliver{{"database-1"}}};
}

std::shared_ptr<const RuleTable> compiled(RuleSet rules, const RuleTable* previous = nullptr) {
    auto table = RuleTable::compile(std::move(rules), three_instances(), previous);
    EXPECT_TRUE(table) << table.error().message;
    return *table;
}

std::vector<std::string> matching_ids(const RuleTable& table, const EventView& event,
                                      const RouteState& state = {}) {
    std::vector<std::string> ids;
    const Decision decision = table.route(event, state);
    for (const auto rank : decision.ranks()) ids.push_back(table.rule(rank).id);
    return ids;
}

std::string refused(RuleSet rules) {
    const auto table = RuleTable::compile(std::move(rules), three_instances());
    if (table) return "no error";
    EXPECT_EQ(table.error().code, Errc::invalid_argument);
    return table.error().message;
}

using Ids = std::vector<std::string>;

// The order of docs/formats/rules.md: priority, then the order of the file; a rule that stops ends
// it.
TEST(RuleTable, LooksAtRulesByPriorityAndThenInTheirOrder) {
    const auto table = compiled(
        {{},
         {rule_of("late", -1, false), rule_of("first", 5, false), rule_of("second", 5, false),
          rule_of("stops", 0, true), rule_of("after", 0, false)}});

    EXPECT_EQ(matching_ids(*table, {}), (Ids{"first", "second", "stops"}));
}

// A decision has room for sixteen, whichever bucket the rules come from.
TEST(RuleTable, EndsAfterSixteenMatchingRules) {
    RuleSet rules;
    for (int i = 0; i < 40; ++i) {
        rules.rules.push_back(rule_of(fmt::format("rule-{:02}", i), 0, false));
        // Every other one is found through another bucket.
        if (i % 2 == 0) rules.rules.back().filter.type = *Pattern::parse("a");
    }
    const auto ids = matching_ids(*compiled(rules), {.type = "a"});

    ASSERT_EQ(ids.size(), 16u);
    EXPECT_EQ(ids.front(), "rule-00");
    EXPECT_EQ(ids.back(), "rule-15");
    EXPECT_TRUE(std::ranges::is_sorted(ids));
}

// Found through two of its targets, and still one copy of the event.
TEST(RuleTable, TakesARuleOnceThatIsFoundTwice) {
    Rule rule = rule_of("both", 0, false);
    rule.filter.targets = {"t1", "t2", "t2"};
    const std::vector<std::string_view> targets{"t2", "t1"};

    EXPECT_EQ(matching_ids(*compiled({{}, {rule}}), {.targets = std::span(targets)}), Ids{"both"});
}

// A daemon may route from bytes it has not checked yet: what is no category matches no rule that
// asks for one, and reads nothing it should not.
TEST(RuleTable, SurvivesUnknownEnumerators) {
    Rule rule = rule_of("database");
    rule.filter.categories = {Category::database};
    Rule any = rule_of("any");
    any.filter.event_priorities = {Priority::low};
    const auto table = compiled({{}, {rule, any}});

    EXPECT_EQ(matching_ids(*table, {.category = static_cast<Category>(200),
                                    .priority = static_cast<Priority>(255)}),
              Ids{});
}

// Names become the dispatcher's indices.
TEST(RuleTable, ResolvesActions) {
    RuleSet rules{
        .pools = {{"writers", {{"database-2", 3, 1}, {"database-1", 1, 0}}}},
        .rules = {
            {.id = "deliver", .stop = false, .action = Deliver{{"system-1", "database-1"}}},
            {.id = "pool", .stop = false, .action = ToPool{"writers", Strategy::weighted}},
            {.id = "category", .stop = false, .action = ToPool{"database"}},
            {.id = "broadcast", .stop = false, .action = Broadcast{*Pattern::parse("database-*")}},
            {.id = "drop", .action = Drop{"enough"}}}};
    const auto table = compiled(rules);

    EXPECT_TRUE(std::ranges::equal(table->delivery(0).instances, std::vector<std::uint32_t>{2, 0}));
    ASSERT_TRUE(table->delivery(1).pool);
    EXPECT_EQ(table->delivery(1).strategy, Strategy::weighted);
    const auto writers = table->pool(*table->delivery(1).pool).members();
    EXPECT_TRUE(std::ranges::equal(writers, std::vector<Pool::Member>{{1, 3, 1}, {0, 1, 0}}));
    ASSERT_TRUE(table->delivery(2).pool);
    EXPECT_EQ(table->delivery(2).strategy, Strategy::by_source);
    const auto category = table->pool(*table->delivery(2).pool).members();
    EXPECT_TRUE(std::ranges::equal(category, std::vector<Pool::Member>{{0, 1, 0}, {1, 1, 0}}));
    EXPECT_TRUE(std::ranges::equal(table->delivery(3).instances, std::vector<std::uint32_t>{0, 1}));
    EXPECT_TRUE(table->delivery(4).drops());
    EXPECT_FALSE(table->delivery(2).drops());
}

// Each condition on its own, at its borders; without a state every instance counts as healthy.
TEST(RuleTable, JudgesConditions) {
    Rule health = rule_of("health", 0, false);
    health.conditions.health["database-2"] = {Health::degraded, Health::unhealthy};
    Rule above = rule_of("above", 0, false);
    above.conditions.queue_above = 0.5;
    Rule below = rule_of("below", 0, false);
    below.conditions.queue_below = 0.5;
    Rule night = rule_of("night", 0, false);
    night.conditions.time = TimeWindow{std::chrono::hours(22), std::chrono::hours(6)};
    const auto table = compiled({{}, {health, above, below, night}});
    InstanceStates instances(3);
    const WallTime noon(std::chrono::hours(12));

    EXPECT_EQ(matching_ids(*table, {}, {.now = noon, .queue_fill = 0.5}), Ids{});
    EXPECT_EQ(matching_ids(*table, {}, {.now = noon, .queue_fill = 0.51}), Ids{"above"});
    EXPECT_EQ(matching_ids(*table, {}, {.now = noon, .queue_fill = 0.49, .instances = &instances}),
              Ids{"below"});
    instances.set_health(1, Health::unhealthy);
    EXPECT_EQ(
        matching_ids(
            *table, {},
            {.now = noon + std::chrono::hours(10), .queue_fill = 0.5, .instances = &instances}),
        (Ids{"health", "night"}));
    EXPECT_TRUE(table->asks_time());
    EXPECT_FALSE(compiled({{}, {health, above}})->asks_time());
}

// What only the instances at hand can tell; the rule is named, and what was meant.
TEST(RuleTable, RefusesWhatDoesNotExist) {
    Rule rule = rule_of("audit");
    rule.action = Deliver{{"database-11"}};
    EXPECT_EQ(refused({{}, {rule}}),
              "rule 'audit': no instance 'database-11'; did you mean 'database-1'?");
    rule.action = ToPool{"databse"};
    EXPECT_EQ(refused({{}, {rule}}), "rule 'audit': no pool 'databse'; did you mean 'database'?");
    rule.action = Broadcast{*Pattern::parse("queue-*")};
    EXPECT_EQ(refused({{}, {rule}}),
              "rule 'audit': broadcast: no instance has a name like 'queue-*'");
    rule = rule_of("audit");
    rule.conditions.health["nobody"] = {Health::healthy};
    EXPECT_EQ(refused({{}, {rule}}), "rule 'audit': no instance 'nobody'");
    EXPECT_EQ(refused({{{"p", {{.instance = "system-2"}}}}, {}}),
              "pool 'p': no instance 'system-2'; did you mean 'system-1'?");
}

// One name for one thing.
TEST(RuleTable, RefusesNamesGivenTwice) {
    EXPECT_EQ(refused({{}, {rule_of("a"), rule_of("a")}}),
              "rule 'a': there is another one with this id");
    EXPECT_EQ(refused({{}, {{.id = "a", .action = Deliver{{"system-1", "system-1"}}}}}),
              "rule 'a': deliver: 'system-1' is named twice");
    EXPECT_EQ(refused({{{"p", {{"system-1"}}}, {"p", {{"system-1"}}}}, {}}),
              "pool 'p': there is another one with this name");
    EXPECT_EQ(refused({{{"p", {{"system-1"}, {"system-1"}}}}, {}}),
              "pool 'p': 'system-1' is in it twice");
}

// A pool of the file may take the place of a category's.
TEST(RuleTable, LetsAPoolReplaceACategorys) {
    const auto table = compiled({.pools = {{"database", {{.instance = "system-1"}}}},
                                 .rules = {{.id = "a", .action = ToPool{"database"}}}});

    EXPECT_TRUE(std::ranges::equal(table->pool(*table->delivery(0).pool).members(),
                                   std::vector<Pool::Member>{{2, 1, 0}}));
}

// A reload in the middle of a turn would otherwise send every reload's first event to the same
// instance.
TEST(RuleTable, KeepsTheTurnsOfPoolsThatStayTheSame) {
    const RuleSet rules{.rules = {{.id = "a", .action = ToPool{"database"}}}};
    const InstanceStates states(3);
    const auto before = compiled(rules);
    Pool& pool = before->pool(*before->delivery(0).pool);
    EXPECT_EQ(pool.pick(Strategy::round_robin, "", states), 0u);

    const auto after = compiled(rules, before.get());

    EXPECT_EQ(&after->pool(*after->delivery(0).pool), &pool);
    EXPECT_EQ(pool.pick(Strategy::round_robin, "", states), 1u);
    RuleSet changed = rules;
    changed.pools = {{"database", {{.instance = "database-1"}}}};
    const auto other = compiled(changed, before.get());
    EXPECT_NE(&other->pool(*other->delivery(0).pool), &pool);
}

}  // namespace
}  // namespace crucible::runtime
