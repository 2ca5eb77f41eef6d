#include "base/nearest.h"

#include <gtest/gtest.h>

#include <array>

namespace crucible::base {
namespace {

constexpr std::array<std::string_view, 3> kKnown{"workers", "queue_events", "queue_bytes"};

// A slip of the finger finds its name.
TEST(Nearest, FindsTheFewestEdits) {
    EXPECT_EQ(nearest("wrkers", kKnown), "workers");
    EXPECT_EQ(nearest("queue_evnets", kKnown), "queue_events");
    EXPECT_EQ(nearest("queue_byte", kKnown), "queue_bytes");
    EXPECT_EQ(nearest("workers", kKnown), "workers");
}

// "Did you mean" about something else entirely is worse than saying nothing.
TEST(Nearest, GuessesNothingFromAfar) {
    EXPECT_EQ(nearest("socket", kKnown), "");
    EXPECT_EQ(nearest("", kKnown), "");
    EXPECT_EQ(nearest("x", {}), "");
}

}  // namespace
}  // namespace crucible::base
