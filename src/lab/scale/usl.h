#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "lab/stats/interval.h"
#include "lab/stats/scalability.h"

namespace crucible::lab::scale {

/// Throughput at a load: clients, workers, services. Both > 0.
struct CurvePoint {
    double load = 0;
    double throughput = 0;
    std::uint32_t round = 0;  ///< points of one round share noise
};

/// How residuals count.
enum class Weighting : std::uint8_t {
    equal,  ///< noise is the same everywhere
    /// Noise is a share of the throughput, as measured curves have it: 1 / (mean throughput at the
    /// load)^2. With each value's own square large ones would count less, and the law be too low.
    relative,
};

/// What Wald and Wolfowitz's runs say of the residuals, of several rounds without what each round
/// shares: signs that stay for long are a curve that does not follow the law.
struct ResidualRuns {
    std::size_t runs = 0;
    std::size_t above = 0;  ///< residuals above the curve
    std::size_t below = 0;
    double p_few = 1;  ///< probability of so few runs or fewer by chance, exact
};

/// What the law, fitted to the lower loads, says of the highest ones.
struct HoldOut {
    std::size_t held_out = 0;  ///< the highest loads, a quarter of them, with all their points
    /// Largest |predicted / measured - 1| of a load's median; infinite without a fit.
    double worst_error = 0;
    bool passed = false;  ///< it is within kTolerance
    static constexpr double kTolerance = 0.1;
};

/// The Universal Scalability Law (Gunther 2007) through measured points.
struct UslFit {
    stats::ScalabilityFit law;
    Weighting weighting = Weighting::relative;
    double level = 0.95;
    std::size_t points = 0;
    double load_max = 0;  ///< highest measured
    /// Of all intervals. Rounds are independent of each other and the points of one are not: with
    /// two rounds or more, rounds - 1, and the spread is that of the jackknife over rounds (Tukey
    /// 1958; MacKinnon, Nielsen and Webb 2023). Of one round, or where there is no fit without one
    /// of them, points - 3 and the spread of the residuals: what a round shares is not in that.
    std::size_t degrees_of_freedom = 0;
    /// Student's, cut at 0. They come from the fit without the bound at 0, so that a parameter on
    /// its bound has one too.
    stats::Interval gamma;
    stats::Interval alpha;
    stats::Interval beta;
    /// Load of the highest throughput; none where it does not fall (Amdahl's law), 1 where it falls
    /// from one on. Its interval is Fieller's (1954), of (1 - alpha) / beta; without an upper end:
    /// infinity.
    std::optional<double> peak;
    stats::Interval peak_interval;
    /// The most throughput there is: at the peak, or gamma / alpha where there is none; none for a
    /// line. Its interval allows for every beta >= 0 that is not excluded; without an upper end:
    /// infinity.
    std::optional<double> limit;
    stats::Interval limit_interval;
    ResidualRuns runs;
    /// None below kHoldOutLoadsMin different loads.
    std::optional<HoldOut> hold_out;

    /// Two do less than one: the slope at N = 1 is gamma (1 - alpha - beta).
    bool falls_from_one() const noexcept { return law.alpha + law.beta > 1; }
    /// More load never does less.
    bool amdahl() const noexcept { return law.beta == 0 && !falls_from_one(); }
    /// Student's factor of the intervals.
    double student() const;
    /// Of the curve at `load` > 0, by the delta method.
    stats::Interval curve_interval(double load) const;

    /// Covariance of gamma, alpha, beta in the fit that the intervals are from, and their values
    /// there.
    std::array<std::array<double, 3>, 3> covariance{};
    std::array<double, 3> centre{};
    /// How gamma and alpha of the least squares move for each unit of beta.
    std::array<double, 2> along_beta{};
    /// How far the centre moves without each of the rounds, in their order; of which the covariance
    /// is. None where it is that of the residuals.
    std::vector<std::array<double, 3>> left_out;
};

/// Fewest points and different loads that three parameters and their intervals take.
inline constexpr std::size_t kUslPointsMin = 4;
inline constexpr std::size_t kUslLoadsMin = 3;
/// Fewest different loads of which a quarter can be held out: several points of one load are no
/// check of another one.
inline constexpr std::size_t kHoldOutLoadsMin = 6;
bool enough_for_usl(std::span<const CurvePoint> points);
/// How many different loads `points` have.
std::size_t count_loads(std::span<const CurvePoint> points);

/// nullopt where the points are not enough_for_usl(), or the search does not converge.
std::optional<UslFit> fit_usl(std::span<const CurvePoint> points, Weighting weighting,
                              double level);

/// Signs in the order of load; zero counts as neither. p_few is 1 without both signs.
ResidualRuns residual_runs(std::span<const double> residuals);

}  // namespace crucible::lab::scale
