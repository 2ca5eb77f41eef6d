#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "crucible/error.h"
#include "support/options.h"

namespace crucible::bench {

/// A figure that every trial of a question yields, in the unit of result files.
struct Measure {
    std::string name;    ///< "throughput"
    std::string unit;    ///< "events/s"
    std::string better;  ///< "higher" or "lower"
    std::string shown_unit;
    double shown_per_unit = 1;  ///< the shown value is the value times this
    std::string why_none = {};  ///< why a trial may yield none
};

Measure throughput_measure();
/// `name` is latency_p50, …: kept in seconds, shown in microseconds.
Measure latency_measure(std::string name);
inline constexpr double kPerMiB = 1.0 / (1 << 20);
Measure bytes_measure(std::string name, std::string shown_unit = "B", double shown_per_unit = 1);

/// What a trial of one measure gives.
Result<std::vector<double>> one_value(const Result<double>& value);

/// One of the things that a question compares.
struct Arm {
    std::string name;
    std::string description;  ///< goes into the result file
    /// One trial from start to stop: a value for each measure, NaN where it yields none.
    /// - Errc::unsupported: not installed here, in no round.
    std::function<Result<std::vector<double>>()> trial;
    std::size_t against = 0;  ///< the arm to which it has a ratio; to itself there is none
};

/// What is asked of all arms in the same rounds.
struct Question {
    std::string part;
    std::string text;
    std::vector<Measure> measures;
    std::vector<Arm> arms;
    /// Ratios are those of the first arm to another; otherwise of another to the first.
    bool first_to_other = true;
    std::string ratio_label = "ratio";
    /// One table of medians, a column for each measure, instead of a table for each.
    bool side_by_side = false;
};

/// Asks questions: rounds in which each arm has one trial, in random order. Prints tables, and
/// keeps everything for the result file.
///
/// Of each arm: the median over rounds with its distribution-free 95 % interval, and the spread
/// between rounds, (greatest - least) / median. Ratios are taken within rounds: Hodges-Lehmann's
/// estimate with the interval of lab/stats/effect.h. Below 6 rounds there are no intervals.
class Rounds {
public:
    explicit Rounds(const Options& options) : options_(options), rng_(options.seed) {}

    void ask(const Question& question);
    /// A part that cannot ask: as a failed trial.
    void fail(std::string_view where, const Error& error);

    const nlohmann::json& questions() const noexcept { return questions_; }
    /// Adds to a list of the result file that is no question of rounds.
    void record(const std::string& list, nlohmann::json entry);
    nlohmann::json records(const std::string& list) const;
    /// Trials of what is installed that failed.
    std::uint32_t failures() const noexcept { return failures_; }

private:
    /// All rounds of one arm.
    struct Series {
        std::string absent;  ///< why there are no values
        bool not_installed = false;
        std::vector<std::optional<std::vector<double>>> by_round;

        std::vector<double> values(std::size_t measure) const;
    };

    /// What all rounds say of one measure of one arm.
    struct Row;

    void run_trial(const Question& question, std::size_t arm, std::uint32_t round, Series& series);
    std::vector<Row> rows_of(const Question& question, std::size_t measure,
                             const std::vector<Series>& all) const;

    const Options& options_;
    base::Rng rng_;
    nlohmann::json questions_ = nlohmann::json::array();
    nlohmann::json records_ = nlohmann::json::object();
    std::uint32_t failures_ = 0;
};

}  // namespace crucible::bench
