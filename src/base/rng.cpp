#include "base/rng.h"

#include <bit>
#include <cmath>

namespace crucible::base {
namespace {

std::uint64_t splitmix64(std::uint64_t& state) noexcept {
    state += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

}  // namespace

Rng::Rng(std::uint64_t seed) noexcept : state_{} {
    for (auto& word : state_) word = splitmix64(seed);
}

Rng Rng::at(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) noexcept {
    std::uint64_t state = seed;
    const std::uint64_t a = splitmix64(state);
    state ^= stream * 0xd1342543de82ef95u;
    const std::uint64_t b = splitmix64(state);
    state ^= index * 0xaf251af3b0f025b5u;
    const std::uint64_t c = splitmix64(state);
    return Rng(a ^ std::rotl(b, 21) ^ std::rotl(c, 42));
}

std::uint64_t Rng::next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

std::uint64_t Rng::below(std::uint64_t bound) noexcept {
    __extension__ using Wide = unsigned __int128;
    Wide product = static_cast<Wide>(next()) * bound;
    auto low = static_cast<std::uint64_t>(product);
    if (low < bound) {
        const std::uint64_t threshold = (0 - bound) % bound;
        while (low < threshold) {
            product = static_cast<Wide>(next()) * bound;
            low = static_cast<std::uint64_t>(product);
        }
    }
    return static_cast<std::uint64_t>(product >> 64);
}

double Rng::uniform() noexcept {
    return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

double Rng::exponential() noexcept {
    return -std::log1p(-uniform());
}

}  // namespace crucible::base
