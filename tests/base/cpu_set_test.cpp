#include "base/cpu_set.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/process.h"

namespace crucible::base {
namespace {

TEST(CpuSet, ReadsLists) {
    const auto one = CpuSet::parse("0");
    ASSERT_TRUE(one) << one.error().message;
    EXPECT_TRUE(CPU_ISSET(0, &one->mask()));
    EXPECT_EQ(CPU_COUNT(&one->mask()), 1);
    EXPECT_TRUE(CpuSet::parse("0-0,0"));
    EXPECT_TRUE(CpuSet().empty());
    for (const auto* text : {"", "a", "0-", "1-0", "-1", "0;1", "0x"}) {
        const auto wrong = CpuSet::parse(text);
        ASSERT_FALSE(wrong) << text;
        EXPECT_NE(wrong.error().message.find("e.g. 0 or 0-1,3"), std::string::npos);
    }
    EXPECT_EQ(CpuSet::parse("1023").error().message,
              "processors '1023': there is no processor 1023 for this process");
}

TEST(CpuSet, KeepsAThreadAndWhatItStartsInPlace) {
    std::jthread([] {
        ASSERT_TRUE(pin_thread(*CpuSet::parse("0")));
        cpu_set_t mask;
        ASSERT_EQ(::sched_getaffinity(0, sizeof mask, &mask), 0);
        EXPECT_EQ(CPU_COUNT(&mask), 1);
    }).join();
    auto child = Process::start(
        {.arguments = {"/bin/sh", "-c", "grep -qx 'Cpus_allowed_list:.0' /proc/self/status"},
         .cpus = *CpuSet::parse("0")});
    ASSERT_TRUE(child) << child.error().message;
    EXPECT_EQ(child->wait(std::chrono::seconds(60))->exit_code, 0);
}

}  // namespace
}  // namespace crucible::base
