#pragma once

#include <cstdint>

#include "base/rng.h"

namespace crucible::lab {

/// Shares of events to which something happens, each in [0, 1].
struct Planted {
    double errors = 0;      ///< ends as failed
    double loss = 0;        ///< never ends
    double duplicates = 0;  ///< ends twice
    double reorder = 0;     ///< ends behind the next one
    std::uint64_t seed = 1;
};

/// What happens to one event: at most one of these, in this order.
enum class Fate : std::uint8_t { handled, failed, lost, duplicated, delayed };

/// Decided by the arguments alone, so that tests and reports can count what must be found.
inline Fate fate_of(const Planted& planted, std::uint32_t client, std::uint64_t token) noexcept {
    constexpr std::uint64_t kStream = 102;
    double draw = base::Rng::at(planted.seed, kStream + client, token).uniform();
    if (draw < planted.errors) return Fate::failed;
    draw -= planted.errors;
    if (draw < planted.loss) return Fate::lost;
    draw -= planted.loss;
    if (draw < planted.duplicates) return Fate::duplicated;
    draw -= planted.duplicates;
    return draw < planted.reorder ? Fate::delayed : Fate::handled;
}

}  // namespace crucible::lab
