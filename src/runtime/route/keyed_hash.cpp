#include "runtime/route/keyed_hash.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "base/assert.h"

namespace crucible::runtime {
namespace {

static_assert(std::endian::native == std::endian::little);

struct SipState {
    std::uint64_t v0;
    std::uint64_t v1;
    std::uint64_t v2;
    std::uint64_t v3;

    void round() noexcept {
        v0 += v1;
        v2 += v3;
        v1 = std::rotl(v1, 13) ^ v0;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 = std::rotl(v0, 32);
        v2 += v1;
        v0 += v3;
        v1 = std::rotl(v1, 17) ^ v2;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 = std::rotl(v2, 32);
    }

    void absorb(std::uint64_t word) noexcept {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }
};

}  // namespace

HashKey HashKey::random() {
    HashKey key;
    ssize_t got = 0;
    // So few bytes come whole; a signal can only come before the generator is ready, at boot.
    do {
        got = ::getrandom(&key, sizeof key, 0);
    } while (got < 0 && errno == EINTR);
    CRUCIBLE_ASSERT(got == sizeof key);
    return key;
}

std::uint64_t keyed_hash(const HashKey& key, const Uuid& id) noexcept {
    std::uint64_t words[2];
    std::memcpy(words, id.bytes.data(), sizeof words);
    SipState state{key.low ^ 0x736f6d6570736575u, key.high ^ 0x646f72616e646f6du,
                   key.low ^ 0x6c7967656e657261u, key.high ^ 0x7465646279746573u};
    state.absorb(words[0]);
    state.absorb(words[1]);
    state.absorb(std::uint64_t{16} << 56);  // the length; no bytes are left over
    state.v2 ^= 0xff;
    for (int i = 0; i < 4; ++i) state.round();
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace crucible::runtime
