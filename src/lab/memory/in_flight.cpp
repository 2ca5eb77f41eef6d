#include "lab/memory/in_flight.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// Enough to send a burst; what remains of it is spent waiting.
constexpr Duration kSending = 400ms;
/// No place is taken twice.
constexpr Duration kNever = 1h;
/// A system of some hundred events a second is still measured.
constexpr Duration kDrainMin = 60s;
/// Below it a difference of peaks is of anything but events.
constexpr double kGrowthMin = 1.5;

std::uint64_t planned(const TrialResult& trial) {
    std::uint64_t events = 0;
    for (const auto& phase : trial.phases)
        events += std::uint64_t{phase.phase.window} * phase.clients.size();
    return events;
}

OwnerFigures& owner_like(MemoryFigures& figures, const OwnerFigures& owner) {
    const auto found = std::ranges::find_if(figures.owners, [&owner](const OwnerFigures& one) {
        return one.place == owner.place && one.owner == owner.owner;
    });
    if (found != figures.owners.end()) return *found;
    return figures.owners.emplace_back(OwnerFigures{.place = owner.place, .owner = owner.owner});
}

}  // namespace

Plan burst_plan(const Plan& plan, const InFlightSizes& sizes, Burst burst) {
    const std::uint32_t few = std::max(sizes.few / plan.clients, 1U);
    const std::uint32_t times = sizes.many / sizes.few;
    const bool at_once = burst == Burst::many;
    Phase phase{.name = "burst",
                .pattern = {},
                .closed_duration = kSending,
                .window = at_once ? few * times : few,
                .think = kNever};
    Plan bursts = plan;
    bursts.phases.assign(at_once ? 1 : times, phase);
    bursts.drain_limit = std::max(plan.drain_limit, kDrainMin);
    return bursts;
}

std::optional<InFlightFigures> in_flight_figures(const MemoryTrial& trial) {
    if (trial.trial.phases.empty()) return std::nullopt;
    auto figures = memory_figures(trial, trial.trial.phases.size() - 1);
    if (!figures) return std::nullopt;
    InFlightFigures result{.figures = *std::move(figures), .most = 0, .unfit = {}};
    const auto before = std::ranges::find_if(trial.processes, [&trial](const auto& process) {
        return process.ran_before && is_measured(trial, process);
    });
    Delivery all;
    for (const auto& phase : trial.trial.phases) {
        all += phase.delivery;
        std::uint64_t most = 0;
        for (const auto& client : phase.clients) most += client.in_flight_max;
        result.most = std::max(result.most, static_cast<double>(most));
    }
    const auto asked = planned(trial.trial);
    if (all.sent != asked) {
        result.unfit = fmt::format("in bursts {} events were sent, and not {}", all.sent, asked);
    } else if (all.rejected + all.lost > 0) {
        result.unfit = fmt::format("in bursts {} of {} events were rejected or lost",
                                   all.rejected + all.lost, asked);
    } else if (!result.figures.conserved.passed) {
        result.unfit = result.figures.conserved.detail;
    } else if (before != trial.processes.end()) {
        // The large burst of another trial, for one.
        result.unfit = fmt::format(
            "process {} ran before the bursts did: how high its peak was in them is not known",
            before->pid);
    }
    return result;
}

void add_peaks(MemoryFigures& to, const InFlightFigures& few, const InFlightFigures& many) {
    to.few_in_flight = few.most;
    to.many_in_flight = many.most;
    to.why_no_peaks = few.unfit.empty() ? many.unfit : few.unfit;
    if (!to.why_no_peaks.empty()) return;
    if (many.most < kGrowthMin * few.most) {
        to.why_no_peaks = fmt::format(
            "events did not pile up: at most {:.0f} were in flight in small bursts, and {:.0f} in "
            "a large one",
            few.most, many.most);
        return;
    }
    // Whole bytes as long as they are added: what does not grow is zero. Each owner's by its own
    // peak, and the total by the processes'.
    for (const auto& owner : few.figures.owners)
        owner_like(to, owner).peak_per_event -= owner.peak_bytes;
    for (const auto& owner : many.figures.owners)
        owner_like(to, owner).peak_per_event += owner.peak_bytes;
    const double events = many.most - few.most;
    for (auto& owner : to.owners) owner.peak_per_event /= events;
    to.total.peak_per_event =
        (many.figures.total.peak_bytes - few.figures.total.peak_bytes) / events;
}

}  // namespace crucible::lab
