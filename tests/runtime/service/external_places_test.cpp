#include "runtime/service/external_places.h"

#include <gtest/gtest.h>

#include "runtime/service/service_set.h"

namespace crucible::runtime {
namespace {

constexpr Category kCustom[] = {Category::custom};
constexpr Category kTwo[] = {Category::database, Category::custom};

TEST(ExternalPlaces, AreTakenAndLeft) {
    ExternalPlaces places(2);
    const auto first = places.take("first", kTwo);
    ASSERT_TRUE(first);
    EXPECT_EQ(places.find("first"), *first);
    EXPECT_EQ(places.serving(Category::custom), 1u);
    EXPECT_EQ(places.serving(Category::database), 1u);
    EXPECT_EQ(places.serving(Category::system), 0u);
    EXPECT_EQ(places.category_of(*first), Category::database);
    ASSERT_TRUE(places.take("second", kCustom));
    EXPECT_EQ(places.serving(Category::custom), 3u);
    EXPECT_EQ(places.take("second", kCustom).error().code, Errc::already_exists);
    EXPECT_EQ(places.take("third", kCustom).error().code, Errc::overloaded);

    places.leave(*first);
    EXPECT_EQ(places.find("first"), std::nullopt);
    EXPECT_EQ(places.name_of(*first), "");
    EXPECT_EQ(places.serving(Category::custom), 2u);
    EXPECT_EQ(places.take("third", kCustom), *first);
}

// So that what is still on its way to who has gone does not reach another.
TEST(ExternalPlaces, TheLongestFreeIsTakenFirst) {
    ExternalPlaces places(3);
    for (const auto* name : {"a", "b", "c"}) ASSERT_TRUE(places.take(name, kCustom));
    places.leave(1);
    places.leave(0);
    EXPECT_EQ(places.take("d", kCustom), 1u);
    EXPECT_EQ(places.take("e", kCustom), 0u);
}

TEST(ExternalPlaces, AnExpectedServiceKeepsItsPlace) {
    const ExpectedService expected[] = {{"billing", {Category::custom}}};
    ExternalPlaces places(2, expected);
    EXPECT_EQ(places.find("billing"), 0u);
    places.leave(0);
    EXPECT_EQ(places.find("billing"), std::nullopt);
    EXPECT_EQ(places.name_of(0), "billing");
    EXPECT_EQ(places.take("other", kCustom), 1u);
    EXPECT_EQ(places.take("third", kCustom).error().code, Errc::overloaded);
    EXPECT_EQ(places.take("billing", kCustom), 0u);
}

TEST(ExternalPlaces, NamesAreChecked) {
    for (const auto* good : {"a", "billing-2", "Team.billing_1", "7"})
        EXPECT_TRUE(is_service_name(good)) << good;
    for (const auto* bad : {"", "-a", ".a", "a b", "a/b", "ä", "a\n"})
        EXPECT_FALSE(is_service_name(bad)) << bad;
    EXPECT_TRUE(is_service_name(std::string(64, 'a')));
    EXPECT_FALSE(is_service_name(std::string(65, 'a')));
}

// An external service shares a category with the process's own, which come first.
TEST(ExternalPlaces, AreRoutedTo) {
    const auto set = *ServiceSet::open({.data_directory = {}, .work = Work::none});
    ASSERT_TRUE(set->make_external_places(2));
    const std::size_t own = set->services().size();
    EXPECT_EQ(set->size(), own + 2);
    EventView event{.category = Category::custom, .type = "t", .source = "client-0"};
    EXPECT_EQ(set->route(event).error().code, Errc::not_found);

    ASSERT_EQ(set->external().take("first", kTwo), 0u);
    EXPECT_EQ(set->route(event), own);
    ASSERT_EQ(set->external().take("second", kCustom), 1u);
    std::vector<bool> reached(2);
    for (const auto* source : {"client-0", "client-1"}) {
        event.source = source;
        reached[*set->route(event) - own] = true;
    }
    EXPECT_EQ(reached, std::vector<bool>(2, true));
    const auto databases = set->instances_of(Category::database);
    ASSERT_EQ(databases.size(), 2u);
    EXPECT_EQ(set->name_of(databases[0]), "database-1");
    EXPECT_EQ(databases[1], own);
    const std::string names[] = {"nobody", "second"};
    event.targets = std::span<const std::string>(names);
    EXPECT_EQ(set->route(event), own + 1);
}

TEST(ExternalPlaces, ExpectedServicesAreChecked) {
    const auto set = *ServiceSet::open({.data_directory = {}, .work = Work::none});
    const auto refused = [&](std::size_t count, std::vector<ExpectedService> expected) {
        const auto made = set->make_external_places(count, expected);
        return made ? "" : made.error().message;
    };
    EXPECT_EQ(refused(65, {}),
              "places for external services: at most 64, and at least as many as are expected");
    EXPECT_EQ(refused(0, {{"a", {Category::custom}}}),
              "places for external services: at most 64, and at least as many as are expected");
    EXPECT_EQ(refused(2, {{"a b", {Category::custom}}}), "'a b' cannot be a service's name");
    EXPECT_EQ(refused(2, {{"a", {}}}), "the service a has no category");
    EXPECT_EQ(refused(2, {{"database-1", {Category::custom}}}), "two services named database-1");
    EXPECT_EQ(refused(2, {{"a", {Category::custom}}, {"a", {Category::custom}}}),
              "two services named a");
}

}  // namespace
}  // namespace crucible::runtime
