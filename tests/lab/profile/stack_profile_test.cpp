#include "lab/profile/stack_profile.h"

#include <gtest/gtest.h>

#include <limits>

namespace crucible::lab {
namespace {

// One site allocates a million times: a million samples would be a file that nobody opens.
TEST(StackProfile, MergesWhatHasTheSameStackAndLabels) {
    StackProfile profile({}, {{"alloc_objects", "count"}, {"alloc_space", "bytes"}});
    const std::vector<std::uint64_t> stack = {3, 2, 1};
    const std::vector<std::uint64_t> shorter = {3, 2};
    const std::vector<std::uint64_t> turned = {1, 2, 3};
    profile.add(stack, "queue", "worker", std::vector<std::int64_t>{1, 100});
    profile.add(shorter, "queue", "worker", std::vector<std::int64_t>{1, 7});
    profile.add(stack, "queue", "worker", std::vector<std::int64_t>{2, 50});
    profile.add(turned, "queue", "worker", std::vector<std::int64_t>{1, 8});
    profile.add(stack, "route", "worker", std::vector<std::int64_t>{1, 9});
    profile.add(stack, "queue", "main", std::vector<std::int64_t>{1, 10});
    profile.add(stack, "", "", std::vector<std::int64_t>{1, 11});
    const std::vector<StackSample> expected = {
        {stack, "queue", "worker", {3, 150}}, {shorter, "queue", "worker", {1, 7}},
        {turned, "queue", "worker", {1, 8}},  {stack, "route", "worker", {1, 9}},
        {stack, "queue", "main", {1, 10}},    {stack, "", "", {1, 11}}};
    EXPECT_EQ(profile.samples(), expected);
}

// Bytes times seconds of a long run come near the end of 64 bits; a sum that wraps round would be
// a frame that vanishes.
TEST(StackProfile, SumsStayAtTheGreatestNumber) {
    constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
    StackProfile profile({}, {{"lifetime", "byte_seconds"}});
    const std::vector<std::uint64_t> stack = {1};
    profile.add(stack, "", "", std::vector<std::int64_t>{kMost - 1});
    profile.add(stack, "", "", std::vector<std::int64_t>{5});
    EXPECT_EQ(profile.samples().at(0).values.at(0), kMost);
}

TEST(StackProfile, SortsModules) {
    const StackProfile profile(
        {{.path = "/b", .start = 8, .end = 9}, {.path = "/a", .start = 1, .end = 2}}, {});
    EXPECT_EQ(profile.modules().at(0).path, "/a");
}

TEST(StackProfile, AllocationsHaveFiveKinds) {
    const auto kinds = allocation_kinds();
    ASSERT_EQ(kinds.size(), 5u);
    EXPECT_EQ(kinds[3], (ValueKind{"inuse_space", "bytes"}));
    EXPECT_EQ(kinds[4], (ValueKind{"lifetime", "byte_seconds"}));
}

}  // namespace
}  // namespace crucible::lab
