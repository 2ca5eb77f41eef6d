#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "base/clock.h"
#include "lab/experiment/experiment.h"
#include "lab/run/checks.h"
#include "lab/run/merge.h"

namespace crucible::lab::scale {

/// Stands still unless a trial passes.
class TrialClock final : public base::Clock {
public:
    TimePoint now() noexcept override { return now_; }
    void sleep_until(TimePoint deadline) noexcept override { now_ = deadline; }
    void pass(Duration time) { now_ += time; }

private:
    TimePoint now_{};
};

/// A system as arithmetic: what it does of what is offered.
struct SimulatedSystem {
    double capacity = 1'000;  ///< events/s
    Duration latency = std::chrono::milliseconds(1);
    double dies_at = std::numeric_limits<double>::infinity();  ///< events/s offered
    bool starts = true;
    bool works = true;                ///< false: it ends before it has handled anything
    bool never_starts_again = false;  ///< once it has died
    double late_from = 0;             ///< events/s from which its injector is late
    Duration own_lateness{};          ///< so much
    double lost_share = 0;            ///< of the events
    double memory_bytes = 0;          ///< 0: not sampled
};

/// What a phase of `phase` at `offered` events/s measures of it.
inline PhaseResult simulated_phase(const Phase& phase, double offered,
                                   const SimulatedSystem& system) {
    const double seconds = std::chrono::duration<double>(phase.duration()).count();
    const double done = std::min(offered, system.capacity);
    ClientPhase client;
    client.window = phase.duration();
    client.due_in_window = static_cast<std::uint64_t>(std::llround(offered * seconds));
    client.completed_in_window = static_cast<std::uint64_t>(std::llround(done * seconds));
    client.completed = client.due_in_window;
    for (Duration at{}; at < client.window; at += kBacklogInterval) {
        const double passed = std::chrono::duration<double>(at).count();
        client.backlog.push_back(
            static_cast<std::uint64_t>(2 + std::max(0.0, offered - done) * passed));
    }
    client.delivery.planned = client.delivery.sent = client.due_in_window;
    client.delivery.lost = static_cast<std::uint64_t>(
        std::llround(system.lost_share * static_cast<double>(client.due_in_window)));
    client.delivery.handled = client.due_in_window - client.delivery.lost;
    const Duration own_lateness = offered >= system.late_from ? system.own_lateness : Duration{};
    const double behind = std::max(0.0, offered - done) / std::max(done, 1.0);
    for (std::uint64_t i = 0; i < client.due_in_window; ++i) {
        const double due = static_cast<double>(i) / offered;
        client.latency.record(system.latency + std::chrono::duration_cast<Duration>(
                                                   std::chrono::duration<double>(due * behind)));
        client.own_lateness.record(own_lateness);
        client.lateness.record(own_lateness);
    }
    client.service_time = client.latency;
    auto result = merge_phase(phase, {client});
    if (system.memory_bytes > 0) {
        result.usage = {.wall = phase.duration(),
                        .memory_peak_bytes = system.memory_bytes,
                        .memory_mean_bytes = system.memory_bytes,
                        .samples = 10,
                        .memory_samples = 10};
    }
    return result;
}

/// Trials of such systems, by the targets' scheme and path.
inline TrialFunction simulated_trials(std::map<std::string, SimulatedSystem> systems) {
    return [systems = std::move(systems), dead = std::map<std::string, bool>()](
               const TargetUrl& target, const SystemOptions&, const Plan& plan,
               const TrialOptions&) mutable -> Result<TrialResult> {
        const auto& system = systems.at(target.scheme);
        if (!system.starts || (dead[target.scheme] && system.never_starts_again))
            return std::unexpected(Error{Errc::closed, "connection refused"});
        TrialResult trial;
        trial.target = target.text;
        for (const auto& phase : plan.phases) {
            // In closed loop each client has one event after the other done.
            const double offered = phase.open_loop()
                                       ? static_cast<double>(phase.events()) /
                                             std::chrono::duration<double>(phase.duration()).count()
                                       : std::min(system.capacity, 100.0 * plan.clients);
            if (!system.works) {
                trial.phases.push_back(merge_phase(phase, {}));
                trial.failure = Error{Errc::failed, "it exited with code 127"};
                break;
            }
            trial.phases.push_back(simulated_phase(phase, offered, system));
            if (offered >= system.dies_at) {
                dead[target.scheme] = true;
                trial.failure = Error{Errc::failed, "it was killed by signal 9"};
                break;
            }
        }
        trial.checks = trial_checks(trial.phases);
        return trial;
    };
}

}  // namespace crucible::lab::scale
