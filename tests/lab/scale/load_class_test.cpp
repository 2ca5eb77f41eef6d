#include "lab/scale/load_class.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"

namespace crucible::lab::scale {
namespace {

nlohmann::json rfc9971() {
    const auto text = base::read_file(std::string(CRUCIBLE_TEST_DATA) + "/scaling/rfc9971.json");
    if (!text) {
        ADD_FAILURE() << text.error().message;
        return {};
    }
    return nlohmann::json::parse(*text);
}

LoadGoal goal_of(const nlohmann::json& goal) {
    return {.final_trial_duration = goal.at("final_trial_duration_s"),
            .duration_sum = goal.at("duration_sum_s"),
            .loss_ratio = goal.at("loss_ratio"),
            .exceed_ratio = goal.at("exceed_ratio")};
}

std::vector<TrialAtLoad> trials_of(const nlohmann::json& point) {
    std::vector<TrialAtLoad> trials;
    for (const auto& trial : point.at("trials")) trials.push_back({trial.at(0), trial.at(1)});
    return trials;
}

// The RFC's worked example, six moments of a search under four goals. Its printed table contradicts
// its own code twice; the code is what counts, and the two must be known to differ.
TEST(LoadClass, AgreesWithTheRfcsExample) {
    const auto data = rfc9971();
    int as_printed = 0;
    int contradicted = 0;
    for (const auto& test : data.at("cases")) {
        SCOPED_TRACE(test.dump());
        const auto& point = data.at("points").at(test.at("point").get<std::size_t>() - 1);
        const auto& goal = data.at("goals").at(test.at("goal").get<std::size_t>() - 1);
        const auto got = classify_load(trials_of(point), goal_of(goal));
        EXPECT_EQ(to_string(got), test.at("expect").get<std::string>());
        ++(to_string(got) == test.at("printed_in_rfc").get<std::string>() ? as_printed
                                                                          : contradicted);
    }
    EXPECT_EQ(as_printed, 22);
    EXPECT_EQ(contradicted, 2);
}

// Two of three trials decide, and the third is not waited for.
TEST(LoadClass, TheMajorityOfThreeDecidesEarly) {
    const LoadGoal goal{.duration_sum = 3, .exceed_ratio = 0.5};
    std::vector<TrialAtLoad> trials;
    EXPECT_EQ(classify_load(trials, goal), LoadClass::undecided);
    trials.push_back({1, 0});
    EXPECT_EQ(classify_load(trials, goal), LoadClass::undecided);
    trials.push_back({1, 1});
    EXPECT_EQ(classify_load(trials, goal), LoadClass::undecided);
    auto held = trials;
    held.push_back({1, 0});
    EXPECT_EQ(classify_load(held, goal), LoadClass::lower_bound);
    auto broken = trials;
    broken.push_back({1, 1});
    EXPECT_EQ(classify_load(broken, goal), LoadClass::upper_bound);
}

// Half of the time may be of any loss, so the loss that counts is the one that the better half
// stays within. What is missing of the goal's time has lost everything.
TEST(LoadClass, ConditionalThroughputIsWhatTheBetterShareOfTimeKeeps) {
    const LoadGoal goal{.duration_sum = 4, .loss_ratio = 0.1, .exceed_ratio = 0.5};
    const std::vector<TrialAtLoad> trials{{1, 0.5}, {1, 0.02}, {1, 0}, {1, 0.05}};
    EXPECT_DOUBLE_EQ(*conditional_throughput(1000, trials, goal), 980);
    const std::vector<TrialAtLoad> one{{1, 0.02}};
    EXPECT_DOUBLE_EQ(*conditional_throughput(1000, one, goal), 0);
    const std::vector<TrialAtLoad> too_short{{0.5, 0}};
    EXPECT_FALSE(conditional_throughput(1000, too_short, goal));
}

}  // namespace
}  // namespace crucible::lab::scale
