#include "lab/scale/bottleneck_evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "lab/run/checks.h"

namespace crucible::lab::scale {
namespace {

double offered_rate(const PhaseResult& phase) {
    const double seconds = std::chrono::duration<double>(phase.phase.duration()).count();
    return seconds > 0 ? static_cast<double>(phase.phase.events()) / seconds : 0;
}

}  // namespace

BottleneckEvidence bottleneck_evidence(const PhaseResult& phase, std::string limit) {
    BottleneckEvidence evidence;
    evidence.limit = std::move(limit);
    evidence.closed_loop = !phase.phase.open_loop();
    evidence.achieved = phase.throughput;
    evidence.offered = evidence.closed_loop ? phase.throughput : offered_rate(phase);
    const auto& delivery = phase.delivery;
    if (delivery.sent > 0)
        evidence.refused_share =
            static_cast<double>(delivery.rejected) / static_cast<double>(delivery.sent);
    if (delivery.planned > delivery.sent)
        evidence.unsent_share = static_cast<double>(delivery.planned - delivery.sent) /
                                static_cast<double>(delivery.planned);
    if (phase.own_lateness.count() > 0) {
        evidence.own_lateness_p99_s =
            std::chrono::duration<double>(phase.own_lateness.quantile(0.99)).count();
        const double all = phase.lateness.mean_ns();
        evidence.own_lateness_share = all > 0 ? phase.own_lateness.mean_ns() / all : 1;
    }
    evidence.limit_reached = !evidence.limit.empty() || phase.saturated || evidence.closed_loop ||
                             evidence.unsent_share > kUnsentMax;
    if (evidence.limit.empty() && phase.saturated) {
        evidence.limit = fmt::format("{:.0f} of {:.0f} events/s, and the backlog grew",
                                     evidence.achieved, evidence.offered);
    }
    if (phase.activity) evidence.activity = *phase.activity;
    return evidence;
}

}  // namespace crucible::lab::scale
