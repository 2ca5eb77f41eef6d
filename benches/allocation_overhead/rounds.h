#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "allocation_overhead/arms.h"
#include "base/rng.h"
#include "support/estimate.h"

namespace crucible::bench {

/// One of the things that a question compares.
struct WatchedArm {
    ProgramCall call;
    Watch watch = Watch::glibc;
    std::string name;  ///< empty: that of the watch
};

/// What a figure of a question may be.
struct Goal {
    enum class Of { value, difference, ratio };

    std::string figure;  ///< "64 B pair: exact counters - glibc"
    Of of = Of::value;
    std::size_t arm = 0;
    std::size_t baseline = 0;  ///< arm that it is held against, within rounds; not of a value
    double limit = 0;
    bool at_most = true;  ///< otherwise at least
};

/// What is asked of all arms in the same rounds.
struct OverheadQuestion {
    std::string part;
    std::string text;
    std::string name;  ///< of what is measured: "time_per_pair"
    std::string unit;  ///< of it in the result file
    std::string shown_unit;
    double shown_per_unit = 1;
    std::uint32_t rounds = 0;
    std::vector<WatchedArm> arms;
    std::vector<Goal> goals;
};

/// Asks questions: rounds in which each arm runs once, in random order. Prints a table of each, and
/// at the end one of the goals; keeps everything for the result file.
///
/// An arm's figure is the median over rounds with its distribution-free 95 % interval; differences
/// and ratios are taken within rounds: Hodges-Lehmann's estimate with its interval. A goal is met
/// where the whole interval keeps it, missed where all of it does not, else not decided.
class OverheadRounds {
public:
    OverheadRounds(const Arms& arms, std::uint64_t seed) : arms_(arms), seed_(seed), rng_(seed) {}

    void ask(const OverheadQuestion& question);
    void show_goals() const;

    const nlohmann::json& questions() const noexcept { return questions_; }
    /// Runs that failed, but for tools of others.
    std::uint32_t failures() const noexcept { return failures_; }

private:
    /// All rounds of one arm.
    struct Series {
        std::string absent;  ///< why there are no values
        std::vector<std::optional<double>> by_round;

        std::vector<double> values() const;
    };
    struct Judged {
        const Goal* goal = nullptr;
        Estimated estimate;
        std::string absent;
        std::string_view outcome;
    };

    void run(const OverheadQuestion& question, std::size_t arm, std::uint32_t round,
             Series& series);
    Judged judge(const Goal& goal, const OverheadQuestion& question,
                 const std::vector<Series>& all) const;
    nlohmann::json arm_json(const OverheadQuestion& question, std::size_t arm,
                            const Series& series) const;
    nlohmann::json goal_json(const OverheadQuestion& question, const Judged& judged) const;

    const Arms& arms_;
    std::uint64_t seed_;
    base::Rng rng_;
    nlohmann::json questions_ = nlohmann::json::array();
    std::vector<std::string> goal_lines_;
    std::uint32_t failures_ = 0;
};

}  // namespace crucible::bench
