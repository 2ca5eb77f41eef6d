#pragma once

#include <chrono>
#include <cmath>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "lab/experiment/experiment.h"
#include "lab/run/checks.h"
#include "lab/run/merge.h"
#include "lab/target/queue_model.h"

namespace crucible::lab::scale {

/// A QueueModel of one worker under loads that follow each other, with a rest between them or not.
class SimulatedQueue {
public:
    explicit SimulatedQueue(const QueueOptions& options) : options_(options) {}

    PhaseResult run(const Phase& phase) {
        const TimePoint start = now_;
        const TimePoint end = start + phase.duration();
        const std::uint64_t events = phase.events();
        ClientPhase client;
        client.window = phase.duration();
        client.due_in_window = events;
        TimePoint sample = start;
        for (std::uint64_t i = 0; i < events; ++i) {
            const TimePoint due = start + phase.duration() * i / events;
            for (; sample < due; sample += kBacklogInterval)
                client.backlog.push_back(in_flight_at(sample));
            const TimePoint done = *QueueModel(options_, state_, ends_, {}).arrive(due);
            in_flight_.push_back(done);
            client.latency.record(done - due);
            if (done <= end) ++client.completed_in_window;
        }
        for (; sample < end; sample += kBacklogInterval)
            client.backlog.push_back(in_flight_at(sample));
        client.completed = client.delivery.planned = client.delivery.sent =
            client.delivery.handled = events;
        client.service_time = client.latency;
        now_ = phase.flows_on ? end : std::max(end, in_flight_.back());
        return merge_phase(phase, {client});
    }

private:
    std::uint64_t in_flight_at(TimePoint at) {
        while (!in_flight_.empty() && in_flight_.front() <= at) in_flight_.pop_front();
        return in_flight_.size();
    }

    QueueOptions options_;
    QueueState state_;
    std::vector<std::int64_t> ends_ = {0};
    std::deque<TimePoint> in_flight_;  ///< when they end, rising
    TimePoint now_ = TimePoint(std::chrono::seconds(1));
};

/// Trials in open loop of such a queue, whatever the target is called; each has a new one.
inline TrialFunction simulated_queue_trials(const QueueOptions& options) {
    return [options](const TargetUrl& target, const SystemOptions&, const Plan& plan,
                     const TrialOptions&) -> Result<TrialResult> {
        SimulatedQueue queue(options);
        TrialResult trial;
        trial.target = target.text;
        for (const auto& phase : plan.phases) trial.phases.push_back(queue.run(phase));
        trial.checks = trial_checks(trial.phases);
        return trial;
    };
}

}  // namespace crucible::lab::scale
