#include "base/planted_leak.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace crucible::base {
namespace {

class PlantedLeakTest : public ::testing::Test {
protected:
    void TearDown() override { ::unsetenv("CRUCIBLE_PLANTED_LEAK"); }
    static void plant(const char* what) { ::setenv("CRUCIBLE_PLANTED_LEAK", what, 1); }
};

TEST_F(PlantedLeakTest, LosesWhereItIsToldAndNowhereElse) {
    EXPECT_EQ(PlantedLeak("session").due(), 0U);
    plant("session:64B");
    PlantedLeak here("session");
    EXPECT_EQ(here.due(), 64U);
    EXPECT_EQ(here.due(), 64U);
    EXPECT_EQ(PlantedLeak("database").due(), 0U);
}

TEST_F(PlantedLeakTest, LosesEveryFewTimes) {
    plant("session:48B/3");
    PlantedLeak here("session");
    EXPECT_EQ(here.due(), 0U);
    EXPECT_EQ(here.due(), 0U);
    EXPECT_EQ(here.due(), 48U);
    EXPECT_EQ(here.due(), 0U);
}

TEST_F(PlantedLeakTest, RefusesWhatIsNone) {
    for (const char* text : {"session", "session:", "session:0B", "session:4B/0", "session:x",
                             "session:4B/", "session:4B/10x", "sesion:4B"}) {
        plant(text);
        EXPECT_EXIT(PlantedLeak("session"), ::testing::ExitedWithCode(2),
                    "PLACE:BYTES or PLACE:BYTES/TIMES, .* places are session, component")
            << text;
    }
}

}  // namespace
}  // namespace crucible::base
