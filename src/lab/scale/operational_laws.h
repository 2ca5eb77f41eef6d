#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace crucible::lab::scale {

// Operational laws (Denning and Buzen 1978): what the figures of one measurement must be to each
// other, whatever the distributions. A law that is broken is a measurement that is wrong, or a
// figure that is of something else than its name says.

enum class OperationalLaw : std::uint8_t {
    utilization,       ///< busy time / time = throughput * service time (per server)
    littles,           ///< population = throughput * (response time + think time)
    bottleneck,        ///< throughput <= servers / service time
    population_bound,  ///< throughput <= population / (service times + think time)
    response_bound,    ///< response time >= service times
};
std::string_view to_string(OperationalLaw law) noexcept;

struct LawCheck {
    OperationalLaw law = OperationalLaw::utilization;
    double expected = 0;   ///< by the law, from the other figures
    double observed = 0;   ///< measured
    double gap = 0;        ///< observed / expected - 1
    double tolerance = 0;  ///< largest |gap|; of a bound: largest gap to the wrong side
    bool bound = false;    ///< an inequality: only one side breaks it
    bool holds = true;
};

/// What was measured at one load over one stretch of time. Whatever was not is none, and the laws
/// that need it are not checked.
struct Operation {
    double seconds = 0;                         ///< > 0
    double completions = 0;                     ///< > 0
    double servers = 1;                         ///< workers of the busiest resource, >= 1
    std::optional<double> busy_seconds;         ///< of those, summed over them
    std::optional<double> service_seconds;      ///< per completion there, measured on its own
    std::optional<double> all_service_seconds;  ///< per completion, of every resource passed
    std::optional<double> population;           ///< > 0, present on average, thinking ones too
    double population_error = 0;                ///< half width of its interval, where sampled
    std::optional<double> response_seconds;     ///< mean, from arrival to completion
    double think_seconds = 0;                   ///< mean, of closed loops; 0 in an open one
};

/// Every law whose figures there are, in the order of OperationalLaw. `tolerance` is relative, in
/// (0, 1); those of `population` are wider by its error.
std::vector<LawCheck> check_laws(const Operation& operation, double tolerance);

}  // namespace crucible::lab::scale
