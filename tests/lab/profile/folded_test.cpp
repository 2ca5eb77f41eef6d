#include "lab/profile/folded.h"

#include <gtest/gtest.h>

#include "lab/profile/written_profile.h"

namespace crucible::lab {
namespace {

// `;` ends a frame and the line break a stack; the format has no quotes, so that a name with one
// would become two functions, or a line that its readers refuse.
TEST(Folded, WritesALineForEachStack) {
    EXPECT_EQ(write_folded(written_profile(), 1),
              "a:b ;main 96\n"
              "queue;main;libstripped.so+0x300 1000\n"
              "queue;main;work;fold<a:b>(x&) 3000\n");
    EXPECT_EQ(write_folded(written_profile(), 0),
              "[no owner];main;0x10 1\n"
              "a:b ;main 4\n"
              "queue;main;libstripped.so+0x300 1\n"
              "queue;main;work;fold<a:b>(x&) 2\n");
}

// Other lines of the same functions are the same line here.
TEST(Folded, AddsUpWhatLooksTheSame) {
    auto profile = written_profile();
    auto other = profile.locations[1];
    other.address = 0x400208;
    other.frames[0].line = 8;
    profile.locations.push_back(other);
    profile.samples.push_back({.stack = {0, 4}, .owner = "queue", .values = {1, 5}});
    EXPECT_NE(write_folded(profile, 1).find("queue;main;work;fold<a:b>(x&) 3005\n"),
              std::string::npos);
}

TEST(Folded, OfNothingIsEmpty) {
    EXPECT_EQ(write_folded(symbolize(StackProfile({}, allocation_kinds())), 3), "");
}

}  // namespace
}  // namespace crucible::lab
