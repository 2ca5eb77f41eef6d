#include "runtime/daemon/shared_rings.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

namespace crucible::runtime {
namespace {

constexpr std::size_t kRingBytes = SharedRings::kRingBytesMin;
constexpr off_t kFileBytes = 4096 + 2 * kRingBytes;

base::UniqueFd memory_file(off_t bytes, int seals) {
    base::UniqueFd file(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::ftruncate(file.get(), bytes), 0);
    if (seals != 0) {
        EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, seals), 0);
    }
    return file;
}

std::string refusal_of(const base::UniqueFd& file) {
    const auto opened = SharedRings::open(file);
    if (opened) return "";
    EXPECT_EQ(opened.error().code, Errc::corrupt);
    return opened.error().message;
}

TEST(SharedRings, AreTheSameForBothEnds) {
    const auto made = SharedRings::make(kRingBytes);
    ASSERT_TRUE(made) << made.error().message;
    const auto opened = SharedRings::open(made->second);
    ASSERT_TRUE(opened) << opened.error().message;
    const auto ours = made->first.to_daemon();
    const auto theirs = opened->to_daemon();
    ASSERT_EQ(ours.data.size(), kRingBytes);
    ASSERT_EQ(theirs.data.size(), kRingBytes);
    ours.header.written.store(7);
    ours.data.back() = std::byte{1};
    made->first.to_client().data.front() = std::byte{2};
    EXPECT_EQ(theirs.header.written.load(), 7u);
    EXPECT_EQ(theirs.data.back(), std::byte{1});
    EXPECT_EQ(opened->to_client().data.front(), std::byte{2});
    EXPECT_EQ(opened->to_client().header.written.load(), 0u);
}

// What goes over a ring's end is at its beginning, at both ends and in both rings.
TEST(SharedRings, GoOnBehindTheirEnd) {
    const auto made = SharedRings::make(kRingBytes);
    ASSERT_TRUE(made);
    for (const auto& ring : {made->first.to_daemon(), made->first.to_client()}) {
        ring.data.data()[kRingBytes + 1] = std::byte{3};
        EXPECT_EQ(ring.data[1], std::byte{3});
        ring.data.back() = std::byte{4};
        EXPECT_EQ(ring.data.data()[2 * kRingBytes - 1], std::byte{4});
    }
    made->first.to_daemon().data.front() = std::byte{5};
    EXPECT_EQ(made->first.to_client().data.front(), std::byte{0});
}

TEST(SharedRings, CanNotBeMadeShorter) {
    const auto made = SharedRings::make(kRingBytes);
    ASSERT_TRUE(made);
    EXPECT_NE(::ftruncate(made->second.get(), 0), 0);
    EXPECT_NE(::ftruncate(made->second.get(), 2 * kFileBytes), 0);
}

// Whoever made it could shrink it later, and touching it would kill us.
TEST(SharedRings, AreRefusedUnsealed) {
    const std::string unsealed = "shared memory: its size is not sealed";
    EXPECT_EQ(refusal_of(memory_file(kFileBytes, 0)), unsealed);
    EXPECT_EQ(refusal_of(memory_file(kFileBytes, F_SEAL_GROW | F_SEAL_SEAL)), unsealed);
    EXPECT_EQ(refusal_of(memory_file(kFileBytes, F_SEAL_SHRINK | F_SEAL_SEAL)), unsealed);
    const auto directory = base::TempDir::make("rings");
    ASSERT_TRUE(directory);
    const base::UniqueFd file(
        ::open((directory->path() / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::ftruncate(file.get(), kFileBytes), 0);
    EXPECT_EQ(refusal_of(file), unsealed) << "a file on disk";
}

TEST(SharedRings, AreRefusedInAnyOtherSize) {
    constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    EXPECT_EQ(refusal_of(memory_file(kFileBytes, seals)), "");
    EXPECT_EQ(refusal_of(memory_file(100, seals)),
              "shared memory: 100 bytes are not those of two rings");
    for (const off_t bytes : {off_t{0}, kFileBytes - 1, kFileBytes + 1, kFileBytes - 4096,
                              kFileBytes + 4096, off_t{4096 + 2 * 32'768}, off_t{1} << 40})
        EXPECT_NE(refusal_of(memory_file(bytes, seals)), "") << bytes;
}

}  // namespace
}  // namespace crucible::runtime
