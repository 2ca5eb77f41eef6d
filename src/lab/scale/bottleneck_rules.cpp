#include "lab/scale/bottleneck_rules.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace crucible::lab::scale {
namespace {

using Value = std::optional<double>;

BottleneckFigure at_least(std::string name, std::string what, std::string unit, Value observed,
                          double least) {
    const bool met = observed && *observed >= least;
    BottleneckFigure figure{
        std::move(name), std::move(what), std::move(unit), observed, least, true, met};
    if (figure.unit == "1") figure.most = 1;
    return figure;
}

BottleneckFigure below(std::string name, std::string what, std::string unit, Value observed,
                       double bound) {
    const bool met = observed && *observed < bound;
    return {std::move(name), std::move(what), std::move(unit), observed, bound, false, met};
}

/// Of what another rule names where it is there: unmeasured it does not stand in this one's way.
BottleneckFigure or_none(BottleneckFigure figure) {
    if (!figure.observed) figure.met = figure.assumed = true;
    return figure;
}

/// What the rules share, worked out once.
class Reading {
public:
    explicit Reading(const BottleneckEvidence& evidence)
        : evidence_(evidence),
          activity_(evidence.activity),
          system_(activity_.system()),
          injector_(activity_.injector()) {
        for (const auto activity :
             {Activity::running, Activity::lock, Activity::file_lock, Activity::storage,
              Activity::page_fault, Activity::peer, Activity::asleep})
            at_work_ += system_.mean[index(activity)];
        const auto& neighbours = activity_.neighbour_cores;
        const auto& shared = activity_.injector_on_cores;
        if (activity_.cores <= 0 || !neighbours || !shared) return;
        const double left = std::max(activity_.cores - *neighbours, 0.05 * activity_.cores);
        utilization_ = (system_.cpu_cores + *shared * injector_.cpu_cores) / left;
    }

    std::vector<Conditions> client_limited() const {
        const auto late =
            at_least("own_lateness_p99", "lateness of the load generator at its own fault (p99)",
                     "s", evidence_.own_lateness_p99_s, threshold::kLateness);
        const auto own = at_least("own_lateness_share", "its share of the whole lateness", "1",
                                  evidence_.own_lateness_share, threshold::kLatenessShare);
        const auto excused =
            below("lateness_excused", "the limit was reached by more than this lateness explains",
                  "1", evidence_.lateness_excused ? 1.0 : 0.0, 1);
        // On a schedule a sender may spin until the next event is due: busy, and not what binds.
        const auto closed =
            at_least("closed_loop", "the next event is sent as soon as one has ended", "1",
                     evidence_.closed_loop ? 1.0 : 0.0, 1);
        auto clients_use_more =
            at_least("injector_to_system", "processor time of the clients to the system's", "1",
                     ratio(injector_.cpu_cores, system_.cpu_cores), 1);
        clients_use_more.most = BottleneckFigure().most;
        return {{late, own, excused, starved_injector(), not_throttled()},
                {closed,
                 at_least("sender_busy", "processor time of the busiest thread that sends", "1",
                          injector_.busiest_cpu, threshold::kSenderBusy),
                 below_system_busy()},
                {limit(), processors(true), starved_system(), clients_use_more, few_neighbours()}};
    }

    std::vector<Conditions> quota_throttled() const {
        return {{at_least("throttled_cores", "cores' worth of time in which a quota stopped it",
                          "cores", activity_.throttled_cores, threshold::kThrottled)}};
    }

    std::vector<Conditions> headroom() const {
        return {{below("limit_reached", "an objective was broken, or the backlog grew", "1",
                       evidence_.limit_reached ? 1.0 : 0.0, 1)}};
    }

    std::vector<Conditions> memory_pressure() const {
        const auto blocked = [this](double least) {
            return at_least("page_fault_present",
                            "share of the time in which a thread was blocked in a page fault", "1",
                            present(Activity::page_fault), least);
        };
        return {{blocked(threshold::kFaultBlocked),
                 share_of_work("page_fault_share", "blocked in page faults", Activity::page_fault,
                               threshold::kAtWork)},
                {at_least("major_faults_per_event", "pages read back from storage for each event",
                          "pages", ratio(activity_.major_faults, evidence_.achieved),
                          threshold::kReadBack)},
                {at_least("fault_time", "share of its processor time that page faults take", "1",
                          fault_time(), threshold::kFaultTime)},
                {at_least("kernel_share", "share of its processor time spent in the kernel", "1",
                          activity_.kernel_share, threshold::kKernelShare),
                 at_least("fault_rate", "page faults in a second of its processor time", "1/s",
                          ratio(activity_.minor_faults, system_.cpu_cores), threshold::kFaultRate)},
                {at_least("pressure_memory", "share of the time in which a task waited for memory",
                          "1", activity_.pressure_memory, threshold::kPressure),
                 blocked(threshold::kFaultBlocked / 3)}};
    }

    std::vector<Conditions> io() const {
        return {{at_least("storage_present",
                          "share of the time in which a thread was blocked in storage", "1",
                          present(Activity::storage), threshold::kStorage),
                 share_of_work("storage_share", "blocked in storage", Activity::storage,
                               threshold::kAtWork)}};
    }

    std::vector<Conditions> lock_contention() const {
        const auto held = at_least("file_lock_held",
                                   "share of these moments in which the system held a write lock",
                                   "1", activity_.file_lock_held, threshold::kLock);
        return {{at_least("lock_present", "share of the time in which a thread waited for a mutex",
                          "1", present(Activity::lock), threshold::kLock),
                 share_of_work("lock_share", "waiting for a mutex", Activity::lock,
                               threshold::kAtWork)},
                {at_least("file_lock_present",
                          "share of the time in which a thread waited for a lock on a file", "1",
                          present(Activity::file_lock), threshold::kLock),
                 share_of_work("file_lock_share", "waiting for a lock on a file",
                               Activity::file_lock, threshold::kAtWork)},
                {at_least("asleep_present",
                          "share of the time in which a thread slept between two tries", "1",
                          present(Activity::asleep), threshold::kLock),
                 share_of_work("asleep_share", "asleep for a time", Activity::asleep,
                               threshold::kAtWork),
                 held}};
    }

    std::vector<Conditions> back_pressure() const {
        return {{at_least("peer_present",
                          "share of the time in which a thread waited for a peer's answer", "1",
                          present(Activity::peer), threshold::kPeer),
                 share_of_work("peer_share", "waiting for a peer", Activity::peer,
                               threshold::kMostAtWork),
                 few_ready()},
                {at_least("asleep_present", "share of the time in which a thread slept", "1",
                          present(Activity::asleep), threshold::kPeer),
                 share_of_work("asleep_share", "asleep for a time", Activity::asleep,
                               threshold::kMostAtWork),
                 few_ready()},
                {at_least("refused_share", "share of the events that it refused", "1",
                          evidence_.refused_share, threshold::kRefused),
                 processors(false), below_system_busy()}};
    }

    std::vector<Conditions> noisy_neighbour() const {
        return {{at_least("neighbours", "share of the cores that others used", "1",
                          neighbour_share(), threshold::kNeighbours),
                 starved_system()}};
    }

    std::vector<Conditions> cpu_bound() const { return {{processors(true)}}; }

    std::vector<Conditions> workers() const {
        return {
            {at_least("busiest_thread", "share of its time in which its busiest thread was busy",
                      "1", system_.busiest_ready, threshold::kThreadBusy),
             processors(false)}};
    }

private:
    static std::size_t index(Activity activity) { return static_cast<std::size_t>(activity); }

    static Value ratio(double value, double to) {
        return to > 0 ? Value(value / to) : std::nullopt;
    }

    /// Absent where it could not be told what threads wait for.
    Value present(Activity activity) const {
        const bool readable = activity_.why_blind.empty() || activity == Activity::storage;
        return readable ? Value(system_.present[index(activity)]) : std::nullopt;
    }

    BottleneckFigure share_of_work(std::string name, const char* doing, Activity activity,
                                   double least) const {
        const auto readable = present(activity);
        return at_least(
            std::move(name), std::string("share of its threads that have work which were ") + doing,
            "1", readable ? ratio(system_.mean[index(activity)], at_work_) : std::nullopt, least);
    }

    static Value starved(const SideActivity& side) {
        return ratio(side.delay_threads, side.cpu_cores + side.delay_threads);
    }

    BottleneckFigure starved_system() const {
        return at_least("starved", "share of ready time that it spent without a core", "1",
                        starved(system_), threshold::kStarved);
    }

    // A load generator that was never ready did not lack a core.
    BottleneckFigure starved_injector() const {
        return below("injector_starved",
                     "share of ready time that the load generator spent without a core", "1",
                     starved(injector_).value_or(0), threshold::kStarved);
    }

    BottleneckFigure not_throttled() const {
        return or_none(below("throttled_cores", "cores' worth of time in which a quota stopped it",
                             "cores", activity_.throttled_cores, threshold::kThrottled));
    }

    BottleneckFigure limit() const {
        return at_least("limit_reached", "an objective was broken, or the backlog grew", "1",
                        evidence_.limit_reached ? 1.0 : 0.0, 1);
    }

    BottleneckFigure processors(bool full) const {
        const char* const name = "cpu_utilization";
        const char* const what = "share of the processors that neighbours left which was in use";
        return full ? at_least(name, what, "1", utilization_, threshold::kProcessors)
                    : below(name, what, "1", utilization_, threshold::kProcessors);
    }

    BottleneckFigure below_system_busy() const {
        return below("busiest_thread",
                     "share of its time in which the system's busiest thread was busy", "1",
                     system_.busiest_ready, threshold::kThreadBusy);
    }

    /// Whatever neighbours leave of them, who wants no more cannot lack processors.
    BottleneckFigure few_ready() const {
        return below("ready_threads", "its threads that ran or were ready, for each core",
                     "threads", ratio(system_.mean[index(Activity::running)], activity_.cores),
                     threshold::kProcessors);
    }

    Value neighbour_share() const {
        if (!activity_.neighbour_cores) return std::nullopt;
        return ratio(*activity_.neighbour_cores, activity_.cores);
    }

    BottleneckFigure few_neighbours() const {
        return or_none(below("neighbours", "share of the cores that others used", "1",
                             neighbour_share(), threshold::kNeighbours));
    }

    Value fault_time() const {
        const double cost = std::chrono::duration<double>(activity_.fault_cost).count();
        return ratio(activity_.minor_faults * cost, system_.cpu_cores);
    }

    const BottleneckEvidence& evidence_;
    const ActivityReport& activity_;
    const SideActivity& system_;
    const SideActivity& injector_;
    double at_work_ = 0;
    Value utilization_;
};

}  // namespace

std::vector<RuleWays> rule_ways(const BottleneckEvidence& evidence) {
    const Reading reading(evidence);
    return {{Bottleneck::client_limited, reading.client_limited()},
            {Bottleneck::quota_throttled, reading.quota_throttled()},
            {Bottleneck::headroom, reading.headroom()},
            {Bottleneck::memory_pressure, reading.memory_pressure()},
            {Bottleneck::io, reading.io()},
            {Bottleneck::lock_contention, reading.lock_contention()},
            {Bottleneck::back_pressure, reading.back_pressure()},
            {Bottleneck::noisy_neighbour, reading.noisy_neighbour()},
            {Bottleneck::cpu_bound, reading.cpu_bound()},
            {Bottleneck::workers, reading.workers()}};
}

double nearness(const Conditions& way) noexcept {
    double least = 1e9;
    for (const auto& figure : way) {
        if (figure.assumed) continue;
        if (!figure.observed) return 0;
        double near = 0;
        if (figure.at_least) {
            near = figure.threshold > 0 ? *figure.observed / figure.threshold : 1;
        } else {
            near = *figure.observed > 0 ? figure.threshold / *figure.observed : 1e9;
        }
        least = std::min(least, near);
    }
    return least;
}

}  // namespace crucible::lab::scale
