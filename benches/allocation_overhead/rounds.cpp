#include "allocation_overhead/rounds.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "lab/compare/json_parts.h"

namespace crucible::bench {
namespace {

using nlohmann::json;

std::string name_of(const WatchedArm& arm) {
    return arm.name.empty() ? std::string(name_of(arm.watch)) : arm.name;
}

std::string_view outcome_of(const Goal& goal, const Estimated& estimate) {
    if (!std::isfinite(estimate.value)) return "not measured";
    const auto keeps = [&](double value) {
        return goal.at_most ? value <= goal.limit : value >= goal.limit;
    };
    if (!std::isfinite(estimate.low) || keeps(estimate.low) != keeps(estimate.high))
        return "not decided";
    return keeps(estimate.low) ? "met" : "missed";
}

/// What its figure is in, and what a value in the question's unit is in that.
struct FigureUnit {
    std::string name;
    double per_unit = 1;
};
FigureUnit unit_of(const Goal& goal, const OverheadQuestion& question) {
    if (goal.of == Goal::Of::ratio) return {"times", 1};
    return {question.shown_unit, question.shown_per_unit};
}

std::string bracketed(const Estimated& estimate, double per_unit) {
    return fmt::format("[{:>7}, {:>7}]", four_digits(estimate.low * per_unit),
                       four_digits(estimate.high * per_unit));
}

}  // namespace

std::vector<double> OverheadRounds::Series::values() const {
    std::vector<double> all;
    for (const auto& round : by_round)
        if (round) all.push_back(*round);
    return all;
}

void OverheadRounds::run(const OverheadQuestion& question, std::size_t arm, std::uint32_t round,
                         Series& series) {
    const auto& asked = question.arms[arm];
    const auto value = arms_.run(asked.call, asked.watch);
    if (value) {
        series.by_round[round] = *value;
        return;
    }
    series.absent = value.error().message;
    if (is_tool(asked.watch)) return;
    ++failures_;
    fmt::print(stderr, "{}, {}, round {}: {}\n", question.text, name_of(asked), round + 1,
               series.absent);
}

void OverheadRounds::ask(const OverheadQuestion& question) {
    std::vector<Series> all(question.arms.size());
    for (auto& series : all) series.by_round.resize(question.rounds);
    for (std::uint32_t round = 0; round < question.rounds; ++round) {
        for (const std::size_t arm : random_order(question.arms.size(), rng_)) {
            // A tool that did not run once will not the next time.
            if (is_tool(question.arms[arm].watch) && !all[arm].absent.empty()) continue;
            run(question, arm, round, all[arm]);
        }
    }
    fmt::print("\n{}, {}\n  {:24} {:>8} {:18} {:>6}\n", question.text, question.shown_unit, "",
               "median", "[95 %]", "rounds");
    json arms = json::array();
    for (std::size_t arm = 0; arm < all.size(); ++arm)
        arms.push_back(arm_json(question, arm, all[arm]));
    json goals = json::array();
    for (const auto& goal : question.goals) {
        const auto judged = judge(goal, question, all);
        const auto unit = unit_of(goal, question);
        const auto limit = fmt::format(
            "{} {:g} {}", goal.at_most ? "<=" : ">=", goal.limit * unit.per_unit, unit.name);
        goal_lines_.push_back(fmt::format("  {:44} {:>8} {:18}  {:13}  {}{}", goal.figure,
                                          four_digits(judged.estimate.value * unit.per_unit),
                                          bracketed(judged.estimate, unit.per_unit), limit,
                                          judged.outcome,
                                          judged.absent.empty() ? "" : ": " + judged.absent));
        goals.push_back(goal_json(question, judged));
    }
    std::fflush(stdout);
    questions_.push_back({{"part", question.part},
                          {"question", question.text},
                          {"measure", question.name},
                          {"unit", question.unit},
                          {"rounds", question.rounds},
                          {"arms", std::move(arms)},
                          {"goals", std::move(goals)}});
}

json OverheadRounds::arm_json(const OverheadQuestion& question, std::size_t arm,
                              const Series& series) const {
    const auto& asked = question.arms[arm];
    const auto values = series.values();
    const auto median = median_estimate(values);
    if (values.empty()) {
        fmt::print("  {:24} {}\n", name_of(asked), series.absent);
    } else {
        fmt::print("  {:24} {:>8} {} {:>6}\n", name_of(asked),
                   four_digits(median.value * question.shown_per_unit),
                   bracketed(median, question.shown_per_unit), values.size());
    }
    json by_round = json::array();
    for (const auto& value : series.by_round)
        by_round.push_back(value ? lab::number(*value) : json());
    json one = estimate_to_json(median);
    one.update({{"arm", name_of(asked)},
                {"description", description_of(asked.watch)},
                {"n", values.size()},
                {"values", std::move(by_round)},
                {"absent", values.empty() ? series.absent : ""}});
    return one;
}

OverheadRounds::Judged OverheadRounds::judge(const Goal& goal, const OverheadQuestion& question,
                                             const std::vector<Series>& all) const {
    Judged judged{.goal = &goal, .estimate = {}, .absent = "", .outcome = ""};
    if (goal.of == Goal::Of::value) {
        judged.estimate = median_estimate(all[goal.arm].values());
    } else {
        std::vector<double> within;
        for (std::size_t round = 0; round < question.rounds; ++round) {
            const auto& value = all[goal.arm].by_round[round];
            const auto& baseline = all[goal.baseline].by_round[round];
            if (!value || !baseline) continue;
            within.push_back(goal.of == Goal::Of::ratio ? std::log(*value / *baseline)
                                                        : *value - *baseline);
        }
        judged.estimate = goal.of == Goal::Of::ratio ? ratio_estimate(within, seed_)
                                                     : paired_estimate(within, seed_);
    }
    judged.outcome = outcome_of(goal, judged.estimate);
    if (std::isfinite(judged.estimate.value)) return judged;
    judged.absent = all[goal.arm].absent.empty() ? all[goal.baseline].absent : all[goal.arm].absent;
    return judged;
}

json OverheadRounds::goal_json(const OverheadQuestion& question, const Judged& judged) const {
    const auto& goal = *judged.goal;
    json one = estimate_to_json(judged.estimate);
    one.update({{"figure", goal.figure},
                {"unit", goal.of == Goal::Of::ratio ? "times" : question.unit},
                {"limit", goal.limit},
                {"limit_is", goal.at_most ? "at_most" : "at_least"},
                {"outcome", judged.outcome},
                {"absent", judged.absent}});
    return one;
}

void OverheadRounds::show_goals() const {
    fmt::print("\ngoals\n  {:44} {:>8} {:18}  {:13}  {}\n", "", "figure", "[95 %]", "limit",
               "outcome");
    for (const auto& line : goal_lines_) fmt::print("{}\n", line);
}

}  // namespace crucible::bench
