#include <gtest/gtest.h>

#include "crucible/event.h"
#include "crucible/service.h"

namespace crucible {
namespace {

// Names are what files and messages hold: each value has its own and is found again by it.
TEST(Names, LeadBackToTheirValues) {
    for (std::size_t i = 0; i < kCategoryCount; ++i) {
        const auto category = static_cast<Category>(i);
        EXPECT_EQ(parse_category(to_string(category)), category);
    }
    for (std::size_t i = 0; i < kPriorityCount; ++i) {
        const auto priority = static_cast<Priority>(i);
        EXPECT_EQ(parse_priority(to_string(priority)), priority);
    }
    EXPECT_EQ(to_string(Category::mcp), "mcp");
    EXPECT_EQ(to_string(Category::custom), "custom");
    EXPECT_EQ(to_string(Priority::critical), "critical");
    EXPECT_EQ(to_string(Priority::low), "low");
    EXPECT_EQ(to_string(Outcome::handled), "handled");
    EXPECT_EQ(to_string(Outcome::expired), "expired");
}

TEST(Names, OthersAreNotFound) {
    EXPECT_FALSE(parse_category("Database"));
    EXPECT_FALSE(parse_category(""));
    EXPECT_FALSE(parse_priority("urgent"));
    EXPECT_EQ(to_string(static_cast<Category>(200)), "unknown");
}

}  // namespace
}  // namespace crucible
