#include "lab/memory/stage.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace crucible::lab {
namespace {

// All owners that the guide names; a new one is to be given its stage.
TEST(Stage, EachOwnerHasOne) {
    EXPECT_EQ(stage_of("client stub"), Stage::client);
    EXPECT_EQ(stage_of("target"), Stage::client);
    EXPECT_EQ(stage_of("session"), Stage::transport);
    EXPECT_EQ(stage_of("router"), Stage::router);
    EXPECT_EQ(stage_of("queue"), Stage::queue);
    EXPECT_EQ(stage_of("database-1"), Stage::service);
    EXPECT_EQ(stage_of("filesystem-12"), Stage::service);
    EXPECT_EQ(stage_of("custom-3"), Stage::service);
    EXPECT_EQ(stage_of("services"), Stage::service);
    EXPECT_EQ(stage_of("checkpoint"), Stage::service);
    EXPECT_EQ(stage_of("acknowledgement"), Stage::acknowledgement);
    EXPECT_EQ(stage_of("process"), Stage::elsewhere);
}

// Whatever a program calls its owners, it is not taken for a part of the path.
TEST(Stage, IsElsewhereWhereItIsNotKnown) {
    for (const auto* owner : {"", "parser", "database", "database-", "database-x", "database-1x",
                              "table-1", "-1", "routers"})
        EXPECT_EQ(stage_of(owner), Stage::elsewhere) << owner;
}

TEST(Stage, NamesAreDifferent) {
    std::set<std::string_view> names;
    for (const Stage stage : kStages) names.insert(to_string(stage));
    EXPECT_EQ(names.size(), kStages.size());
    EXPECT_EQ(to_string(Stage::acknowledgement), "acknowledgement");
    EXPECT_EQ(to_string(Stage::elsewhere), "elsewhere");
}

}  // namespace
}  // namespace crucible::lab
