#include "runtime/route/keyed_hash.h"

#include <gtest/gtest.h>

#include <set>

namespace crucible::runtime {
namespace {

Uuid counting() {
    Uuid id;
    for (std::uint8_t i = 0; i < 16; ++i) id.bytes[i] = i;
    return id;
}

// The 17th of the 64 vectors that its authors publish (key 00 01 … 0f, message 00 01 … 0f), read as
// a little-endian number; and one more of OpenSSL's implementation.
TEST(KeyedHash, IsSipHash) {
    EXPECT_EQ(keyed_hash({0x0706050403020100u, 0x0f0e0d0c0b0a0908u}, counting()),
              0x3f2acc7f57c29bdbu);
    EXPECT_EQ(keyed_hash({0x8899aabbccddeeffu, 0x0011223344556677u}, counting()),
              0xdc9f5b333db98c55u);
}

// A key that could be guessed would be none.
TEST(KeyedHash, HasAnotherKeyEachTime) {
    std::set<std::uint64_t> halves;
    for (int i = 0; i < 4; ++i) {
        const auto key = HashKey::random();
        halves.insert(key.low);
        halves.insert(key.high);
    }
    EXPECT_EQ(halves.size(), 8u);
}

}  // namespace
}  // namespace crucible::runtime
