#include "lab/compare/json_difference.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace crucible::lab {
namespace {

using nlohmann::json;

// What the reader needs is the one place, and both values there.
TEST(FirstDifference, NamesItsPlaceAndBothValues) {
    const json first = {{"load", {{"clients", 4}, {"phases", {{{"rate", 1.5}}, {{"rate", 2}}}}}}};
    EXPECT_FALSE(first_difference(first, first));
    auto second = first;
    second["load"]["phases"][1]["rate"] = 3;
    second["load"]["more"] = 1;
    const auto found = first_difference(first, second);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->place, "load.phases.1.rate");
    EXPECT_EQ(found->first, "2");
    EXPECT_EQ(found->second, "3");
}

TEST(FirstDifference, NamesWhatIsNotThere) {
    const auto found = first_difference({{"a", 1}, {"b", "x"}}, {{"a", 1}});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->place, "b");
    EXPECT_EQ(found->first, "\"x\"");
    EXPECT_FALSE(found->second);
}

// Lists of different lengths are shown whole: no single entry is the one that is missing.
TEST(FirstDifference, ShowsListsOfDifferentLengths) {
    const auto found = first_difference({{"a", {1, 2}}}, {{"a", {1}}});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->first, "[1,2]");
    EXPECT_EQ(found->second, "[1]");
}

}  // namespace
}  // namespace crucible::lab
