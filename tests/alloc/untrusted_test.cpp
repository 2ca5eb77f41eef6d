// Files of processes that are wrong, or mean harm: what is checked may be another thing when it is
// used. What can be wrong and stands still is fuzz/alloc's.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "alloc/stack_file.h"
#include "alloc/stacks.h"
#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

/// A file of that type, all zero, that this process may write.
template <class File>
struct WrittenFile {
    base::TempDir directory = region_directory();
    std::filesystem::path path = directory.path() / "1-0.alloc";
    File* content = nullptr;

    WrittenFile() {
        const base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        EXPECT_EQ(::ftruncate(file.get(), sizeof(File)), 0);
        void* const memory =
            ::mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
        EXPECT_NE(memory, MAP_FAILED);
        content = static_cast<File*>(memory);
    }
    WrittenFile(const WrittenFile&) = delete;
    WrittenFile& operator=(const WrittenFile&) = delete;
    ~WrittenFile() { ::munmap(content, sizeof(File)); }
};

/// Writes each word's value and the largest number in turn, while this lives.
class Flickering {
public:
    explicit Flickering(std::vector<std::uint32_t*> words)
        : thread_([this, words] {
              std::vector<std::uint32_t> good;
              for (const auto* word : words) good.push_back(*word);
              while (!stop_.load()) {
                  for (auto* word : words) __atomic_store_n(word, ~0U, __ATOMIC_RELAXED);
                  for (std::size_t i = 0; i < words.size(); ++i)
                      __atomic_store_n(words[i], good[i], __ATOMIC_RELAXED);
              }
          }) {}
    ~Flickering() {
        stop_.store(true);
        thread_.join();
    }

private:
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

TEST(Untrusted, NumbersOfARegionThatChangeBetweenCheckAndUse) {
    const WrittenFile<Region> file;
    Region& region = *file.content;
    region.version = kFormatVersion;
    region.bytes = sizeof(Region);
    region.owners_used = 2;
    region.threads_used = 1;
    region.rows_used = 1;
    region.rows[0].owner = 1;
    region.rows[0].cells[3].allocations = 5;
    region.magic = kMagic;
    const auto reader = RegionReader::open(file.path);
    ASSERT_TRUE(reader) << reader.error().message;
    const Flickering flickering({&region.rows[0].owner, &region.rows[0].thread});
    for (int i = 0; i < 50'000; ++i) ASSERT_EQ(reader->read().total.allocations, 5U);
}

TEST(Untrusted, NumbersOfStacksThatChangeBetweenCheckAndUse) {
    const WrittenFile<StackFile> file;
    StackFile& stacks = *file.content;
    stacks.version = kStacksVersion;
    stacks.bytes = sizeof(StackFile);
    stacks.stacks_used = kOwnersMax + 1;
    stacks.tallies_used = 1;
    stacks.pcs_used = 2;
    stacks.stacks[kOwnersMax].frames = 2;
    stacks.tallies[0].stack = kOwnersMax;
    stacks.tallies[0].allocations = 5;
    stacks.magic = kStacksMagic;
    const auto reader = StacksReader::open(file.path);
    ASSERT_TRUE(reader) << reader.error().message;
    StackEntry& entry = stacks.stacks[kOwnersMax];
    const Flickering flickering(
        {&stacks.tallies[0].stack, &entry.owner, &entry.first_pc, &entry.frames, &entry.maps});
    for (int i = 0; i < 5'000; ++i) {
        const StackSnapshot snapshot = reader->read();
        for (const auto& stack : snapshot.stacks) ASSERT_LE(stack.pcs.size(), kFramesMax);
    }
}

// As many of everything as a number can say.
TEST(Untrusted, MoreThanThereIsRoomFor) {
    const WrittenFile<Region> file;
    Region& region = *file.content;
    region.version = kFormatVersion;
    region.bytes = sizeof(Region);
    region.owners_used = region.threads_used = region.rows_used = ~0U;
    region.rows[kRowsMax - 1].cells[3].allocations = 5;
    region.magic = kMagic;
    const Snapshot snapshot = read_region(file.path);
    EXPECT_EQ(snapshot.owners.size(), kOwnersMax);
    EXPECT_EQ(snapshot.threads.size(), kThreadsMax);
    EXPECT_EQ(snapshot.total.allocations, 5U);

    const WrittenFile<StackFile> other;
    StackFile& stacks = *other.content;
    stacks.version = kStacksVersion;
    stacks.bytes = sizeof(StackFile);
    stacks.stacks_used = stacks.tallies_used = stacks.pcs_used = stacks.maps_used = ~0U;
    stacks.raw_used = ~std::uint64_t{0};
    stacks.stacks[kStacksMax - 1].frames = ~0U;
    stacks.stacks[kStacksMax - 1].first_pc = kPcsMax - 3;
    stacks.stacks[kStacksMax - 1].raw = (kRawPoolBytes - sizeof(RawStack)) / 16;
    stacks.tallies[kTalliesMax - 1].stack = kStacksMax - 1;
    stacks.tallies[kTalliesMax - 1].allocations = 5;
    for (auto& maps : stacks.maps) maps.bytes = kMapsBytes;
    stacks.magic = kStacksMagic;
    const auto reader = StacksReader::open(other.path);
    ASSERT_TRUE(reader) << reader.error().message;
    const StackSnapshot read = reader->read();
    ASSERT_EQ(read.stacks.size(), 1U);
    EXPECT_EQ(read.stacks[0].pcs.size(), 3U);
    EXPECT_EQ(read.stacks[0].counts.allocations, 5U);
    EXPECT_TRUE(reader->memory(*read.stacks[0].raw)->bytes.empty());
    EXPECT_FALSE(reader->memory(*read.stacks[0].raw + 1));
    std::size_t maps_bytes = 0;
    for (const auto& text : read.maps) maps_bytes += text.size();
    EXPECT_EQ(maps_bytes, kMapsBytes);
}

// Opening one to read waits for somebody who writes, otherwise.
TEST(Untrusted, APipeInTheFilesPlace) {
    const auto directory = region_directory();
    const auto path = directory.path() / "1-0.alloc";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    const auto region = RegionReader::open(path);
    ASSERT_FALSE(region);
    EXPECT_EQ(region.error().message, path.string() + ": not an allocation region");
    const auto stacks = StacksReader::open(path);
    ASSERT_FALSE(stacks);
    EXPECT_EQ(stacks.error().message, path.string() + ": not a file of stacks");
}

}  // namespace
}  // namespace crucible::alloc
