#include "runtime/event/uuid.h"

#include <gtest/gtest.h>

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;

// The example of RFC 9562, appendix A.6: 22 February 2022, 19:22:22 UTC.
constexpr auto kExampleTime = WallTime(1645557742000ms);
constexpr std::string_view kExample = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";

TEST(Uuid, HasTheTimeVersionAndVariantOfTheStandardsExample) {
    base::Rng random(1);
    for (int i = 0; i < 100; ++i) {
        const std::string text = to_string(make_uuid_v7(kExampleTime + 999us, random));
        EXPECT_EQ(text.substr(0, 15), kExample.substr(0, 15));
        EXPECT_NE(std::string_view("89ab").find(text[19]), std::string_view::npos) << text;
    }
}

TEST(Uuid, TextAndBytesOfTheStandardsExampleAgree) {
    const auto id = parse_uuid(kExample);
    ASSERT_TRUE(id);
    EXPECT_EQ(id->bytes,
              (std::array<std::uint8_t, 16>{0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0, 0x7c, 0xc3, 0x98,
                                            0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f}));
    EXPECT_EQ(to_string(*id), kExample);
    EXPECT_EQ(parse_uuid("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), id);
}

// Event streams are compared by hash between machines: the same inputs give the same id.
TEST(Uuid, DependsOnNothingButItsInputs) {
    base::Rng first(7);
    base::Rng second(7);
    EXPECT_EQ(make_uuid_v7(kExampleTime, first), make_uuid_v7(kExampleTime, second));
    EXPECT_NE(make_uuid_v7(kExampleTime, first), make_uuid_v7(kExampleTime + 1ms, second));
}

TEST(Uuid, SortsByTime) {
    base::Rng random(3);
    const Uuid earlier = make_uuid_v7(kExampleTime, random);
    for (int bit = 0; bit < 40; ++bit)
        EXPECT_LT(earlier, make_uuid_v7(kExampleTime + 1ms * (1LL << bit), random));
}

TEST(Uuid, TimesBefore1970CountAs1970) {
    base::Rng random(4);
    EXPECT_EQ(to_string(make_uuid_v7(WallTime(-1ns), random)).substr(0, 15), "00000000-0000-7");
}

// Ids are keys: two spellings accepted for one id, or half an id, would break every look-up.
TEST(Uuid, AcceptsNothingElse) {
    for (const std::string_view text :
         {"", "017f22e2-79b0-7cc3-98c4-dc0c0c07398", "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
          "017f22e279b0-7cc3-98c4-dc0c0c07398f-", "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
          "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}", "017f22e2 79b0 7cc3 98c4 dc0c0c07398f",
          "017f22e2-79b0-7cc3-98c4--c0c0c07398f"})
        EXPECT_FALSE(parse_uuid(text)) << text;
}

}  // namespace
}  // namespace crucible::runtime
