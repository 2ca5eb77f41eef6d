#include "lab/run/trial.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "lab/record/activity_monitor.h"
#include "lab/run/checks.h"
#include "lab/run/clients.h"
#include "lab/run/merge.h"
#include "lab/run/phase_run.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

constexpr Duration kReadyLimit = 60s;   // opening databases on a slow disk
constexpr Duration kSilenceMax = 10s;   // clients tell their progress several times a second
constexpr Duration kReportLimit = 20s;  // to encode and send what was measured
constexpr Duration kEndLimit = 5s;
constexpr Duration kListen = 100ms;
constexpr Duration kTrialProgressInterval = 250ms;
constexpr Duration kSampleInterval = 50ms;
constexpr Duration kResourceInterval = 100ms;
constexpr Duration kGoneGrace = 1s;
constexpr double kLimitsAt = 0.75;  ///< of the load: what it takes has been taken by then

/// From handing out the start to the start: every client has its memory ready by then. They make it
/// side by side, so that it is not that of all clients and phases one after the other.
Duration start_delay(std::uint32_t clients, std::uint32_t phases) {
    return std::max<Duration>(50ms, (clients + phases) * 10ms);
}

Duration limits_after(Duration load) {
    return std::chrono::duration_cast<Duration>(kLimitsAt * load);
}

Duration load_time(const Phase& phase) {
    return phase.warmup + phase.duration();
}

Result<> check_plan(const Plan& plan) {
    const auto invalid = [](std::string message) {
        return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
    };
    if (plan.clients < 1 || plan.clients > kClientsMax)
        return invalid(fmt::format("{} clients: must be from 1 to {}", plan.clients, kClientsMax));
    if (plan.phases.empty()) return invalid("the plan has no phase");
    for (std::size_t i = 0; i < plan.phases.size(); ++i) {
        const auto& phase = plan.phases[i];
        const auto* next = i + 1 < plan.phases.size() ? &plan.phases[i + 1] : nullptr;
        if (phase.flows_on && !(phase.open_loop() && next != nullptr && next->open_loop())) {
            return invalid(fmt::format(
                "phase {}: only one in open loop before another one in open loop can flow on",
                phase.name));
        }
        if (phase.warmup < Duration::zero())
            return invalid(fmt::format("phase {}: negative warm-up", phase.name));
        if (phase.open_loop() && phase.events() == 0)
            return invalid(fmt::format("phase {}: no events", phase.name));
        if (!phase.open_loop() && (phase.duration() <= Duration::zero() || phase.window == 0))
            return invalid(fmt::format("phase {}: no duration, or no window", phase.name));
    }
    return {};
}

/// One trial from the clients' start to their end.
class Trial {
public:
    Trial(System& system, const Plan& plan, const TrialOptions& options, Clients clients)
        : system_(system), plan_(plan), options_(options), clients_(std::move(clients)) {
        for (const auto& phase : plan_.phases) remaining_ += load_time(phase);
    }

    /// - the error of the client or system that did not come up.
    Result<> prepare() {
        const TimePoint deadline = base::monotonic_now() + kReadyLimit;
        while (!clients_.all_present([](const auto& client) { return client.ready; })) {
            clients_.listen(kListen);
            if (base::monotonic_now() > deadline) {
                clients_.drop_unless([](const auto& client) { return client.ready; },
                                     fmt::format("was not ready after {} s", kReadyLimit / 1s));
            }
            look_around();
            if (failure_) return std::unexpected(*failure_);
            if (interrupted_) return {};
        }
        look_around();
        if (failure_) return std::unexpected(*failure_);
        return {};
    }

    void run_phases() {
        const auto roots = own_processes();
        const auto first = read_machine(roots);
        tell_quiet(0);
        for (std::uint32_t next = 0; next < plan_.phases.size() && going();)
            next = run_phases_from(next);
        result_.surroundings = surroundings_between(first, read_machine(roots));
    }

    TrialResult finish() {
        if (options_.before_stop) options_.before_stop(system_);
        clients_.end(kEndLimit);
        if (const auto stopped = system_.stop(); !stopped) fail(FailedPart::stop, stopped.error());
        if (const auto& trouble = clients_.trouble()) fail(FailedPart::stop, *trouble);
        result_.failure = failure_;
        result_.failed_part = failed_part_;
        result_.interrupted = interrupted_;
        result_.checks = trial_checks(result_.phases);
        result_.checks.push_back(clock_steady(result_.surroundings));
        return std::move(result_);
    }

private:
    bool going() const { return !failure_ && !interrupted_; }

    /// The first failure is the one that counts.
    void fail(FailedPart part, Error error) {
        if (failure_) return;
        failure_ = std::move(error);
        failed_part_ = part;
    }

    /// Whether all is well with the system, the clients and the user.
    void look_around() {
        // First: when the system dies its clients may be in trouble too.
        if (const auto failed = system_.failure())
            fail(FailedPart::system, Error{Errc::failed, *failed});
        if (const auto& trouble = clients_.trouble()) fail(FailedPart::client, *trouble);
        if (options_.stop.stop_requested()) interrupted_ = true;
    }

    /// What was seen of one phase from outside of the clients.
    struct Seen {
        Usage usage;
        Usage usage_system;
        std::optional<ResourceReport> resources;
        std::optional<ActivityReport> activity;
        std::vector<LimitUse> limits;
    };

    /// One phase and those that follow it without a rest; returns the number of the next one.
    std::uint32_t run_phases_from(std::uint32_t first) {
        std::uint32_t end = first + 1;
        while (plan_.phases[end - 1].flows_on) ++end;
        std::vector<Seen> seen;
        for (std::uint32_t number = first; number < end; ++number) {
            const auto monitors = start_monitors();
            if (number == first) {
                start_ = base::monotonic_now() + start_delay(plan_.clients, end - first);
                clients_.tell_all(order::Start{first, start_});
            }
            seen.push_back(watch_phase(number, monitors));
            if (number + 1 < end) start_ += load_time(plan_.phases[number]);
        }
        tell_quiet(end);
        for (std::uint32_t number = first; number < end; ++number) {
            // Other clients may have offered what follows; without all of them, or of a system that
            // handles nothing, that is not what was planned.
            if (take_results(number, seen[number - first], number > first)) break;
        }
        // Only now: what has died since the loads ended is not the first one's failure.
        look_around();
        tell_progress(end - 1, true);
        return end;
    }

    /// All that the trial keeps busy; none where a server's processes are not known.
    std::vector<pid_t> own_processes() const {
        auto roots = system_.processes();
        for (const auto& client : clients_.all())
            roots.insert(roots.end(), client.system_processes.begin(),
                         client.system_processes.end());
        if (roots.empty() && !system_.includes_clients()) return {};
        roots.push_back(::getpid());
        return roots;
    }

    void tell_quiet(std::uint32_t phases_ended) const {
        if (!options_.on_quiet) return;
        QuietMoment moment{phases_ended, {}, system_.processes()};
        for (const auto& client : clients_.all()) {
            moment.clients.push_back(client.process.pid());
            moment.system.insert(moment.system.end(), client.system_processes.begin(),
                                 client.system_processes.end());
        }
        options_.on_quiet(moment);
    }

    struct Monitors {
        std::unique_ptr<ResourceMonitor> all;
        std::unique_ptr<ResourceMonitor> system;
        std::unique_ptr<ResourceMonitor> everything;
    };
    Monitors start_monitors() const {
        Monitors monitors;
        monitors.everything = options_.resources ? watch_everything() : nullptr;
        auto pids = system_.processes();
        for (const auto& client : clients_.all())
            pids.insert(pids.end(), client.system_processes.begin(), client.system_processes.end());
        // A process that is gone by now is a failure of the trial, and reported as that.
        if (!pids.empty()) {
            if (auto monitor = ResourceMonitor::start(pids, kSampleInterval))
                monitors.system = *std::move(monitor);
        }
        if (system_.includes_clients()) {
            for (const auto& client : clients_.all()) pids.push_back(client.process.pid());
        }
        if (pids.empty()) return monitors;
        if (auto monitor = ResourceMonitor::start(std::move(pids), kSampleInterval))
            monitors.all = *std::move(monitor);
        return monitors;
    }

    /// One that is gone by now is a failure of the trial, and reported as that.
    std::unique_ptr<ResourceMonitor> watch_everything() const {
        std::vector<MonitoredProcess> processes;
        for (const pid_t pid : system_.processes()) processes.push_back({pid, "system"});
        for (const auto& client : clients_.all()) {
            for (const pid_t pid : client.system_processes) processes.push_back({pid, "system"});
            processes.push_back(
                {client.process.pid(), system_.includes_clients() ? "client" : "harness"});
        }
        processes.push_back({::getpid(), "harness"});
        auto monitor = ResourceMonitor::start(
            std::move(processes), {.interval = kResourceInterval, .depth = Depth::full});
        return monitor ? *std::move(monitor) : nullptr;
    }

    /// The clients where the system lives in them.
    std::vector<pid_t> system_pids() const {
        auto pids = system_.processes();
        for (const auto& client : clients_.all())
            pids.insert(pids.end(), client.system_processes.begin(), client.system_processes.end());
        if (!pids.empty() || !system_.includes_clients()) return pids;
        for (const auto& client : clients_.all()) pids.push_back(client.process.pid());
        return pids;
    }

    Seen watch_phase(std::uint32_t number, const Monitors& monitors) {
        const Phase& phase = plan_.phases[number];
        const auto activity = is_watched(number) ? watch_activity(phase) : nullptr;
        limits_.clear();
        const Duration own_time = load_time(phase);
        remaining_ -= own_time;
        await_drained(number, own_time);
        Seen seen;
        if (monitors.all) seen.usage = monitors.all->stop();
        if (monitors.system) seen.usage_system = monitors.system->stop();
        if (monitors.everything) seen.resources = monitors.everything->report();
        if (activity && activity->stop().samples > 0) seen.activity = activity->stop();
        seen.limits = std::move(limits_);
        return seen;
    }

    bool is_watched(std::uint32_t phase) const {
        const auto& some = options_.activity_phases;
        return options_.activity && (some.empty() || std::ranges::find(some, phase) != some.end());
    }

    bool limits_due(std::uint32_t phase, TimePoint now) const {
        return (options_.limits || is_watched(phase)) && limits_.empty() &&
               now >= start_ + limits_after(load_time(plan_.phases[phase]));
    }

    /// Of the load alone: what comes before and after it would dilute shares of time. A process
    /// that is gone by now is a failure of the trial, and reported as that.
    std::unique_ptr<ActivityMonitor> watch_activity(const Phase& phase) const {
        std::vector<ActivityProcess> processes;
        for (const pid_t pid : system_.processes())
            processes.push_back({pid, ActivityRole::system});
        for (const auto& client : clients_.all())
            for (const pid_t pid : client.system_processes)
                processes.push_back({pid, ActivityRole::system});
        const auto clients = processes.empty() && system_.includes_clients()
                                 ? ActivityRole::embedding
                                 : ActivityRole::injector;
        if (processes.empty() && clients == ActivityRole::injector) return nullptr;
        for (const auto& client : clients_.all())
            processes.push_back({client.process.pid(), clients});
        auto monitor =
            ActivityMonitor::start(std::move(processes), {.from = start_ + phase.warmup,
                                                          .until = start_ + load_time(phase),
                                                          .seed = plan_.workload.seed,
                                                          .own = own_processes()});
        return monitor ? *std::move(monitor) : nullptr;
    }

    /// Until every client has sent its load and waited for its events (unless that flows on), or is
    /// given up.
    void await_drained(std::uint32_t number, Duration own_time) {
        // Of loads without a rest between them the next one may have ended, too.
        const auto drained = [number](const auto& client) { return client.drained >= number; };
        // A client gives its load up drain_limit after its last due time and then waits for as
        // long for what was sent.
        TimePoint deadline = start_ + own_time + 2 * plan_.drain_limit + kSilenceMax;
        bool stopping = false;
        while (!clients_.all_present(drained)) {
            clients_.listen(kListen);
            clients_.drop_silent(kSilenceMax);
            look_around();
            const TimePoint now = base::monotonic_now();
            if (limits_due(number, now))
                limits_ = read_limits(system_pids(), system_.data_directory());
            if (!going() && !stopping) {
                stopping = true;
                clients_.tell_all(order::Stop{});
                deadline = std::min(deadline, now + plan_.drain_limit + kSilenceMax);
            }
            if (now > deadline) {
                clients_.drop_unless(
                    drained,
                    fmt::format("has not ended phase {} in {:.0f} s", plan_.phases[number].name,
                                std::chrono::duration<double>(now - start_).count()));
            }
            tell_progress(number, false);
        }
    }

    /// `follows`: without a rest. Returns whether the trial ended in this phase: a client lost its
    /// target in it, nothing was handled, or it had not begun.
    bool take_results(std::uint32_t number, Seen& seen, bool follows) {
        const auto reported = [](const auto& client) { return client.report.has_value(); };
        clients_.tell_all(order::Report{number});
        const TimePoint deadline = base::monotonic_now() + kReportLimit;
        while (!clients_.all_present(reported)) {
            clients_.listen(kListen);
            if (base::monotonic_now() > deadline)
                clients_.drop_unless(reported, "did not report what it measured");
        }
        auto reports = clients_.take_reports(number);
        bool ended = note_gone_target(reports);
        const auto unreported = plan_.clients - static_cast<std::uint32_t>(reports.size());
        if (unreported > 0) look_around();

        const Phase& phase = plan_.phases[number];
        auto merged = merge_phase(phase, std::move(reports));
        merged.unreported = unreported;
        // What a client that is gone would have sent was planned nevertheless.
        if (phase.open_loop()) merged.delivery.planned = phase.warmup_events() + phase.events();
        const auto& delivery = merged.delivery;
        // The trial has ended before it.
        if (follows && delivery.sent == 0 && !going()) return true;
        // What follows another load may be refused because of that one.
        if (!follows && delivery.sent > 0 && delivery.handled == 0) {
            look_around();
            ended = true;
            auto remarks = merged.clients.front().remarks;
            if (remarks.empty() && delivery.lost == delivery.sent) remarks = "none was answered";
            fail(FailedPart::system,
                 Error{Errc::failed, fmt::format("none of {} events was handled{}{}", delivery.sent,
                                                 remarks.empty() ? "" : ": ", remarks)});
        }
        merged.usage = seen.usage;
        merged.usage_system = seen.usage_system;
        merged.resources = std::move(seen.resources);
        merged.activity = std::move(seen.activity);
        merged.limits = std::move(seen.limits);
        if (!options_.distributions) {
            for (auto* histogram :
                 {&merged.latency, &merged.service_time, &merged.lateness, &merged.own_lateness})
                *histogram = Histogram();
            merged.segments = {};
            merged.series = {};
            merged.latency_series = {};
        }
        result_.phases.push_back(std::move(merged));
        return ended;
    }

    /// Whether a client lost its target: usually because the system is dead, which says it better.
    bool note_gone_target(const std::vector<ClientPhase>& reports) {
        const auto gone = std::ranges::find_if(
            reports, [](const ClientPhase& report) { return report.target_gone.has_value(); });
        if (gone == reports.end()) return false;
        const TimePoint deadline = base::monotonic_now() + kGoneGrace;
        for (look_around(); !failure_ && base::monotonic_now() < deadline; look_around())
            clients_.listen(10ms);
        fail(FailedPart::system,
             Error{Errc::closed, fmt::format("client-{}: {}", gone->client, *gone->target_gone)});
        return true;
    }

    void tell_progress(std::uint32_t number, bool at_once) {
        const TimePoint now = base::monotonic_now();
        if (!options_.on_progress || (!at_once && now < next_progress_)) return;
        next_progress_ = now + kTrialProgressInterval;
        const Phase& phase = plan_.phases[number];
        TrialProgress progress;
        progress.phase = phase.name;
        progress.planned = phase.warmup_events() + phase.events();
        for (const auto& client : clients_.all()) {
            if (client.progress.phase != number) continue;
            progress.sent += client.progress.sent;
            progress.handled += client.progress.handled;
        }
        progress.elapsed = std::max(now - start_, Duration::zero());
        progress.remaining =
            std::max(load_time(phase) - progress.elapsed, Duration::zero()) + remaining_;
        options_.on_progress(progress);
    }

    System& system_;
    const Plan& plan_;
    const TrialOptions& options_;
    Clients clients_;
    TrialResult result_;
    std::optional<Error> failure_;
    FailedPart failed_part_ = FailedPart::system;
    bool interrupted_ = false;
    std::vector<LimitUse> limits_;
    TimePoint start_;  ///< of the phase
    TimePoint next_progress_;
    Duration remaining_{};  ///< of the phases not begun
};

}  // namespace

Result<TrialResult> run_trial(const TargetUrl& target, const SystemOptions& system_options,
                              const Plan& given_plan, const TrialOptions& options) {
    Plan plan = given_plan;
    plan.clients = client_count(target, plan.clients);
    if (const auto ok = check_plan(plan); !ok) return std::unexpected(ok.error());
    auto with_environment = system_options;
    with_environment.environment.insert(with_environment.environment.end(),
                                        options.environment.begin(), options.environment.end());
    auto system = start_system(target, with_environment);
    if (!system) return std::unexpected(system.error());
    plan.realtime = plan.realtime && !(*system)->runs_in_senders();
    auto clients = Clients::start((*system)->endpoint(), plan, options.environment);
    if (!clients) return std::unexpected(clients.error());
    const bool embedded = (*system)->includes_clients() && (*system)->processes().empty();
    Trial trial(**system, plan, options, *std::move(clients));
    if (const auto ready = trial.prepare(); !ready) return std::unexpected(ready.error());
    trial.run_phases();
    auto result = trial.finish();
    result.target = target.text;
    result.includes_clients = (*system)->includes_clients();
    result.embedded = embedded;
    return result;
}

}  // namespace crucible::lab
