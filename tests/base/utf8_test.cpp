#include "base/utf8.h"

#include <gtest/gtest.h>

namespace crucible::base {
namespace {

TEST(Utf8, ReadsTheFirstCharacter) {
    EXPECT_EQ(first_utf8("ab").point, 0x61u);
    EXPECT_EQ(first_utf8("ab").bytes, 1u);
    EXPECT_EQ(first_utf8("\xc2\x80z").point, 0x80u);
    EXPECT_EQ(first_utf8("\xe2\x82\xacz").point, 0x20acu);
    EXPECT_EQ(first_utf8("\xf4\x8f\xbf\xbfz").point, 0x10ffffu);
    EXPECT_EQ(first_utf8("\xf4\x8f\xbf\xbfz").bytes, 4u);
}

// Cut, continued by nothing, longer than need be, halves of UTF-16 pairs, and past the last.
TEST(Utf8, KnowsWhatIsNone) {
    for (const char* const wrong :
         {"\xe2\x82", "\x80", "\xc3z", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",
          "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xff"})
        EXPECT_EQ(first_utf8(wrong).bytes, 0u) << wrong;
}

}  // namespace
}  // namespace crucible::base
