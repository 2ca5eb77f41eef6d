#include "lab/profile/module_space.h"

#include <gtest/gtest.h>

namespace crucible::lab {
namespace {

MappedModule library(std::uint64_t start, std::string build_id = "ab") {
    return {.path = "/lib/libwork.so",
            .build_id = std::move(build_id),
            .start = start,
            .end = start + 0x1000,
            .file_offset = 0x3000};
}

// Two processes have the same library elsewhere; a place in it is one place.
TEST(ModuleSpace, HasOneAddressForAPlaceInAFile) {
    ModuleSpace space;
    const std::array first{library(0x7000'0000)};
    const std::array second{library(0x7fff'1000)};
    const auto a = space.joined(first, std::array<std::uint64_t, 2>{0x7000'0010, 0x7000'0020});
    const auto b = space.joined(second, std::array<std::uint64_t, 2>{0x7fff'1010, 0x7fff'1030});

    EXPECT_EQ(a[0], b[0]);
    EXPECT_EQ(b[1] - b[0], 0x20U);
    ASSERT_EQ(space.modules().size(), 1U);
    const auto& module = space.modules()[0];
    EXPECT_EQ(a[0] - module.start, 0x10U);
    EXPECT_EQ(module.file_offset, 0x3000U);
    EXPECT_EQ(module.end - module.start, 0x1000U);
}

// Another build of a library is another module, as is memory without a file at another address.
TEST(ModuleSpace, KeepsApartWhatIsNotTheSame) {
    ModuleSpace space;
    const std::array old_build{library(0x7000'0000, "ab")};
    const std::array new_build{library(0x7000'0000, "cd")};
    const std::array<std::uint64_t, 1> pc{0x7000'0010};
    EXPECT_NE(space.joined(old_build, pc), space.joined(new_build, pc));

    const std::array one{MappedModule{.start = 0x1000, .end = 0x2000}};
    const std::array other{MappedModule{.start = 0x5000, .end = 0x6000}};
    EXPECT_NE(space.joined(one, std::array<std::uint64_t, 1>{0x1010}),
              space.joined(other, std::array<std::uint64_t, 1>{0x5010}));
}

// A return address may be the first behind its module; what is in no module stays.
TEST(ModuleSpace, JoinsCallsAndLeavesTheRest) {
    ModuleSpace space;
    const std::array modules{library(0x7000'0000)};
    const auto joined =
        space.joined(modules, std::array<std::uint64_t, 3>{0x7000'1000, 0x7000'0000, 0});
    EXPECT_EQ(joined[0], space.modules()[0].end);
    EXPECT_EQ(joined[1], 0x7000'0000U);
    EXPECT_EQ(joined[2], 0U);
}

}  // namespace
}  // namespace crucible::lab
