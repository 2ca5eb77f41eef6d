#pragma once

#include <cstdint>
#include <string_view>

#include "base/rng.h"
#include "base/units.h"
#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::lab {

/// How events arrive around their mean rate.
enum class Arrivals : std::uint8_t {
    constant,  ///< equally spaced
    poisson,   ///< independent exponential gaps
};
Result<Arrivals> parse_arrivals(std::string_view name);
std::string_view to_string(Arrivals arrivals) noexcept;

/// When each event of an open-loop plan is due, from the start of the plan. The plan is global:
/// client k of N sends the indices k, k+N, k+2N, …, so that N changes who sends an event and never
/// when.
class Schedule {
public:
    Schedule(base::Rate rate, Arrivals arrivals, std::uint64_t seed);

    /// Due time of event `index`. A pure function of the constructor's arguments and the index.
    /// Poisson times are sums of gaps, so asking for rising indices is cheap and for an earlier one
    /// starts over.
    Duration due(std::uint64_t index);

private:
    base::Rate rate_;
    Arrivals arrivals_;
    std::uint64_t seed_;
    base::Rng gaps_;
    std::uint64_t next_index_ = 0;  ///< one above the index asked for last
    double gaps_sum_ = 0;           ///< of the gaps before next_index_, in mean gaps
};

}  // namespace crucible::lab
