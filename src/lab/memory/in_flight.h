#pragma once

#include <cstdint>
#include <string>

#include "lab/memory/memory_figures.h"
#include "lab/run/plan.h"

namespace crucible::lab {

// What events take while they are in flight, by bursts: peaks last since a process began, and hold
// what is there without any event as well, so that only the growth of a peak says something of
// events.

/// How many events are sent at once, by all clients together; as many in all.
struct InFlightSizes {
    std::uint32_t few = 512;
    std::uint32_t many = 2048;  ///< a whole multiple of `few`, at least twice
};
inline constexpr std::uint32_t kInFlightMax = 32'768;

enum class Burst : std::uint8_t { few, many };

/// `plan` with bursts in the place of its phases, each of which begins when all events of the one
/// before have ended: one of `many`, or as many of `few` as take the same number of events. Shares
/// that clients cannot have evenly are rounded down, to one event at least.
Plan burst_plan(const Plan& plan, const InFlightSizes& sizes, Burst burst);

/// What a trial of such a plan came to.
struct InFlightFigures {
    MemoryFigures figures;  ///< of its last phase: with the peaks of all
    double most = 0;        ///< events in flight: of each client, summed
    /// Why nothing follows from it: events were refused, lost, or not sent in time; or a process
    /// had run before, whose peak lasts since then.
    std::string unfit;
};
/// No value where no process of the system was watched.
std::optional<InFlightFigures> in_flight_figures(const MemoryTrial& trial);

/// Fills in `peak_per_event` of all owners, and of their total: the difference of the peaks over
/// that of the events in flight. The total's peaks are of processes, so that owners' do not add up
/// to it. Where events did not pile up it says so instead.
void add_peaks(MemoryFigures& to, const InFlightFigures& few, const InFlightFigures& many);

}  // namespace crucible::lab
