#include "lab/compare/trial_length.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "lab/compare/evidence.h"
#include "lab/stats/repetition_plan.h"

namespace crucible::lab {
namespace {

constexpr std::size_t kPointsMin = 4;
/// Longer than this nobody wants a trial to be: a minute of 100 ms.
constexpr std::uint32_t kPointsMost = 600;

/// Events handled in each 100 ms of the measured time of a closed loop.
std::vector<double> measured_course(const PhaseResult& phase) {
    if (phase.phase.open_loop() || phase.clients.empty()) return {};
    const auto& client = phase.clients.front();
    if (client.series_interval != Series::kFine) return {};
    const auto first = static_cast<std::size_t>(
        (client.window_start + Series::kFine - Duration(1)) / Series::kFine);
    const auto last =
        std::min(static_cast<std::size_t>((client.window_start + client.window) / Series::kFine),
                 phase.series.size());
    std::vector<double> course;
    for (std::size_t i = first; i < last; ++i)
        course.push_back(static_cast<double>(phase.series[i].handled));
    return course;
}

}  // namespace

std::optional<TrialLength> best_trial_length(const ScenarioRounds& scenario) {
    std::vector<std::vector<std::vector<double>>> rounds;
    std::size_t points = SIZE_MAX;
    double other_seconds = 0;
    double sum = 0;
    TrialLength length;
    for (const auto& round : scenario.rounds) {
        if (!round.valid()) continue;
        auto& trials = rounds.emplace_back();
        for (const Arm arm : {Arm::baseline, Arm::control}) {
            const auto* phase = throughput_phase(round[arm].phases);
            trials.push_back(phase ? measured_course(*phase) : std::vector<double>());
            points = std::min(points, trials.back().size());
            if (trials.back().size() < kPointsMin) return std::nullopt;
            length.now = phase->phase.closed_duration;
            other_seconds += std::chrono::duration<double>(round[arm].elapsed - length.now).count();
            sum += phase->throughput * std::chrono::duration<double>(Series::kFine).count();
        }
    }
    if (rounds.size() < kRoundsMin) return std::nullopt;
    for (auto& trials : rounds)
        for (auto& trial : trials) trial.resize(points);
    const auto trial_count = static_cast<double>(2 * rounds.size());
    const double mean = sum / trial_count;
    const auto variances = stats::level_variances(rounds);
    if (!(mean > 0) || variances[0] + variances[1] == 0) return std::nullopt;
    const std::array<stats::RepetitionLevel, 2> levels{
        stats::RepetitionLevel{.variance = variances[0],
                               .cost = std::chrono::duration<double>(Series::kFine).count()},
        stats::RepetitionLevel{.variance = variances[1],
                               .cost = std::max(0.01, other_seconds / trial_count)}};
    length.best = Series::kFine * stats::best_repetitions(levels, kPointsMost).front();
    length.within = std::sqrt(variances[0]) / mean;
    length.from_trials = std::sqrt(variances[1]) / mean;
    return length;
}

}  // namespace crucible::lab
