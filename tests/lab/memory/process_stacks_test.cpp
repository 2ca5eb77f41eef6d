#include "lab/memory/process_stacks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "alloc/stack_file.h"
#include "base/file.h"

namespace crucible::lab {
namespace {

using alloc::StackFile;

/// A file of stacks, of which little is anything but zero.
class Written {
public:
    explicit Written(std::filesystem::path path) : path_(std::move(path)) {
        std::ofstream(path_).close();
        std::filesystem::resize_file(path_, sizeof(StackFile));
        file_.open(path_, std::ios::in | std::ios::out | std::ios::binary);
        put(offsetof(StackFile, version), alloc::kStacksVersion);
        put(offsetof(StackFile, bytes), std::uint64_t{sizeof(StackFile)});
        put(offsetof(StackFile, magic), alloc::kStacksMagic);
    }
    template <typename T>
    void put(std::size_t offset, const T& value) {
        file_.seekp(static_cast<std::streamoff>(offset));
        file_.write(reinterpret_cast<const char*>(&value), sizeof value);
        file_.flush();
    }
    void tally(std::uint32_t number, alloc::Tally tally) {
        put(offsetof(StackFile, tallies) + number * sizeof(alloc::Tally), tally);
        put(offsetof(StackFile, tallies_used), number + 1);
    }

private:
    std::filesystem::path path_;
    std::fstream file_;
};

// One stack on which two threads and, without a number of their own, others have allocated: what
// each has, and the rest, add up to what was counted.
TEST(ProcessProfile, TellsThreadsApart) {
    const auto directory = *base::TempDir::make("process-stacks");
    const auto path = directory.path() / "7-0.stacks";
    Written file(path);
    constexpr std::uint32_t kFirst = alloc::kOwnersMax;
    file.put(offsetof(StackFile, owners), std::array<char, 32>{"queue"});
    file.put(offsetof(StackFile, pcs), std::array<std::uint64_t, 2>{0x1000, 0x2000});
    file.put(offsetof(StackFile, pcs_used), 2U);
    file.put(offsetof(StackFile, stacks) + kFirst * sizeof(alloc::StackEntry),
             alloc::StackEntry{.frames = 2, .maps = alloc::kNone});
    file.put(offsetof(StackFile, stacks_used), kFirst + 1);
    file.tally(kFirst, {.stack = kFirst, .thread = 0, .allocations = 3, .bytes = 300});
    file.tally(kFirst + 1, {.stack = kFirst,
                            .thread = 1,
                            .allocations = 2,
                            .bytes = 80,
                            .freed = {.frees = 1, .bytes = 40}});
    file.tally(kFirst + 2, {.stack = kFirst, .thread = alloc::kNone, .allocations = 1, .bytes = 5});

    const auto reader = alloc::StacksReader::open(path);
    ASSERT_TRUE(reader) << reader.error().message;
    const std::vector<std::string> names{"worker"};
    const auto profile = process_profile(*reader, names);

    auto samples = profile.samples();
    std::ranges::sort(samples, {}, &StackSample::thread);
    const std::vector<std::uint64_t> stack{0x1000, 0x2000};
    const std::vector<StackSample> wanted{
        {stack, "queue", "", {1, 5, 1, 5, 0}},
        {stack, "queue", "thread 1", {2, 80, 1, 40, 0}},
        {stack, "queue", "worker", {3, 300, 3, 300, 0}},
    };
    EXPECT_EQ(samples, wanted);
    EXPECT_EQ(profile.kinds(), allocation_kinds());
    EXPECT_EQ(profile.capture().period, 1);
}

}  // namespace
}  // namespace crucible::lab
