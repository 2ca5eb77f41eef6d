#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>

#include "lab/compare/metric_series.h"
#include "lab/compare/round_checks.h"
#include "lab/stats/robust.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab {
namespace {

constexpr Arm kAllArms[] = {Arm::baseline, Arm::control, Arm::candidate, Arm::harness};
constexpr Arm kSystemArms[] = {Arm::baseline, Arm::control, Arm::candidate};

RoundCheck verdict_on(std::string name, Consequence consequence, std::string trouble,
                      std::string otherwise) {
    const bool passed = trouble.empty();
    return {.check = {.name = std::move(name),
                      .passed = passed,
                      .detail = passed ? std::move(otherwise) : std::move(trouble)},
            .consequence = consequence};
}

std::string place(const Round& round, Arm arm) {
    return fmt::format("round {}, {}", round.index + 1, to_string(arm));
}

bool each_arm_once(const std::vector<Arm>& order) {
    return order.size() == kArmCount && std::ranges::all_of(kAllArms, [&](Arm arm) {
               return std::ranges::count(order, arm) == 1;
           });
}

/// Of a block of rounds that is whole: every arm once in every place.
bool balanced(std::span<const Round> block) {
    for (std::size_t at = 0; at < kArmCount; ++at) {
        for (const Arm arm : kAllArms) {
            const auto times = std::ranges::count_if(
                block, [&](const Round& round) { return round.order[at] == arm; });
            if (times != 1) return false;
        }
    }
    return true;
}

RoundCheck orders_balanced(const std::vector<Round>& rounds) {
    std::string trouble;
    for (const auto& round : rounds) {
        if (each_arm_once(round.order) || !trouble.empty()) continue;
        trouble = fmt::format("round {} does not run each arm once", round.index + 1);
    }
    const std::span all(rounds);
    for (std::size_t first = 0; trouble.empty() && first + kArmCount <= rounds.size();
         first += kArmCount) {
        if (balanced(all.subspan(first, kArmCount))) continue;
        trouble = fmt::format("rounds {} to {}: an arm stands twice in the same place", first + 1,
                              first + kArmCount);
    }
    return verdict_on("orders_balanced", Consequence::voids, std::move(trouble),
                      fmt::format("{} rounds, in blocks of {} in which every arm stands once in "
                                  "every place",
                                  rounds.size(), kArmCount));
}

/// Latencies of thousands of events are never the same twice to the nanosecond.
bool same_figures(const ArmResult& a, const ArmResult& b) {
    const auto* one = latency_phase(a.phases);
    const auto* other = latency_phase(b.phases);
    if (one == nullptr || other == nullptr || one->latency.count() < 100) return false;
    return one->latency.count() == other->latency.count() &&
           one->latency.mean_ns() == other->latency.mean_ns() &&
           one->latency.max() == other->latency.max();
}

std::string twice_counted(const std::vector<Round>& rounds) {
    std::vector<std::pair<const Round*, Arm>> trials;
    for (const auto& round : rounds)
        for (const Arm arm : kSystemArms) trials.emplace_back(&round, arm);
    // By mean latency, so that only neighbours can be the same.
    const auto mean = [](const auto& trial) {
        const auto* phase = latency_phase((*trial.first)[trial.second].phases);
        return phase == nullptr ? 0.0 : phase->latency.mean_ns();
    };
    std::ranges::sort(trials, {}, mean);
    for (std::size_t i = 1; i < trials.size(); ++i) {
        const auto& [round, arm] = trials[i - 1];
        const auto& [other_round, other_arm] = trials[i];
        if (!same_figures((*round)[arm], (*other_round)[other_arm])) continue;
        return fmt::format("one trial counts twice: {}; and {}", place(*round, arm),
                           place(*other_round, other_arm));
    }
    return {};
}

RoundCheck rounds_distinct(const std::vector<Round>& rounds) {
    std::string trouble;
    for (std::size_t i = 0; i < rounds.size() && trouble.empty(); ++i) {
        if (rounds[i].index == i) continue;
        trouble = fmt::format(
            "round {} stands where round {} should: some are left out or counted "
            "twice",
            rounds[i].index + 1, i + 1);
    }
    if (trouble.empty()) trouble = twice_counted(rounds);
    return verdict_on("rounds_distinct", Consequence::voids, std::move(trouble),
                      fmt::format("{} rounds, each counted once", rounds.size()));
}

RoundCheck same_targets(const std::vector<Round>& rounds) {
    std::string trouble;
    std::array<std::string, kArmCount> seen;
    for (const auto& round : rounds) {
        for (const Arm arm : kAllArms) {
            const auto& target = round[arm].target;
            auto& first = seen[static_cast<std::size_t>(arm)];
            if (target.empty() || !trouble.empty()) continue;
            if (first.empty()) first = target;
            if (target != first)
                trouble = fmt::format("{}: {}, before it {}", place(round, arm), target, first);
        }
    }
    const auto& baseline = seen[static_cast<std::size_t>(Arm::baseline)];
    const auto& control = seen[static_cast<std::size_t>(Arm::control)];
    if (trouble.empty() && !control.empty() && baseline != control)
        trouble = fmt::format("the control is {}, the baseline {}", control, baseline);
    return verdict_on("same_targets", Consequence::voids, std::move(trouble),
                      "each arm is one system in every round");
}

std::string phase_text(const PhaseResult& result) {
    const auto& phase = result.phase;
    return fmt::format(
        "{} {} warm-up {} ms, {} ms, window {}, think {} us, {} arrivals, {} clients", phase.name,
        phase.pattern ? phase.pattern->text() : "closed loop",
        phase.warmup / std::chrono::milliseconds(1),
        phase.duration() / std::chrono::milliseconds(1), phase.window,
        phase.think / std::chrono::microseconds(1), to_string(phase.arrivals),
        result.clients.size());
}

std::uint64_t payload_bytes(const PhaseResult& phase) {
    std::uint64_t bytes = 0;
    for (const auto& client : phase.clients) bytes += client.payload_bytes;
    return bytes;
}

/// What differs in the work of two arms; `same_events` where they are of one round.
std::string work_differs(const ArmResult& a, const ArmResult& b, bool same_events) {
    if (a.phases.size() != b.phases.size())
        return fmt::format("{} phases against {}", b.phases.size(), a.phases.size());
    for (std::size_t i = 0; i < a.phases.size(); ++i) {
        const auto& one = a.phases[i];
        const auto& other = b.phases[i];
        if (const auto was = phase_text(one), is = phase_text(other); was != is)
            return fmt::format("{} against {}", is, was);
        if (!same_events || !one.phase.open_loop()) continue;
        if (one.delivery.planned != other.delivery.planned)
            return fmt::format("{} events planned against {}", other.delivery.planned,
                               one.delivery.planned);
        const auto bytes = payload_bytes(one);
        const auto other_bytes = payload_bytes(other);
        // A target whose requests hold no payload has none to count.
        const bool all_sent = one.delivery.sent == one.delivery.planned &&
                              other.delivery.sent == other.delivery.planned;
        if (all_sent && bytes > 0 && other_bytes > 0 && bytes != other_bytes)
            return fmt::format("{} payload bytes sent against {}", other_bytes, bytes);
    }
    return {};
}

RoundCheck same_work(const std::vector<Round>& rounds) {
    std::string trouble;
    const Round* first = nullptr;
    for (const auto& round : rounds) {
        if (!round.valid() || !trouble.empty()) continue;
        if (first == nullptr) first = &round;
        const auto across = work_differs((*first)[Arm::baseline], round[Arm::baseline], false);
        if (!across.empty()) trouble = fmt::format("round {}: {}", round.index + 1, across);
        for (const Arm arm : {Arm::control, Arm::candidate}) {
            const auto within = work_differs(round[Arm::baseline], round[arm], true);
            if (!within.empty() && trouble.empty())
                trouble = fmt::format("{}: {}", place(round, arm), within);
        }
    }
    return verdict_on("same_work", Consequence::voids, std::move(trouble),
                      "every arm of every round was offered the same load");
}

RoundCheck one_machine(const std::vector<Round>& rounds) {
    std::string trouble;
    std::string machine;
    for (const auto& round : rounds) {
        if (round.machine.empty() || !trouble.empty()) continue;
        if (machine.empty()) machine = round.machine;
        if (round.machine != machine)
            trouble =
                fmt::format("round {}: {}; before it {}", round.index + 1, round.machine, machine);
    }
    return verdict_on("one_machine", Consequence::voids, std::move(trouble),
                      machine.empty() ? "not recorded" : machine);
}

/// Not what the hypervisor took: of a system that uses more it takes more, whoever is alike.
std::optional<double> neighbours(const ArmResult& arm) {
    return arm.surroundings.other_cores;
}

double middle(const std::vector<double>& values) {
    return values.empty() ? 0 : stats::median(values);
}

RoundCheck neighbours_alike(const std::vector<Round>& rounds) {
    std::vector<double> beside_baseline;
    std::vector<double> beside_candidate;
    std::vector<double> more;
    for (const auto& round : rounds) {
        const auto baseline = neighbours(round[Arm::baseline]);
        const auto control = neighbours(round[Arm::control]);
        const auto candidate = neighbours(round[Arm::candidate]);
        if (!round.valid() || !baseline || !control || !candidate) continue;
        beside_baseline.push_back((*baseline + *control) / 2);
        beside_candidate.push_back(*candidate);
        more.push_back(*candidate - beside_baseline.back());
    }
    if (more.empty())
        return verdict_on("neighbours_alike", Consequence::voids, {}, "not known of this target");
    // 99 % needs 8 rounds.
    const auto shift = stats::hodges_lehmann(more, more.size() < 8 ? 0.95 : 0.99);
    const bool unlike =
        shift && (shift->interval.low > kNeighbourCores || shift->interval.high < -kNeighbourCores);
    auto detail = fmt::format(
        "other programs took {:.2f} cores beside the baseline and {:.2f} "
        "beside the candidate",
        middle(beside_baseline), middle(beside_candidate));
    return verdict_on("neighbours_alike", Consequence::voids, unlike ? detail : std::string(),
                      detail);
}

RoundCheck neighbours_quiet(const std::vector<Round>& rounds) {
    std::size_t trials = 0;
    std::size_t busy = 0;
    double most = 0;
    double most_stolen = 0;
    for (const auto& round : rounds) {
        if (!round.valid()) continue;
        for (const Arm arm : kSystemArms) {
            const double others = neighbours(round[arm]).value_or(0);
            const double stolen = round[arm].surroundings.stolen_cores.value_or(0);
            ++trials;
            busy += others > kBusyCores || stolen > kStolenCores ? 1 : 0;
            most = std::max(most, others);
            most_stolen = std::max(most_stolen, stolen);
        }
    }
    auto detail = fmt::format(
        "other programs took more than {:g} cores, or the hypervisor more than "
        "{:g}, beside {} of {} trials; at most {:.2f} and {:.2f}",
        kBusyCores, kStolenCores, busy, trials, most, most_stolen);
    return verdict_on("neighbours_quiet", Consequence::caution,
                      busy * 10 > trials ? detail : std::string(), detail);
}

}  // namespace

std::vector<RoundCheck> check_design(const ScenarioRounds& scenario) {
    const auto& rounds = scenario.rounds;
    return {orders_balanced(rounds), rounds_distinct(rounds), same_targets(rounds),
            same_work(rounds), one_machine(rounds)};
}

std::vector<RoundCheck> check_neighbours(const ScenarioRounds& scenario) {
    return {neighbours_alike(scenario.rounds), neighbours_quiet(scenario.rounds)};
}

}  // namespace crucible::lab
