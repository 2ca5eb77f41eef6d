#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "calibration/figure.h"
#include "crucible/error.h"

namespace crucible::bench {

struct RealCalibration {
    /// Where each comparison leaves its result. One that is there already is not run again, so that
    /// an interrupted calibration goes on.
    std::filesystem::path directory;
    std::uint32_t identical = 100;  ///< comparisons of daemon: with itself
    std::uint32_t planted = 20;     ///< of synthetic: with a service time 5 % longer, 60 s each
    std::uint64_t seed = 1;         ///< of the first comparison; the others have the next ones
};

/// Runs them with the `crucible` beside this program, one after the other, and counts what was
/// called different. Prints a line for each comparison and one for each figure.
/// - Errc::failed: a comparison ended without a result; the message says how.
/// - and the errors of reading and writing files.
Result<std::vector<Figure>> calibrate_on_this_machine(const RealCalibration& options);

}  // namespace crucible::bench
