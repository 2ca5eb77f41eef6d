#include "runtime/route/rule_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/rng.h"
#include "random_rules.h"

namespace crucible::runtime {
namespace {

constexpr std::string_view kExample = R"(version = 1

[[pool]]
name = "writers"
members = [
    {instance = "database-1", weight = 5, priority = 1},
    {instance = "database-2"},
]

[[rule]]
id = "audit"
priority = 100
stop = false
type = "record.**"
deliver = ["system-1"]

[[rule]]
id = "large-writes-at-night"
priority = 50
category = "database"
source = "client-*"
event_priority = ["normal", "low"]
targets = ["database-1"]
payload_min = "1MiB"
payload_max = 2000000
health = {database-2 = ["healthy", "degraded"]}
queue_above = 0.1
queue_below = "80%"
time_from = "22:00"
time_to = "06:00"
days = ["mon", "tue", "wed", "thu", "fri"]
pool = "writers"
strategy = "weighted"

[[rule]]
id = "everyone"
enabled = false
broadcast = "database-*"

[[rule]]
id = "no-debugging"
type = "log.debug"
drop = "debugging is off"
)";

std::string error_of(std::string_view text) {
    const auto rules = parse_rules(text, "r.toml");
    return rules ? "no error" : rules.error().message;
}

/// The error of a file with one rule, whose keys beside its id these are.
std::string error_of_rule(std::string_view keys) {
    return error_of(fmt::format("version = 1\n[[rule]]\nid = \"a\"\n{}\n", keys));
}

// Every key of the format, once.
TEST(RuleFile, ReadsEveryKey) {
    const auto rules = parse_rules(kExample, "r.toml");
    ASSERT_TRUE(rules) << rules.error().message;

    const PoolSpec writers{"writers", {{"database-1", 5, 1}, {"database-2", 1, 0}}};
    Rule audit{.id = "audit", .priority = 100, .stop = false, .action = Deliver{{"system-1"}}};
    audit.filter.type = *Pattern::parse("record.**");
    Rule writes{.id = "large-writes-at-night",
                .priority = 50,
                .action = ToPool{"writers", Strategy::weighted}};
    writes.filter.categories = {Category::database};
    writes.filter.source = *Pattern::parse("client-*");
    writes.filter.event_priorities = {Priority::normal, Priority::low};
    writes.filter.targets = {"database-1"};
    writes.filter.payload_bytes_min = 1u << 20;
    writes.filter.payload_bytes_max = 2'000'000;
    writes.conditions.health = {{"database-2", {Health::healthy, Health::degraded}}};
    writes.conditions.queue_above = 0.1;
    writes.conditions.queue_below = 0.8;
    writes.conditions.time =
        TimeWindow{std::chrono::hours(22),
                   std::chrono::hours(6),
                   {Weekday::mon, Weekday::tue, Weekday::wed, Weekday::thu, Weekday::fri}};
    const Rule everyone{
        .id = "everyone", .enabled = false, .action = Broadcast{*Pattern::parse("database-*")}};
    Rule debugging{.id = "no-debugging", .action = Drop{"debugging is off"}};
    debugging.filter.type = *Pattern::parse("log.debug");
    EXPECT_EQ(*rules, (RuleSet{{writers}, {audit, writes, everyone, debugging}}));
}

// What is written is what was meant, for every rule there can be.
TEST(RuleFile, WritesWhatItReads) {
    const auto example = parse_rules(kExample, "r.toml");
    ASSERT_TRUE(example);
    EXPECT_EQ(*parse_rules(format_rules(*example), "again"), *example);
    ASSERT_TRUE(rc::check("round trip", [] {
        RuleSet rules{{{"p", {{"database-1", 3, -2}}}}, *testing::any_rules()};
        if (!rules.rules.empty()) {
            rules.rules[0].stop = true;
            rules.rules[0].action = Drop{"a \"reason\"\\\nwith\x01 everything \xc3\xa9\x7f"};
        }
        const auto again = parse_rules(format_rules(rules), "again");
        RC_ASSERT(again.has_value());
        RC_ASSERT(*again == rules);
    }));
}

// One line that an editor can jump to: where, what, and what would be right.
TEST(RuleFile, PlacesMistakes) {
    EXPECT_EQ(error_of_rule("typ = \"a\"\ndrop = \"x\""),
              "r.toml:4:1: unknown key 'typ' in [[rule]]; did you mean 'type'?");
    EXPECT_EQ(error_of_rule("type = \"file*.created\"\ndrop = \"x\""),
              "r.toml:4:8: type 'file*.created': '*' must be a whole segment or end the pattern");
    EXPECT_EQ(
        error_of_rule("drop = \"x\"\ndeliver = [\"b\"]"),
        "r.toml:2:1: rule 'a' has the actions deliver, drop; one of deliver, pool, broadcast, "
        "drop is needed");
    EXPECT_EQ(
        error_of_rule(""),
        "r.toml:2:1: rule 'a' has no action; one of deliver, pool, broadcast, drop is needed");
    EXPECT_EQ(error_of_rule("category = [\"database\", \"files\"]\ndrop = \"x\""),
              "r.toml:4:12: category: 'files' is none of filesystem, database, external, mcp, "
              "service, system, custom");
    EXPECT_EQ(error_of_rule("category = []\ndrop = \"x\""),
              "r.toml:4:12: category: needs one of filesystem, database, external, mcp, service, "
              "system, custom");
    EXPECT_EQ(error_of_rule("health = {b = \"well\"}\ndrop = \"x\""),
              "r.toml:4:15: b: 'well' is none of starting, healthy, degraded, unhealthy, stopped");
    EXPECT_EQ(error_of_rule("payload_min = -1\ndrop = \"x\""),
              "r.toml:4:15: payload_min: must be a size, e.g. \"4KiB\" or 4096");
    EXPECT_EQ(error_of_rule("payload_min = 2\npayload_max = 1\ndrop = \"x\""),
              "r.toml:4:15: payload_min: at most payload_max");
    EXPECT_EQ(error_of_rule("payload_max = \"1GiB\"\ndrop = \"x\""),
              "r.toml:4:15: payload_max: at most 10485760 bytes");
    EXPECT_EQ(error_of_rule("queue_above = nan\ndrop = \"x\""),
              "r.toml:4:15: queue_above: must be a share from 0 to 100 %, e.g. \"80%\" or 0.8");
    EXPECT_EQ(error_of_rule("time_from = \"22:00\"\ndrop = \"x\""),
              "r.toml:4:13: time_from: needs time_to, and time_to needs it");
    EXPECT_EQ(error_of_rule("time_from = \"22\"\ntime_to = \"23:00\"\ndrop = \"x\""),
              "r.toml:4:13: time_from: must be a time of the day, e.g. \"22:00\"");
    EXPECT_EQ(error_of_rule("time_from = \"22:00\"\ntime_to = \"22:00\"\ndrop = \"x\""),
              "r.toml:4:13: time_from, time_to: two different times of a day");
    EXPECT_EQ(error_of_rule("pool = \"p\"\nstrategy = \"best\""),
              "r.toml:5:12: strategy: 'best' is none of by_source, round_robin, least_in_flight, "
              "weighted, health, priority");
    EXPECT_EQ(error_of_rule("drop = \"x\"\nstrategy = \"health\""),
              "r.toml:5:12: strategy: goes with pool only");
    EXPECT_EQ(error_of_rule("drop = \"\""), "r.toml:4:8: drop: a reason of 1 to 256 bytes");
    EXPECT_EQ(error_of_rule("drop = \"x\"\nstop = false"),
              "r.toml:5:8: stop: a rule that drops always stops");
    EXPECT_EQ(error_of_rule("deliver = []"),
              "r.toml:4:11: deliver: 1 to 64 names of 1 to 255 bytes");
    EXPECT_EQ(error_of_rule("targets = []\ndrop = \"x\""),
              "r.toml:4:11: targets: needs a name; leave it out for any");
    EXPECT_EQ(error_of_rule("priority = 1000001\ndrop = \"x\""),
              "r.toml:4:12: priority: must be a whole number from -1000000 to 1000000");
    EXPECT_EQ(error_of_rule("enabled = \"yes\"\ndrop = \"x\""),
              "r.toml:4:11: enabled: must be true or false");
    EXPECT_EQ(error_of_rule("drop = \"x\"\n[[rule]]\nid = \"a\"\ndrop = \"y\""),
              "r.toml:6:6: id 'a': there is another one with this name");
}

TEST(RuleFile, PlacesMistakesOutsideOfRules) {
    EXPECT_EQ(error_of(""), "r.toml:1:1: version: is needed: version = 1");
    EXPECT_EQ(error_of("version = 0"), "r.toml:1:11: version: must be a whole number from 1 to 1");
    EXPECT_EQ(error_of("version = 1\nrules = []"),
              "r.toml:2:1: unknown key 'rules'; did you mean 'rule'?");
    EXPECT_EQ(error_of("version = 1\nrule = 3"), "r.toml:2:8: 'rule' must be tables: [[rule]]");
    EXPECT_EQ(error_of("version = 1\n[[rule]]\nid = \"a b\"\ndrop = \"x\""),
              "r.toml:3:6: id 'a b': 1 to 128 letters, digits, dots, dashes and underscores");
    EXPECT_EQ(error_of("version = 1\n[[rule]]\ndrop = \"x\""),
              "r.toml:2:1: id '': 1 to 128 letters, digits, dots, dashes and underscores");
    EXPECT_EQ(error_of("version = 1\n[[pool]]\nname = \"p\""), "r.toml:2:1: members: 1 to 1024");
    EXPECT_EQ(error_of("version = 1\n[[pool]]\nname = \"p\"\nmembers = [{weight = 3}]"),
              "r.toml:4:12: instance: is needed: the name of an instance");
    EXPECT_EQ(
        error_of("version = 1\n[[pool]]\nname = \"p\"\nmembers = [{instance = \"a\", weight = 0}]"),
        "r.toml:4:38: weight: must be a whole number from 1 to 1000");
    EXPECT_EQ(error_of("version = 1\n[[pool]]\nname = \"p\"\nmembers = [\"a\"]"),
              "r.toml:4:11: members: must be a list of tables");
}

// A reader that guessed at a newer version would route by half of what was written.
TEST(RuleFile, RefusesANewerVersion) {
    const auto rules = parse_rules("version = 2", "r.toml");
    ASSERT_FALSE(rules);
    EXPECT_EQ(rules.error().code, Errc::unsupported);
    EXPECT_EQ(rules.error().message,
              "r.toml: of version 2; this program reads up to 1: upgrade to read it");
}

// Errors quote what somebody else wrote: still one line, and short.
TEST(RuleFile, StaysAtOneLineWhateverIsQuoted) {
    EXPECT_EQ(error_of_rule("\"a\\nb\" = 1\ndrop = \"x\"").find('\n'), std::string::npos);
    EXPECT_LT(error_of_rule(std::string(100'000, 'k') + " = 1\ndrop = \"x\"").size(), 512u);
    EXPECT_LT(error_of_rule("category = \"" + std::string(100'000, 'k') + "\"").size(), 512u);
    EXPECT_LT(error_of(std::string(100'000, '[')).size(), 512u);
}

// Pools are compared with each other: their number is bounded like that of rules.
TEST(RuleFile, RefusesTooManyPools) {
    std::string text = "version = 1\n";
    for (int i = 0; i < 1025; ++i)
        text += fmt::format("[[pool]]\nname = \"p{}\"\nmembers = [{{instance = \"a\"}}]\n", i);
    EXPECT_EQ(error_of(text),
              "r.toml: 0 rules and 1025 pools: at most 1000000 and 1024 are allowed");
}

// A file may come from anywhere: cut, with bytes changed, or both, it is read or refused in one
// line that begins with its place, and never crashes the daemon.
TEST(RuleFile, SurvivesDamage) {
    base::Rng rng(7);
    int refused = 0;
    for (int i = 0; i < 5000; ++i) {
        std::string text(kExample.substr(0, rng.below(kExample.size() + 1)));
        for (std::uint64_t changes = rng.below(4); changes > 0 && !text.empty(); --changes)
            text[rng.below(text.size())] = static_cast<char>(rng.below(256));
        const auto rules = parse_rules(text, "r.toml");
        if (rules) continue;
        ++refused;
        ASSERT_TRUE(rules.error().message.starts_with("r.toml:")) << rules.error().message;
        ASSERT_EQ(rules.error().message.find('\n'), std::string::npos) << rules.error().message;
    }
    EXPECT_GT(refused, 4000);
}

// Depth and size are bounded before anything is built of them.
TEST(RuleFile, RefusesWhatIsTooDeepOrTooLarge) {
    std::string deep = "version = 1\nrule = ";
    deep += std::string(100'000, '[') + std::string(100'000, ']');
    EXPECT_NE(error_of(deep), "no error");
    EXPECT_EQ(error_of(std::string((64u << 20) + 1, '#')),
              "r.toml: 67108865 bytes: at most 67108864 are allowed");
}

TEST(RuleFile, ReadsAFile) {
    const auto directory = *base::TempDir::make("rules");
    const auto file = directory.path() / "r.toml";
    ASSERT_TRUE(base::write_file(file, kExample));
    const auto rules = read_rules(file);
    ASSERT_TRUE(rules);
    EXPECT_EQ(rules->rules.size(), 4u);
    EXPECT_EQ(read_rules(directory.path() / "none.toml").error().code, Errc::not_found);
}

}  // namespace
}  // namespace crucible::runtime
