#include "lab/memory/memory_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/rng.h"

namespace crucible::lab {
namespace {

/// One trial of a round.
struct Job {
    Arm arm;
    std::uint32_t clients;
    bool counting;  ///< with the tracker
};

/// What a round found of one arm with one number of clients.
struct Found {
    std::optional<TrialResult> plain;
    std::optional<MemoryTrial> counted;
    std::optional<MemoryFigures> figures;  ///< of its last phase
};

/// Memory is what it is whether or not events were sent in time; that they all ended matters.
bool counts(const TrialResult& trial) {
    if (trial.failure || trial.interrupted) return false;
    return std::ranges::none_of(trial.checks, [](const Check& check) {
        return check.name == "conservation" && !check.passed;
    });
}

class Profiler {
public:
    explicit Profiler(const ProfileOptions& options)
        : options_(options), harness_(*parse_target("null:")) {
        profile_.clients = options.scenario.plan.clients;
        for (const auto& target : options.targets)
            profile_.targets.push_back({target.text, {}, {}, {}});
        counts_ = options.ladder;
        counts_.push_back(profile_.clients);
        std::ranges::sort(counts_);
        counts_.erase(std::ranges::unique(counts_).begin(), counts_.end());
    }

    MemoryProfile run() {
        for (std::uint32_t r = 0; r < options_.rounds && going(); ++r) {
            number_ = r;
            found_.clear();
            for (const Job& job : jobs(r)) {
                if (going()) run_job(job);
            }
            if (going()) conclude_round();
        }
        for (std::size_t i = 0; i < options_.targets.size() && options_.leak_iterations > 0; ++i) {
            if (going()) look_for_leaks(options_.targets[i], profile_.targets[i]);
        }
        add_checks();
        return std::move(profile_);
    }

private:
    bool going() const { return !profile_.failure && !profile_.interrupted; }
    bool compares() const { return options_.targets.size() == 2; }

    const TargetUrl& url_of(Arm arm) const {
        if (arm == Arm::harness) return harness_;
        return arm == Arm::candidate ? options_.targets[1] : options_.targets[0];
    }

    std::vector<Job> jobs(std::uint32_t round) const {
        std::vector<Job> all;
        for (const std::uint32_t clients : counts_) {
            const bool compared = clients == profile_.clients;
            if (!compared && round >= options_.ladder_rounds) continue;
            all.push_back({Arm::harness, clients, false});
            std::vector<Arm> arms{Arm::baseline};
            if (compares()) arms.push_back(Arm::candidate);
            if (compares() && compared) arms.push_back(Arm::control);
            for (const Arm arm : arms) {
                all.push_back({arm, clients, false});
                all.push_back({arm, clients, true});
            }
        }
        base::Rng random(round_seed(options_.seed, 1, round));
        for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random.below(i)]);
        return all;
    }

    Plan plan_of(const Job& job) const {
        Plan plan = options_.scenario.plan;
        plan.clients = job.clients;
        plan.workload.seed = round_seed(options_.seed, 0, number_);
        if (!job.counting) return plan;
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
    TrialOptions trial_options(const Job& job) {
        return trial_options(fmt::format("{} with {} client{}{}", url_of(job.arm).text, job.clients,
                                         job.clients == 1 ? "" : "s",
                                         job.counting ? ", counting" : ""));
    }

    /// One trial of many equal iterations.
    void look_for_leaks(const TargetUrl& url, TargetMemory& target) {
        Plan plan = options_.scenario.plan;
        plan.workload.seed = round_seed(options_.seed, 2, 0);
        const auto once = plan.phases;
        for (std::uint32_t i = 1; i < kLeakWarmUp + options_.leak_iterations; ++i)
            plan.phases.insert(plan.phases.end(), once.begin(), once.end());
        auto trial =
            run_memory_trial(url, options_.scenario.system, plan,
                             trial_options(url.text + ", watched for leaks"), options_.tracker);
        if (!trial) return fail(trial.error());
        note(trial->trial);
        if (!going()) return;
        target.leak = judge(*trial, once.size());
    }

    /// `each`: phases of an iteration.
    static LeakJudgement judge(const MemoryTrial& trial, std::size_t each) {
        LeakJudgement unknown;
        if (!trial.missing.empty()) {
            unknown.reason = trial.missing.front();
            return unknown;
        }
        if (!counts(trial.trial)) {
            unknown.reason = "events were lost";
            return unknown;
        }
        auto courses = owner_courses(trial);
        if (courses.empty()) {
            unknown.reason = "no process of the system is known";
            return unknown;
        }
        LeakOptions judged{.events_per_iteration = 0, .warm_up = kLeakWarmUp};
        const auto& phases = trial.trial.phases;
        for (std::size_t first = 0; first + each <= phases.size(); first += each) {
            double events = 0;
            for (std::size_t i = first; i < first + each; ++i)
                events += static_cast<double>(phases[i].delivery.sent);
            judged.events.push_back(std::max(events, 1.0));
        }
        // What is held at the end of each iteration.
        const auto ends_only = [&](std::vector<double>& values) {
            for (std::size_t i = 0; i < judged.events.size(); ++i)
                values[i] = values[(i + 1) * each - 1];
            values.resize(judged.events.size());
        };
        for (auto& course : courses) {
            ends_only(course.live_bytes);
            ends_only(course.live_objects);
        }
        return judge_leaks(courses, judged);
    }

    void run_job(const Job& job) {
        const auto& url = url_of(job.arm);
        const Plan plan = plan_of(job);
        auto& found = found_[{job.arm, job.clients}];
        if (job.counting) {
            auto trial = run_memory_trial(url, options_.scenario.system, plan, trial_options(job),
                                          options_.tracker);
            if (!trial) return fail(trial.error());
            note(trial->trial);
            if (!trial->trial.phases.empty())
                found.figures = memory_figures(*trial, trial->trial.phases.size() - 1);
            found.counted = *std::move(trial);
        } else {
            auto trial = run_trial(url, options_.scenario.system, plan, trial_options(job));
            if (!trial) return fail(trial.error());
            note(*trial);
            found.plain = *std::move(trial);
        }
    }

    void fail(const Error& error) {
        if (options_.stop.stop_requested()) {
            profile_.interrupted = true;
        } else {
            profile_.failure = error;
        }
    }

    void note(const TrialResult& trial) {
        if (trial.failure) profile_.failure = trial.failure;
        if (trial.interrupted) profile_.interrupted = true;
    }

    /// The metrics of one arm; what has no value says why.
    std::vector<MetricValue> metrics_of(Arm arm, std::uint32_t clients) const {
        const auto& found = found_.at({arm, clients});
        const auto& figures = found.figures;
        const auto& harness = found_.at({Arm::harness, clients});
        std::vector<MetricValue> metrics;
        for (auto& value : trial_metrics(*found.plain, &*harness.plain)) {
            if (std::ranges::find(kPlainMemoryMetrics, value.info->name) !=
                kPlainMemoryMetrics.end())
                metrics.push_back(std::move(value));
        }
        std::string incomplete;
        if (!found.counted->missing.empty()) {
            incomplete = found.counted->missing.front();
        } else if (!figures) {
            incomplete = "no process of the system is known";
        } else if (!figures->conserved.passed) {
            incomplete = figures->conserved.detail;
        }
        if (incomplete.empty()) {
            for (auto& value : allocation_values(*figures)) metrics.push_back(std::move(value));
            return metrics;
        }
        for (const auto& info : allocation_metrics()) {
            MetricValue absent{.info = &info};
            absent.absent = incomplete;
            metrics.push_back(std::move(absent));
        }
        return metrics;
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

    void conclude_round() {
        Round round;
        round.index = number_;
        round.machine = machine_identity();
        for (const auto& [key, found] : found_) {
            const auto [arm, clients] = key;
            auto result = arm_result(arm, clients);
            if (arm == Arm::baseline || arm == Arm::candidate)
                keep(profile_.targets[arm == Arm::candidate ? 1 : 0], clients, found, result);
            if (clients != profile_.clients) continue;
            round.order.push_back(arm);
            round[arm] = std::move(result);
        }
        if (compares()) profile_.rounds.push_back(std::move(round));
    }

    void keep(TargetMemory& target, std::uint32_t clients, const Found& found,
              const ArmResult& result) {
        for (const auto& missing : found.counted->missing) {
            // Process numbers differ in each trial; one line says what it is about.
            if (target.missing.empty()) target.missing.push_back(missing);
        }
        for (const auto& check : result.checks) {
            if (check.name == "conservation" || check.name == "memory_conserved")
                note(target.target, clients, check);
        }
        if (!result.valid) return;
        auto& cell = target.cells[clients];
        cell.rounds.push_back(number_);
        cell.metrics.push_back(result.metrics);
        if (found.figures) cell.figures.push_back(*found.figures);
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
    std::map<std::string, std::pair<std::uint64_t, std::vector<std::string>>> checks_;
};

}  // namespace

MemoryProfile run_memory_profile(const ProfileOptions& options) {
    return Profiler(options).run();
}

}  // namespace crucible::lab
