#include "base/realtime.h"

#include <gtest/gtest.h>

#include <chrono>

namespace crucible::base {
namespace {

using namespace std::chrono_literals;

// A file stands for the kernel's: most machines let only root have the real one.
TEST(KeptAwake, AsksForNoWakeUpLatencyAtAll) {
    const auto directory = TempDir::make("awake");
    ASSERT_TRUE(directory);
    const auto file = directory->path() / "cpu_dma_latency";
    ASSERT_TRUE(write_file(file, ""));
    EXPECT_EQ(idle_latency_limit(file), std::nullopt);
    const auto awake = KeptAwake::begin(file);
    ASSERT_TRUE(awake) << awake.error().message;
    EXPECT_EQ(read_file(file), std::string(4, '\0'));
    EXPECT_EQ(idle_latency_limit(file), 0us);
}

TEST(KeptAwake, TheKernelsOwnDefaultIsNoLimit) {
    const auto directory = TempDir::make("awake");
    ASSERT_TRUE(directory);
    const auto file = directory->path() / "cpu_dma_latency";
    ASSERT_TRUE(write_file(file, std::string("\x00\x94\x35\x77", 4)));  // 2,000,000,000
    EXPECT_EQ(idle_latency_limit(file), std::nullopt);
    ASSERT_TRUE(write_file(file, std::string("\x46\x00\x00\x00", 4)));
    EXPECT_EQ(idle_latency_limit(file), 70us);
}

TEST(KeptAwake, WhereThereIsNoneNamesTheFile) {
    const auto awake = KeptAwake::begin("/no/such/file");
    ASSERT_FALSE(awake);
    EXPECT_EQ(awake.error().code, Errc::not_found);
    EXPECT_TRUE(awake.error().message.starts_with("/no/such/file: ")) << awake.error().message;
}

}  // namespace
}  // namespace crucible::base
