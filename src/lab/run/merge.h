#pragma once

#include <cstdint>
#include <vector>

#include "lab/run/trial.h"

namespace crucible::lab {

/// Whether an open-loop phase asked for more than the system could do, with the figures behind it.
///
/// Saturated: of the events due in the window, fewer than 97 % were handled in it; and the backlog
/// grew for as long as the window lasted. For the latter the samples of the backlog, all clients
/// together, are averaged over each third of the window: their growth, extrapolated from the
/// thirds' centres to the whole window (1.5 times the last minus the first), explains at least half
/// of the shortfall, and at least a quarter of it has happened by the middle third. A single stall
/// late in the window has no growth by the middle; one early has been worked off by the end;
/// rejecting what is too much keeps the backlog short, and shows as an error rate instead. With
/// fewer than six samples nothing can be said, and the answer is no.
struct Saturation {
    bool saturated = false;
    bool judged = false;  ///< open loop, and enough samples
    std::uint64_t due = 0;
    std::uint64_t completed = 0;
    double first_third = 0;  ///< mean backlog, events
    double middle_third = 0;
    double last_third = 0;
};
Saturation judge_saturation(const Phase& phase, const std::vector<ClientPhase>& clients);

/// The backlog of all clients together, events, in every kBacklogInterval of the window of all of
/// them: the sum of samples that each takes at moments of its own.
std::vector<double> backlog_in_window(const std::vector<ClientPhase>& clients);

/// Adds up what the clients measured. `usage` is the caller's to fill.
PhaseResult merge_phase(const Phase& phase, std::vector<ClientPhase> clients);

}  // namespace crucible::lab
