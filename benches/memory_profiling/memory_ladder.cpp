#include "memory_profiling/memory_ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "lab/stats/trend.h"

namespace crucible::bench {
namespace {

constexpr std::array<std::string_view, 2> kTargets{"coordinator:", "daemon:"};
constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr double kPerKiB = 1.0 / (1 << 10);

/// What was measured before, round after round; NaN is none.
template <typename Values>
std::function<Result<std::vector<double>>()> replay(Values values) {
    return [=, round = std::size_t{0}]() mutable -> Result<std::vector<double>> {
        return values(round++);
    };
}

std::vector<Measure> measures_of(const std::vector<ReadingMeasure>& readings) {
    std::vector<Measure> measures;
    for (const auto& one : readings) measures.push_back(one.measure);
    return measures;
}

}  // namespace

ReadingMeasure memory_peak_reading() {
    auto measure = bytes_measure("memory_peak", "MiB", kPerMiB);
    measure.why_none = "not told apart from the harness: less than a tenth of its own";
    return {std::move(measure), &MemoryReading::memory_peak};
}
ReadingMeasure live_bytes_reading() {
    return {bytes_measure("live_bytes", "MiB", kPerMiB), &MemoryReading::live_bytes};
}
ReadingMeasure live_peak_reading() {
    return {bytes_measure("live_bytes_peak", "MiB", kPerMiB), &MemoryReading::live_bytes_peak};
}
ReadingMeasure idle_bytes_reading() {
    return {bytes_measure("idle_bytes", "MiB", kPerMiB), &MemoryReading::idle_bytes};
}
ReadingMeasure allocations_reading() {
    return {{"allocations_per_event", "1", "lower", "allocations", 1},
            &MemoryReading::allocations_per_event};
}
ReadingMeasure allocated_bytes_reading() {
    return {bytes_measure("allocated_bytes_per_event", "KiB", kPerKiB),
            &MemoryReading::bytes_per_event};
}
ReadingMeasure throughput_reading() {
    return {throughput_measure(), &MemoryReading::throughput};
}
ReadingMeasure in_flight_reading() {
    return {{"in_flight", "1", "higher", "events", 1}, &MemoryReading::in_flight};
}

MemoryLadder::MemoryLadder(const Options& options, std::string part,
                           std::vector<LadderLevel> levels)
    : options_(options),
      part_(std::move(part)),
      levels_(std::move(levels)),
      cells_(kTargets.size() * levels_.size()),
      harness_(levels_.size()),
      harness_round_(levels_.size()) {}

std::size_t MemoryLadder::cell_of(std::size_t target, std::size_t level) const {
    return level * kTargets.size() + target;
}

Result<std::vector<double>> MemoryLadder::run(std::size_t target, std::size_t level,
                                              const std::vector<ReadingMeasure>& measures) {
    auto& cell = cells_[cell_of(target, level)];
    const std::size_t round = cell.size();
    cell.emplace_back();
    lab::Scenario scenario = levels_[level].scenario;
    scenario.plan.workload.seed =
        lab::round_seed(options_.seed, 0, static_cast<std::uint32_t>(round));
    if (!harness_[level] || harness_round_[level] != round) {
        auto alone = harness_trial(scenario);
        if (!alone) return std::unexpected(alone.error());
        harness_[level] = *std::move(alone);
        harness_round_[level] = round;
    }
    auto reading = read_memory(std::string(kTargets[target]), scenario, *harness_[level]);
    if (!reading) return std::unexpected(reading.error());
    if (reading->in_flight < levels_[level].in_flight_least) {
        return std::unexpected(
            Error{Errc::failed,
                  fmt::format("only {} events were under way at once", reading->in_flight)});
    }
    cell.back() = *std::move(reading);
    std::vector<double> values;
    for (const auto& measure : measures) values.push_back(*cell.back().*measure.figure);
    return values;
}

void MemoryLadder::ask(Rounds& rounds, const std::string& text,
                       const std::vector<ReadingMeasure>& measures, Against against) {
    Question question{.part = part_,
                      .text = text,
                      .measures = measures_of(measures),
                      .arms = {},
                      .first_to_other = false,
                      .ratio_label = against == Against::coordinator ? "to c." : "to 1st"};
    for (std::size_t level = 0; level < levels_.size(); ++level) {
        for (std::size_t target = 0; target < kTargets.size(); ++target) {
            question.arms.push_back(
                {fmt::format("{} {}", kTargets[target], levels_[level].name),
                 "fresh processes, the same events; memory without counting and net of the "
                 "harness, allocations with the tracker",
                 [this, target, level, &measures] { return run(target, level, measures); },
                 against == Against::coordinator ? cell_of(0, level) : cell_of(target, 0)});
        }
    }
    rounds.ask(question);
}

std::optional<double> MemoryLadder::slope_of(std::size_t target, std::size_t round,
                                             double MemoryReading::*figure) const {
    std::vector<double> at;
    std::vector<double> values;
    for (std::size_t level = 0; level < levels_.size(); ++level) {
        const auto& cell = cells_[cell_of(target, level)];
        if (round >= cell.size() || !cell[round]) return std::nullopt;
        const double value = *cell[round].*figure;
        if (!std::isfinite(value)) return std::nullopt;
        at.push_back(levels_[level].at);
        values.push_back(value);
    }
    if (at.size() < 2) return std::nullopt;
    return lab::stats::theil_sen_slope(at, values);
}

void MemoryLadder::ask_slopes(Rounds& rounds, std::string_view per,
                              const std::vector<ReadingMeasure>& readings) const {
    Question question{.part = part_,
                      .text = fmt::format("{}: each more {}, {} to {}", part_, per,
                                          levels_.front().name, levels_.back().name),
                      .measures = {},
                      .arms = {},
                      .first_to_other = false,
                      .ratio_label = "to c."};
    for (const auto& reading : readings) {
        auto measure = reading.measure;
        measure.name += fmt::format("_per_{}", per);
        std::ranges::replace(measure.name, ' ', '_');
        measure.why_none = "no round has a value under each of these loads";
        if (measure.unit == "bytes") measure.shown_unit = "B", measure.shown_per_unit = 1;
        question.measures.push_back(std::move(measure));
    }
    for (std::size_t target = 0; target < kTargets.size(); ++target) {
        question.arms.push_back(
            {std::string(kTargets[target]), "Theil-Sen slope of each round",
             replay([this, target, readings](std::size_t round) {
                 std::vector<double> slopes;
                 for (const auto& reading : readings)
                     slopes.push_back(slope_of(target, round, reading.figure).value_or(kNothing));
                 return slopes;
             })});
    }
    rounds.ask(question);
}

void MemoryLadder::ask_owners(Rounds& rounds, std::size_t level) const {
    for (std::size_t target = 0; target < kTargets.size(); ++target) {
        const auto& cell = cells_[cell_of(target, level)];
        std::vector<std::pair<std::string, std::string>> owners;
        for (const auto& round : cell) {
            if (!round) continue;
            for (const auto& owner : round->owners) {
                const std::pair key{owner.place, owner.owner};
                if (std::ranges::find(owners, key) == owners.end()) owners.push_back(key);
            }
        }
        if (owners.empty()) continue;
        std::ranges::sort(owners);
        Question question{.part = part_,
                          .text = fmt::format("{}: {} {}, by owner: live, peak; of each event: "
                                              "allocations, allocated",
                                              part_, kTargets[target], levels_[level].name),
                          .measures = {bytes_measure("live_bytes", "live KiB", kPerKiB),
                                       bytes_measure("peak_bytes", "peak KiB", kPerKiB),
                                       {"allocations_per_event", "1", "lower", "allocations", 1},
                                       bytes_measure("bytes_per_event")},
                          .arms = {},
                          .first_to_other = false,
                          .side_by_side = true};
        for (const auto& owner : owners) {
            const auto values = [&cell, owner](std::size_t round) -> std::vector<double> {
                if (round >= cell.size() || !cell[round])
                    return {kNothing, kNothing, kNothing, kNothing};
                for (const auto& one : cell[round]->owners) {
                    if (one.place != owner.first || one.owner != owner.second) continue;
                    const double events = cell[round]->events;
                    return {one.live_bytes, one.peak_bytes, one.allocations / events,
                            one.bytes / events};
                }
                return {0, 0, 0, 0};
            };
            question.arms.push_back({fmt::format("{}: {}", owner.first, owner.second),
                                     "what this owner allocated and holds, in all processes of "
                                     "this place",
                                     replay(values), question.arms.size()});
        }
        rounds.ask(question);
    }
}

}  // namespace crucible::bench
