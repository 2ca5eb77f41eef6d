#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace crucible::lab::stats {

/// Adjusted p-values, in the order given: reject where adjusted <= alpha. The first three bound the
/// chance of any false rejection by alpha, the last two the expected share of false ones among the
/// rejected.
enum class Adjustment : std::uint8_t {
    bonferroni,           ///< m p; however the tests depend on each other
    holm,                 ///< (1979) step-down; never weaker than bonferroni, as general
    hochberg,             ///< (1988) step-up; needs independent or positively dependent tests
    benjamini_hochberg,   ///< (1995) step-up; independent or positively dependent tests
    benjamini_yekutieli,  ///< (2001) step-up; however the tests depend on each other
};

/// Values in [0, 1].
std::vector<double> adjust(std::span<const double> p_values, Adjustment adjustment);

/// The e-BH procedure (Wang & Ramdas 2022): indices, ascending, of the k hypotheses with the
/// largest e-values, k the largest with e_(k) >= m / (k alpha). The expected share of false ones
/// among them is at most alpha however the e-values depend on each other. Values >= 0, infinity
/// allowed.
std::vector<std::size_t> e_benjamini_hochberg(std::span<const double> e_values, double alpha);

}  // namespace crucible::lab::stats
