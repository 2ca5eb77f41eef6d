#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lab/run/plan.h"

namespace crucible::lab {

/// How long each of `count` iterations is, in their mean: drawn from 1/2 to 3/2, one from each of
/// `count` equal parts of that, in random order. So they hardly differ in sum from `count`. What is
/// flushed every so many events would keep step with equal ones, and look like a leak.
std::vector<double> iteration_lengths(std::size_t count, std::uint64_t seed);

/// The phases of one iteration so many times, each time as long, with their warm-up, as
/// iteration_lengths() says.
/// - Errc::invalid_argument: a pattern would be longer than patterns may be.
Result<std::vector<Phase>> unequal_iterations(std::span<const Phase> once, std::size_t count,
                                              std::uint64_t seed);

}  // namespace crucible::lab
