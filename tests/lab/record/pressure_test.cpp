#include "lab/record/pressure.h"

#include <gtest/gtest.h>

#include "lab/record/fake_root.h"

namespace crucible::lab {
namespace {

TEST(Pressure, ReadsBothTotals) {
    FakeRoot root;
    root.write("memory",
               "some avg10=1.50 avg60=0.02 avg300=0.24 total=570243571\n"
               "full avg10=0.00 avg60=0.00 avg300=0.11 total=246815302\n");
    const auto pressure = read_pressure(root.path() / "memory");
    ASSERT_TRUE(pressure) << pressure.error().message;
    EXPECT_DOUBLE_EQ(pressure->some_seconds, 570.243571);
    EXPECT_DOUBLE_EQ(pressure->full_seconds.value(), 246.815302);
}

// Before Linux 5.13 the cpu had no second line: no zero stands for it.
TEST(Pressure, OfTheCpuMayHaveSomeAlone) {
    FakeRoot root;
    root.write("cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\n");
    const auto pressure = read_pressure(root.path() / "cpu");
    ASSERT_TRUE(pressure);
    EXPECT_DOUBLE_EQ(pressure->some_seconds, 2);
    EXPECT_FALSE(pressure->full_seconds.has_value());
}

TEST(Pressure, IsAbsentWithAReason) {
    FakeRoot root;
    const auto missing = read_pressure(root.path() / "io");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Errc::unsupported);
    EXPECT_NE(missing.error().message.find("PSI"), std::string::npos) << missing.error().message;
    root.write("io", "some avg10=0.00\n");
    EXPECT_EQ(read_pressure(root.path() / "io").error().code, Errc::corrupt);
}

}  // namespace
}  // namespace crucible::lab
