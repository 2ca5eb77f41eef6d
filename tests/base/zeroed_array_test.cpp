#include "base/zeroed_array.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace crucible::base {
namespace {

/// Pages of this process that are in memory.
std::size_t resident_pages() {
    std::ifstream file("/proc/self/statm");
    std::size_t size = 0;
    std::size_t resident = 0;
    file >> size >> resident;
    return resident;
}

TEST(ZeroedArray, IsZeroAndKeepsWhatIsWritten) {
    ZeroedArray<std::uint32_t> array(1000);
    EXPECT_EQ(array.size(), 1000u);
    for (std::size_t i = 0; i < array.size(); ++i) ASSERT_EQ(array[i], 0u);
    array[999] = 7;
    EXPECT_EQ(array[999], 7u);
    EXPECT_EQ(ZeroedArray<std::uint32_t>(0).size(), 0u);
}

// What it is for: 256 MiB of which nothing is written cost nothing; what is read stays shared.
TEST(ZeroedArray, TakesNoMemoryUntilItIsWritten) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "sanitizers keep books on every byte";
#endif
    const std::size_t before = resident_pages();
    ZeroedArray<std::uint64_t> array(std::size_t{32} << 20);
    const std::size_t made = resident_pages();
    for (std::size_t i = 0; i < 1024; ++i) array[i * 512] = 1;
    const std::size_t written = resident_pages();

    EXPECT_LT(made, before + 512);
    EXPECT_GE(written, made + 1000);
}

}  // namespace
}  // namespace crucible::base
