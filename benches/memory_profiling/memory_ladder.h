#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "memory_profiling/memory_reading.h"
#include "support/rounds.h"

namespace crucible::bench {

/// One load of several that differ in one number.
struct LadderLevel {
    std::string name;  ///< "4 KiB"
    double at = 0;     ///< the number: 4096
    lab::Scenario scenario;
    double in_flight_least = 0;  ///< with fewer events at once a trial is none; 0: not looked at
};

/// A figure of readings, and what it is called.
struct ReadingMeasure {
    Measure measure;
    double MemoryReading::*figure;
};

ReadingMeasure memory_peak_reading();
ReadingMeasure live_bytes_reading();
ReadingMeasure live_peak_reading();
ReadingMeasure idle_bytes_reading();
ReadingMeasure allocations_reading();
ReadingMeasure allocated_bytes_reading();
ReadingMeasure throughput_reading();
ReadingMeasure in_flight_reading();

/// What a level's figures are held against.
enum class Against {
    coordinator,  ///< of the same level
    lowest,       ///< of the same target
};

/// Both architectures under each of several loads, all of them once in each round and in random
/// order, every time a fresh system. All of a round are sent the same events.
class MemoryLadder {
public:
    MemoryLadder(const Options& options, std::string part, std::vector<LadderLevel> levels);

    /// Runs all rounds. `text` says what varies.
    void ask(Rounds& rounds, const std::string& text, const std::vector<ReadingMeasure>& measures,
             Against against = Against::coordinator);
    /// Of the rounds that ask() ran: for each more of `per` ("client"), Theil-Sen slopes over the
    /// levels, one for each round that has them all.
    void ask_slopes(Rounds& rounds, std::string_view per,
                    const std::vector<ReadingMeasure>& measures) const;
    /// Of these rounds too: what each owner has under one of the loads.
    void ask_owners(Rounds& rounds, std::size_t level) const;

    std::size_t levels() const noexcept { return levels_.size(); }

private:
    using Cell = std::vector<std::optional<MemoryReading>>;  ///< by round

    std::size_t cell_of(std::size_t target, std::size_t level) const;
    Result<std::vector<double>> run(std::size_t target, std::size_t level,
                                    const std::vector<ReadingMeasure>& measures);
    std::optional<double> slope_of(std::size_t target, std::size_t round,
                                   double MemoryReading::*figure) const;

    const Options& options_;
    const std::string part_;
    const std::vector<LadderLevel> levels_;
    std::vector<Cell> cells_;
    /// Of each level: the harness alone, of the last round that needed it.
    std::vector<std::optional<lab::TrialResult>> harness_;
    std::vector<std::size_t> harness_round_;
};

}  // namespace crucible::bench
