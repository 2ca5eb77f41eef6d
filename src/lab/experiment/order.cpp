#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/rng.h"
#include "lab/experiment/experiment.h"

namespace crucible::lab {
namespace {

/// Streams of the experiment's seed, kept apart so that order and events are independent.
constexpr std::uint64_t kOrderStream = 0x6f72646572;   // "order"
constexpr std::uint64_t kEventsStream = 0x6576656e74;  // "event"

template <std::size_t N>
void shuffle(std::array<std::size_t, N>& items, base::Rng& rng) {
    for (std::size_t i = N; i > 1; --i) {
        std::swap(items[i - 1], items[static_cast<std::size_t>(rng.below(i))]);
    }
}

}  // namespace

std::string_view to_string(Arm arm) noexcept {
    switch (arm) {
        case Arm::baseline:
            return "baseline";
        case Arm::control:
            return "control";
        case Arm::candidate:
            return "candidate";
        case Arm::harness:
            return "harness";
    }
    return "unknown";
}

std::uint64_t round_seed(std::uint64_t seed, std::size_t scenario, std::uint32_t round) noexcept {
    return base::Rng::at(seed, kEventsStream + scenario, round).next();
}

std::vector<Arm> arm_order(std::uint64_t seed, std::size_t scenario, std::uint32_t round) {
    // Each row is a round; every arm follows every other exactly once over the four rows.
    constexpr std::size_t kSquare[kArmCount][kArmCount] = {
        {0, 1, 3, 2}, {1, 2, 0, 3}, {2, 3, 1, 0}, {3, 0, 2, 1}};
    auto rng = base::Rng::at(seed, kOrderStream + scenario, round / kArmCount);
    std::array<std::size_t, kArmCount> arms{0, 1, 2, 3};
    std::array<std::size_t, kArmCount> rows{0, 1, 2, 3};
    shuffle(arms, rng);
    shuffle(rows, rng);
    std::vector<Arm> order;
    for (const std::size_t place : kSquare[rows[round % kArmCount]]) {
        order.push_back(static_cast<Arm>(arms[place]));
    }
    return order;
}

bool Round::valid() const {
    return std::ranges::all_of(arms, &ArmResult::valid);
}

}  // namespace crucible::lab
