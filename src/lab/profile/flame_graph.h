#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "lab/profile/symbolized_profile.h"

namespace crucible::lab {

/// What the colour of a frame says.
enum class FlameColour : std::uint8_t { module, owner };

/// How a flame graph is drawn.
struct FlameGraphOptions {
    std::string title;
    std::string subtitle;                      ///< under the title; may be empty
    bool icicle = false;                       ///< the root above, not below
    FlameColour colour = FlameColour::module;  ///< not of differential ones
};

/// One SVG file of the values of the kind `kind`: owners, and in them functions from the outermost
/// inwards, as wide as their values. In a browser it shows a frame's figures when the pointer is on
/// it, zooms and searches; elsewhere it is a picture. Frames that would be narrower than a tenth of
/// a pixel are left out, and it says how many. It loads nothing.
std::string write_flame_graph(const SymbolizedProfile& profile, std::size_t kind,
                              const FlameGraphOptions& options);

/// What is compared in a differential flame graph.
struct FlameComparison {
    const SymbolizedProfile& baseline;
    const SymbolizedProfile& candidate;
    std::size_t baseline_kind = 0;
    std::size_t candidate_kind = 0;
    /// Values are multiplied by these: 1 / events, where the two handled different numbers.
    double baseline_scale = 1;
    double candidate_scale = 1;
    std::string per;  ///< what a value is then for, "event"; may be empty
    /// Of the value of each of a profile's samples, of which all are independent; empty: they are
    /// exact.
    std::span<const double> baseline_variances = {};
    std::span<const double> candidate_variances = {};
};

/// The same of two profiles. Each frame is as wide as in the profile where it has more, so that
/// what one of them no longer has is seen too; red is what the candidate has more, blue what it has
/// less, the paler the nearer to equal. Where values have variances, frames have the colour of
/// equal ones unless their difference is beyond 1.96 of its standard errors, and it is told with
/// its 95 % interval.
std::string write_differential_flame_graph(const FlameComparison& comparison,
                                           const FlameGraphOptions& options);

}  // namespace crucible::lab
