#include "lab/memory/memory_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/rng.h"

namespace crucible::lab {
namespace {

/// What a trial is for.
enum class Purpose : std::uint8_t {
    memory,    ///< without the tracker
    counting,  ///< of allocations
    stacks,    ///< and where they are made
    few,       ///< counting, with few events in flight at most
    many,      ///< and with many
};

/// One trial of a round.
struct Job {
    Arm arm;
    std::uint32_t clients;
    Purpose purpose;
    std::optional<Category> category = {};  ///< there are events of no other
};

/// Whether only some figures are of it: the others are known without it.
bool is_extra(const Job& job) {
    return job.category || (job.purpose != Purpose::memory && job.purpose != Purpose::counting);
}

/// What a round found of one arm with one number of clients.
struct Found {
    std::optional<TrialResult> plain;
    std::optional<MemoryTrial> counted;
    std::optional<MemoryFigures> figures;  ///< of its last phase
    std::optional<LifetimeFigures> lifetimes;
    Delivery lifetime_events;  ///< of the phase that they are of
    std::optional<InFlightFigures> few;
    std::optional<InFlightFigures> many;
    std::string why_no_lifetimes;  ///< where there were stacks
    bool partial = false;          ///< trials were left out, as the target had failed
};

/// Memory is what it is whether or not events were sent in time; that they all ended matters.
bool counts(const TrialResult& trial) {
    return !trial.failure && !trial.interrupted && unended_events(trial.checks) == nullptr;
}

/// Why not all of the system was counted, or does not add up; empty: it was, and does.
std::string why_incomplete(const Found& found) {
    if (!found.counted->missing.empty()) return found.counted->missing.front();
    if (!found.figures) return "no process of the system is known";
    if (!found.figures->conserved.passed) return found.figures->conserved.detail;
    return {};
}

/// One that is counted, but that nobody knew to measure; null: there is none.
const ProcessCourse* started_by_system(const MemoryTrial& trial) {
    const auto found = std::ranges::find_if(trial.processes, &ProcessCourse::started_by_system);
    return found == trial.processes.end() ? nullptr : &*found;
}

/// What a comparison with a system that lives in its clients, or has stubs there, has to know.
std::vector<std::string> not_of_system(const MemoryTrial& trial) {
    if (trial.trial.includes_clients) return {};
    std::vector<std::string> lines{
        "its clients: what they hold for it (connections, buffers, events under way) is the "
        "measurement's own here, and is counted of coordinator: and of daemon: on this host"};
    const bool any = std::ranges::any_of(
        trial.processes, [&trial](const auto& process) { return is_measured(trial, process); });
    if (!any && trial.missing.empty())
        lines.emplace_back("its own processes: none is known; the option pid names one");
    return lines;
}

class Profiler {
public:
    explicit Profiler(const ProfileOptions& options)
        : options_(options), harness_(*parse_target("null:")) {
        profile_.clients = options.scenario.plan.clients;
        for (const auto& target : options.targets)
            profile_.targets.push_back({.target = target.text});
        counts_ = options.ladder;
        counts_.push_back(profile_.clients);
        std::ranges::sort(counts_);
        counts_.erase(std::ranges::unique(counts_).begin(), counts_.end());
    }

    MemoryProfile run() {
        for (std::uint32_t r = 0; r < options_.rounds && going(); ++r) {
            number_ = r;
            found_.clear();
            alone_.clear();
            for (const Job& job : jobs(r)) {
                if (ended()) break;
                if (is_left_out(job)) {
                    found_of(job).partial |= fails(job.arm);
                } else {
                    run_job(job);
                }
            }
            // What was whole when a target failed is kept, of it and of the other.
            if (!ended()) conclude_round();
        }
        for (std::size_t i = 0; i < options_.targets.size() && options_.leaks; ++i) {
            if (!ended() && !profile_.targets[i].failure)
                look_for_leaks(options_.targets[i], profile_.targets[i]);
        }
        for (const auto& target : profile_.targets) {
            if (profile_.failure || !target.failure) continue;
            profile_.failure = target.failure;
            if (compares())
                profile_.failure->message =
                    fmt::format("{}: {}", target.target, target.failure->message);
        }
        add_checks();
        return std::move(profile_);
    }

private:
    /// Nothing more can be measured of any target.
    bool ended() const { return profile_.failure || profile_.interrupted; }
    bool going() const {
        return !ended() && !std::ranges::all_of(profile_.targets, [](const TargetMemory& target) {
            return target.failure.has_value();
        });
    }
    bool compares() const { return options_.targets.size() == 2; }

    const TargetUrl& url_of(Arm arm) const {
        if (arm == Arm::harness) return harness_;
        return arm == Arm::candidate ? options_.targets[1] : options_.targets[0];
    }

    /// Not of the harness.
    TargetMemory& target_of(Arm arm) { return profile_.targets[arm == Arm::candidate ? 1 : 0]; }

    bool fails(Arm arm) const {
        return arm != Arm::harness &&
               profile_.targets[arm == Arm::candidate ? 1 : 0].failure.has_value();
    }

    /// The trials that are given up together when one of them fails: bursts make one figure.
    using Group = std::tuple<std::size_t, Purpose, std::optional<Category>>;
    static Group group_of(Arm arm, Purpose purpose, std::optional<Category> category) {
        if (purpose == Purpose::few) purpose = Purpose::many;
        return {arm == Arm::candidate ? 1 : 0, purpose, category};
    }

    bool is_left_out(const Job& job) const {
        if (job.arm == Arm::harness) return false;
        // Of a candidate that fails the baseline needs no copy.
        if (fails(job.arm) || (job.arm == Arm::control && fails(Arm::candidate))) return true;
        return given_up_.contains(group_of(job.arm, job.purpose, job.category)) ||
               given_up_.contains(group_of(job.arm, Purpose::counting, job.category));
    }

    /// Why trials of that kind were left out with the compared number of clients; empty: not for a
    /// failure.
    std::string why_left_out(Arm arm, Purpose purpose,
                             std::optional<Category> category = {}) const {
        const auto found = given_up_.find(group_of(arm, purpose, category));
        if (found != given_up_.end()) return found->second;
        const auto& failure = profile_.targets[arm == Arm::candidate ? 1 : 0].failure;
        return failure ? failure->message : std::string();
    }

    Found& found_of(const Job& job) {
        return job.category ? alone_[{job.arm, *job.category}] : found_[{job.arm, job.clients}];
    }

    std::vector<Job> jobs(std::uint32_t round) const {
        std::vector<Job> all;
        for (const std::uint32_t clients : counts_) {
            const bool compared = clients == profile_.clients;
            if (!compared && round >= options_.ladder_rounds) continue;
            all.push_back({Arm::harness, clients, Purpose::memory});
            std::vector<Arm> arms{Arm::baseline};
            if (compares()) arms.push_back(Arm::candidate);
            if (compares() && compared) arms.push_back(Arm::control);
            for (const Arm arm : arms) {
                all.push_back({arm, clients, Purpose::memory});
                all.push_back({arm, clients, Purpose::counting});
                if (!compared) continue;
                if (options_.stack_distance) all.push_back({arm, clients, Purpose::stacks});
                add_bursts(all, {arm, clients, Purpose::counting});
                for (const Category category : options_.categories) {
                    all.push_back({arm, clients, Purpose::counting, category});
                    add_bursts(all, all.back());
                }
            }
        }
        base::Rng random(round_seed(options_.seed, 1, round));
        for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random.below(i)]);
        return all;
    }

    void add_bursts(std::vector<Job>& to, Job job) const {
        if (!options_.in_flight) return;
        for (const Purpose purpose : {Purpose::few, Purpose::many}) {
            job.purpose = purpose;
            to.push_back(job);
        }
    }

    Plan plan_of(const Job& job) const {
        Plan plan = options_.scenario.plan;
        plan.clients = job.clients;
        plan.workload.seed = round_seed(options_.seed, 0, number_);
        if (job.category) plan.workload.mix = Mix::only(*job.category);
        if (job.purpose == Purpose::memory) return plan;
        if (job.purpose == Purpose::few) return burst_plan(plan, *options_.in_flight, Burst::few);
        if (job.purpose == Purpose::many) return burst_plan(plan, *options_.in_flight, Burst::many);
        // The first time that a system does something it allocates what stays: caches, compiled
        // statements. That is in what is live, and would be in what an event allocates.
        const auto once = plan.phases;
        plan.phases.insert(plan.phases.end(), once.begin(), once.end());
        return plan;
    }

    TrialOptions trial_options(const std::string& what) {
        TrialOptions trial;
        trial.stop = options_.stop;
        trial.on_progress = [this, what](const TrialProgress& at) {
            if (!options_.on_progress) return;
            const auto round = std::min(number_ + 1, options_.rounds);
            options_.on_progress({round, options_.rounds, what, at});
        };
        return trial;
    }
    static std::string describe(const Job& job) {
        static constexpr std::array kNotes{"", ", counting", ", with stacks", ", in small bursts",
                                           ", in a burst"};
        return fmt::format("with {} client{}{}{}", job.clients, job.clients == 1 ? "" : "s",
                           kNotes[static_cast<std::size_t>(job.purpose)],
                           job.category ? fmt::format(", {} alone", to_string(*job.category)) : "");
    }
    TrialOptions trial_options(const Job& job) {
        return trial_options(fmt::format("{} {}", url_of(job.arm).text, describe(job)));
    }

    void look_for_leaks(const TargetUrl& url, TargetMemory& target) {
        LeakWatchOptions watch = *options_.leaks;
        watch.seed = round_seed(options_.seed, 2, 0);
        watch.tracker = options_.tracker;
        auto found = watch_for_leaks(url, watch, trial_options(url.text + ", watched for leaks"));
        if (!found) {
            if (!was_interrupted()) target.failure = found.error();
            return;
        }
        target.failure = found->failure;
        if (found->interrupted) profile_.interrupted = true;
        target.leak = *std::move(found);
    }

    void run_job(const Job& job) {
        const auto& url = url_of(job.arm);
        const Plan plan = plan_of(job);
        auto& found = found_of(job);
        auto options = trial_options(job);
        if (job.purpose == Purpose::memory) {
            TargetMemory* const target = first_target(job);
            options.resources = target != nullptr && !target->resources;
            auto trial = run_trial(url, options_.scenario.system, plan, options);
            if (!trial) return fail(job, trial.error());
            if (options.resources && !trial->phases.empty())
                target->resources = std::move(trial->phases.back().resources);
            if (is_whole(job, *trial)) found.plain = *std::move(trial);
            return;
        }
        auto trial = run_memory_trial(
            url, options_.scenario.system, plan, options, options_.tracker,
            {.stack_distance =
                 job.purpose == Purpose::stacks ? options_.stack_distance : std::nullopt});
        if (!trial) return fail(job, trial.error());
        if (!is_whole(job, trial->trial)) return;
        if (job.purpose == Purpose::stacks) return take_stacks(job, *trial, found);
        if (job.purpose == Purpose::few || job.purpose == Purpose::many) {
            auto& burst = job.purpose == Purpose::few ? found.few : found.many;
            burst = in_flight_figures(*trial);
            if (burst && !trial->missing.empty()) burst->unfit = trial->missing.front();
            return;
        }
        if (!trial->trial.phases.empty())
            found.figures = memory_figures(*trial, trial->trial.phases.size() - 1);
        found.counted = *std::move(trial);
    }

    /// What a job of the baseline or the candidate at the compared number of clients is of.
    TargetMemory* first_target(const Job& job) {
        if (job.clients != profile_.clients) return nullptr;
        if (job.arm == Arm::baseline) return &profile_.targets[0];
        return job.arm == Arm::candidate ? &profile_.targets[1] : nullptr;
    }

    void take_stacks(const Job& job, const MemoryTrial& trial, Found& found) {
        if (!counts(trial.trial) || trial.trial.phases.empty()) {
            const auto* unended = unended_events(trial.trial.checks);
            found.why_no_lifetimes =
                "in the trial with stacks " + (unended ? unended->detail : "nothing was driven");
            return;
        }
        if (!trial.missing.empty()) {
            found.why_no_lifetimes = trial.missing.front();
            return;
        }
        const std::size_t phase = trial.trial.phases.size() - 1;
        found.lifetime_events = trial.trial.phases[phase].delivery;
        found.lifetimes = lifetime_figures(trial, phase);
        const bool any = found.lifetimes.has_value();
        if (!any) found.why_no_lifetimes = "no process of the system has stacks";
        const auto unknown = why_without_stacks(trial);
        if (any && !unknown.empty()) {
            found.lifetimes.reset();
            found.why_no_lifetimes = unknown;
        }
        TargetMemory* const target = first_target(job);
        if (target == nullptr || target->stacks || !any) return;
        auto allocated = allocation_profile(trial, phase);
        if (const auto check = stacks_conserved(trial, phase, *options_.stack_distance))
            note(target->target, job.clients, *check);
        target->stacks = TargetStacks{.profile = symbolize(allocated.profile),
                                      .sums = std::move(allocated.sums),
                                      .events = static_cast<double>(found.lifetime_events.sent),
                                      .mean_bytes = *options_.stack_distance,
                                      .whole = unknown.empty()};
        auto& remarks = target->stacks->profile.remarks;
        if (!unknown.empty()) remarks.push_back(unknown + ": nothing of that is told here");
        if (const auto why = why_no_per_event(found.lifetime_events); !why.empty())
            remarks.push_back(why +
                              ": what is told per event is not what one takes that is handled");
    }

    bool was_interrupted() {
        profile_.interrupted |= options_.stop.stop_requested();
        return profile_.interrupted;
    }

    void fail(const Job& job, const Error& error) {
        if (was_interrupted()) return;
        if (job.arm == Arm::harness) {
            profile_.failure = error;
            return;
        }
        auto& target = target_of(job.arm);
        if (!is_extra(job)) {
            target.failure = error;
            return;
        }
        const auto line = fmt::format("{}: {}", describe(job), error.message);
        target.failed_trials.push_back(line);
        given_up_.try_emplace(group_of(job.arm, job.purpose, job.category),
                              "a trial failed, " + line);
        if (job.purpose == Purpose::counting)
            target.alone[*job.category].why_not_all = "a trial failed, " + line;
    }

    /// Neither ended early nor failed; notes it where it did.
    bool is_whole(const Job& job, const TrialResult& trial) {
        if (trial.failure) fail(job, *trial.failure);
        if (trial.interrupted) profile_.interrupted = true;
        return !trial.failure && !trial.interrupted;
    }

    /// The metrics of one arm; what has no value says why.
    std::vector<MetricValue> metrics_of(Arm arm, std::uint32_t clients) const {
        const auto& found = found_.at({arm, clients});
        const auto& figures = found.figures;
        const auto& harness = found_.at({Arm::harness, clients});
        std::vector<MetricValue> metrics;
        for (auto& value : trial_metrics(*found.plain, &*harness.plain)) {
            if (std::ranges::find(kPlainMemoryMetrics, value.info->name) ==
                kPlainMemoryMetrics.end())
                continue;
            if (const auto* other = started_by_system(*found.counted)) {
                value.value.reset();
                value.absent = fmt::format(
                    "process {} was started by the system itself, and is not "
                    "among those whose memory was measured",
                    other->pid);
            }
            metrics.push_back(std::move(value));
        }
        const std::string incomplete = why_incomplete(found);
        if (incomplete.empty()) {
            for (auto& value : allocation_values(*figures)) metrics.push_back(std::move(value));
        } else {
            add_absent(metrics, allocation_metrics(), incomplete);
        }
        if (found.lifetimes) {
            for (auto& value : lifetime_values(*found.lifetimes, found.lifetime_events))
                metrics.push_back(std::move(value));
        } else {
            add_absent(metrics, lifetime_metrics(),
                       incomplete.empty() ? why_no_lifetimes(arm, clients, found) : incomplete);
        }
        return metrics;
    }

    std::string why_no_lifetimes(Arm arm, std::uint32_t clients, const Found& found) const {
        if (!found.why_no_lifetimes.empty()) return found.why_no_lifetimes;
        std::string why;
        if (clients == profile_.clients && options_.stack_distance)
            why = why_left_out(arm, Purpose::stacks);
        return why.empty() ? "stacks were not taken" : why;
    }

    static void add_absent(std::vector<MetricValue>& to, std::span<const MetricInfo> metrics,
                           const std::string& why) {
        for (const auto& info : metrics) {
            MetricValue absent{.info = &info};
            absent.absent = why;
            to.push_back(std::move(absent));
        }
    }

    ArmResult arm_result(Arm arm, std::uint32_t clients) {
        const auto& found = found_.at({arm, clients});
        ArmResult result;
        result.target = url_of(arm).text;
        if (arm == Arm::harness) {
            result.valid = counts(*found.plain);
            return result;
        }
        result.valid = counts(*found.plain) && counts(found.counted->trial);
        result.metrics = metrics_of(arm, clients);
        result.checks = found.plain->checks;
        if (found.figures) result.checks.push_back(found.figures->conserved);
        return result;
    }

    void give_peaks(Arm arm, std::optional<Category> category, Found& found) {
        if (!found.figures) return;
        if (found.few && found.many) return add_peaks(*found.figures, *found.few, *found.many);
        if (!options_.in_flight) return;
        if (auto why = why_left_out(arm, Purpose::many, category); !why.empty())
            found.figures->why_no_peaks = std::move(why);
    }

    /// Whether its trials and the harness's are all there that metrics are made of.
    bool has_metrics(Arm arm, std::uint32_t clients) const {
        const auto harness = found_.find({Arm::harness, clients});
        const auto found = found_.find({arm, clients});
        return harness != found_.end() && harness->second.plain && found->second.plain &&
               (arm == Arm::harness || found->second.counted);
    }

    /// Of the events of one category alone.
    void conclude_alone(Arm arm, Category category, Found& found, CountedRound& counted) {
        // Of the round in which the target failed only what no round before has.
        if (!found.counted || (found.partial && !target_of(arm).alone[category].figures.empty()))
            return;
        give_peaks(arm, category, found);
        const auto& target = url_of(arm).text;
        note_ends(target, profile_.clients, found.counted->trial);
        if (found.figures) note(target, profile_.clients, found.figures->conserved);
        const auto* unended = unended_events(found.counted->trial.checks);
        const std::string why = unended != nullptr ? unended->detail : why_incomplete(found);
        if (arm == Arm::baseline || arm == Arm::candidate) {
            auto& alone = target_of(arm).alone[category];
            if (why.empty()) {
                alone.figures.push_back(*found.figures);
            } else if (alone.why_not_all.empty()) {
                alone.why_not_all = why;
            }
        }
        if (!why.empty()) return;
        counted.alone[category][static_cast<std::size_t>(arm)] = *std::move(found.figures);
    }

    void conclude_round() {
        Round round;
        round.index = number_;
        round.machine = machine_identity();
        CountedRound counted;
        for (auto& [key, found] : alone_) conclude_alone(key.first, key.second, found, counted);
        for (auto& [key, found] : found_) {
            const auto [arm, clients] = key;
            if (!has_metrics(arm, clients)) {
                if (clients == profile_.clients) round[arm].target = url_of(arm).text;
                continue;
            }
            if (clients == profile_.clients) give_peaks(arm, {}, found);
            auto result = arm_result(arm, clients);
            if (arm == Arm::baseline || arm == Arm::candidate)
                keep(target_of(arm), clients, found, result);
            if (clients != profile_.clients) continue;
            round.order.push_back(arm);
            round[arm] = std::move(result);
            if (arm != Arm::harness && counts(found.counted->trial) &&
                why_incomplete(found).empty())
                counted.scenario[static_cast<std::size_t>(arm)] = found.figures;
        }
        if (!compares()) return;
        profile_.rounds.push_back(std::move(round));
        profile_.counted.push_back(std::move(counted));
    }

    void keep(TargetMemory& target, std::uint32_t clients, const Found& found,
              const ArmResult& result) {
        for (const auto& missing : found.counted->missing) {
            // Process numbers differ in each trial; one line says what it is about.
            if (target.missing.empty()) target.missing.push_back(missing);
        }
        if (target.outside.empty()) target.outside = not_of_system(*found.counted);
        note_ends(target.target, clients, *found.plain);
        note_ends(target.target, clients, found.counted->trial);
        if (found.figures) note(target.target, clients, found.figures->conserved);
        const auto& phases = found.counted->trial.phases;
        if (!phases.empty()) target.deliveries[clients] += phases.back().delivery;
        // Of the round in which it failed only what no round before has.
        if (!result.valid || (found.partial && target.cells.contains(clients))) return;
        auto& cell = target.cells[clients];
        cell.rounds.push_back(number_);
        cell.metrics.push_back(result.metrics);
        if (why_incomplete(found).empty()) cell.figures.push_back(*found.figures);
        if (found.lifetimes) cell.lifetimes.push_back(*found.lifetimes);
    }

    /// What says whether all events of a trial have ended.
    void note_ends(const std::string& target, std::uint32_t clients, const TrialResult& trial) {
        for (const auto& check : trial.checks) {
            if (check.name == "conservation" || check.name == "no_losses")
                note(target, clients, check);
        }
    }

    /// Failed ones one by one; of those that pass how often.
    void note(const std::string& target, std::uint32_t clients, const Check& check) {
        auto& [passed, failed] = checks_[check.name];
        if (check.passed) {
            ++passed;
        } else if (failed.size() < kFailedShown) {
            failed.push_back(fmt::format("round {}, {} with {} client{}: {}", number_ + 1, target,
                                         clients, clients == 1 ? "" : "s", check.detail));
        }
    }

    void add_checks() {
        for (auto& [name, outcome] : checks_) {
            auto& [passed, failed] = outcome;
            if (failed.empty()) {
                profile_.checks.push_back({name, true, fmt::format("in all {} trials", passed)});
                continue;
            }
            for (auto& detail : failed) profile_.checks.push_back({name, false, std::move(detail)});
        }
    }

    static constexpr std::size_t kFailedShown = 3;

    const ProfileOptions& options_;
    const TargetUrl harness_;
    std::vector<std::uint32_t> counts_;
    MemoryProfile profile_;
    std::uint32_t number_ = 0;
    std::map<std::pair<Arm, std::uint32_t>, Found> found_;
    std::map<std::pair<Arm, Category>, Found> alone_;
    std::map<Group, std::string> given_up_;  ///< and why
    std::map<std::string, std::pair<std::uint64_t, std::vector<std::string>>> checks_;
};

}  // namespace

MemoryProfile run_memory_profile(const ProfileOptions& options) {
    return Profiler(options).run();
}

}  // namespace crucible::lab
