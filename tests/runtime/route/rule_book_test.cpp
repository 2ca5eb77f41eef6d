#include "runtime/route/rule_book.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "random_rules.h"

namespace crucible::runtime {
namespace {

using testing::three_instances;

Rule drops(std::string id, std::string reason) {
    return {.id = std::move(id), .action = Drop{std::move(reason)}};
}

/// Why the event of type "a" is dropped; empty when it is not.
std::string reason_of(const RuleTable& table) {
    const Decision decision = table.route({.type = "a"}, {});
    if (decision.empty()) return "";
    return std::get<Drop>(table.rule(decision.ranks()[0]).action).reason;
}

TEST(RuleBook, BeginsWithoutRules) {
    const RuleBook book(three_instances());
    EXPECT_EQ(book.table()->size(), 0u);
    EXPECT_EQ(reason_of(*book.table()), "");
}

TEST(RuleBook, AddsRemovesAndSwitchesRules) {
    RuleBook book(three_instances());
    ASSERT_TRUE(book.add(drops("one", "first")));
    ASSERT_TRUE(book.add(drops("two", "second")));
    EXPECT_EQ(reason_of(*book.table()), "first");
    ASSERT_TRUE(book.set_enabled("one", false));
    EXPECT_EQ(reason_of(*book.table()), "second");
    ASSERT_TRUE(book.set_enabled("one", true));
    EXPECT_EQ(reason_of(*book.table()), "first");
    ASSERT_TRUE(book.remove("one"));
    EXPECT_EQ(reason_of(*book.table()), "second");
    ASSERT_TRUE(book.replace({{}, {drops("three", "third")}}));
    EXPECT_EQ(reason_of(*book.table()), "third");
    EXPECT_EQ(book.version(), 6u);
}

// A mistake in a reload may not leave a daemon without its rules.
TEST(RuleBook, StaysAsItWasWhenAChangeIsRefused) {
    RuleBook book(three_instances());
    ASSERT_TRUE(book.add(drops("one", "first")));
    const auto before = book.table();

    EXPECT_EQ(book.add(drops("one", "again")).error().code, Errc::invalid_argument);
    EXPECT_EQ(book.add({.id = "bad", .action = Deliver{{"nobody"}}}).error().code,
              Errc::invalid_argument);
    EXPECT_EQ(book.remove("two").error().code, Errc::not_found);
    EXPECT_EQ(book.remove("two").error().message, "no rule 'two'");
    EXPECT_EQ(book.set_enabled("two", true).error().code, Errc::not_found);

    EXPECT_EQ(book.table(), before);
    EXPECT_EQ(book.version(), 1u);
}

// A decision refers to the table it came from; a change may not take that away.
TEST(RuleBook, KeepsATableForWhoHoldsIt) {
    RuleBook book(three_instances());
    ASSERT_TRUE(book.add(drops("one", "first")));
    const auto held = book.table();
    const Decision decision = held->route({.type = "a"}, {});
    ASSERT_TRUE(book.remove("one"));

    EXPECT_EQ(held->rule(decision.ranks()[0]).id, "one");
    EXPECT_EQ(book.table()->size(), 0u);
}

TEST(RuleBook, ShowsAReaderEveryChange) {
    RuleBook book(three_instances());
    RuleReader reader(book);
    EXPECT_EQ(reason_of(reader.table()), "");
    ASSERT_TRUE(book.add(drops("one", "first")));
    EXPECT_EQ(reason_of(reader.table()), "first");
    const RuleTable* same = &reader.table();
    EXPECT_EQ(&reader.table(), same);
}

// While rules change, an event sees all of the old ones or all of the new: two rules that are
// always replaced together never meet in a mix, and none is missing in between.
TEST(RuleBook, ChangesAllRulesAtOnceForEveryThread) {
    RuleBook book(three_instances());
    const auto pair_of = [](const std::string& name) {
        Rule copy{
            .id = name + "-copy", .priority = 1, .stop = false, .action = Deliver{{"system-1"}}};
        return RuleSet{{}, {copy, drops(name + "-drop", name)}};
    };
    ASSERT_TRUE(book.replace(pair_of("even")));
    std::atomic<bool> done = false;
    std::atomic<int> mixed = 0;
    {
        std::vector<std::jthread> readers;
        for (int thread = 0; thread < 2; ++thread) {
            readers.emplace_back([&, thread] {
                RuleReader reader(book);
                while (!done.load()) {
                    const auto held = book.table();
                    const RuleTable& table = thread == 0 ? reader.table() : *held;
                    const Decision decision = table.route({.type = "a"}, {});
                    const auto ranks = decision.ranks();
                    const bool whole =
                        ranks.size() == 2 &&
                        table.rule(ranks[0]).id ==
                            std::get<Drop>(table.rule(ranks[1]).action).reason + "-copy";
                    if (!whole) mixed.fetch_add(1);
                }
            });
        }
        for (int i = 0; i < 500; ++i) {
            const auto replaced = book.replace(pair_of(i % 2 == 0 ? "odd" : "even"));
            EXPECT_TRUE(replaced);
        }
        done.store(true);
    }
    EXPECT_EQ(mixed.load(), 0);
}

}  // namespace
}  // namespace crucible::runtime
