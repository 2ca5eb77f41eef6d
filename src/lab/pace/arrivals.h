#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/rng.h"
#include "crucible/error.h"

namespace crucible::lab {

/// How events arrive around their mean rate. With n the number of events in a window, the index of
/// dispersion is variance(n) / mean(n).
struct Arrivals {
    enum class Kind : std::uint8_t {
        constant,  ///< equally spaced: index of dispersion 0 in long windows
        poisson,   ///< independent exponential gaps: 1
        on_off,    ///< Poisson while on, silence while off: `dispersion` in long windows
    };
    static constexpr double kDispersionMax = 10'000;
    static constexpr double kDutyMin = 0.01;
    static constexpr double kDutyMax = 0.99;

    Kind kind = Kind::constant;
    double dispersion = 0;  ///< on_off: above 1, at most kDispersionMax
    double duty = 0;        ///< on_off: share of time that is on, in [kDutyMin, kDutyMax]

    static constexpr Arrivals constant() noexcept { return {}; }
    static constexpr Arrivals poisson() noexcept { return {Kind::poisson, 0, 0}; }

    friend bool operator==(const Arrivals&, const Arrivals&) = default;
};

/// "constant", "poisson", "onoff:DISPERSION" or "onoff:DISPERSION,DUTY" (half of the time where no
/// duty is given). - Errc::invalid_argument: none of these.
Result<Arrivals> parse_arrivals(std::string_view text);
/// What parse_arrivals() reads back as an equal value.
std::string to_string(const Arrivals& arrivals);

/// The random gaps between arrivals of mean rate 1, one after the other. Times are made from them
/// by the integral of the rate, so that one seed gives the same pattern at every rate. Not for
/// constant arrivals, which need no random numbers.
///
/// on_off is the interrupted Poisson process: on and off phases of exponential lengths 1/s1 and
/// 1/s2, rate 1/duty while on. Its index of dispersion in windows of length t is
/// 1 + 2 s1 / (duty s^2) (1 - (1 - e^(-s t)) / (s t)) with s = s1 + s2, s1 = (1 - duty) s (Fischer
/// & Meier-Hellstern 1993, equation for the MMPP with one rate 0), hence s = 2 (1 - duty) / (duty
/// (dispersion - 1)).
class Gaps {
public:
    Gaps(const Arrivals& arrivals, std::uint64_t seed) noexcept;
    double next() noexcept;

private:
    bool on_off_;
    double mean_gap_ = 1;  ///< while on
    double mean_on_ = 0;
    double mean_off_ = 0;
    double on_left_ = 0;
    base::Rng random_;
};

}  // namespace crucible::lab
