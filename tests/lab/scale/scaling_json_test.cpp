#include "lab/scale/scaling_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace crucible::lab::scale {
namespace {

// Null says that one of the laws has no such figure, and every law has a gamma.
TEST(ScalingJson, TellsThatThereIsNoLawFromALawWithoutAFigure) {
    const nlohmann::json absent{
        {"absent", "no law could be fitted to the rounds of both, or not without each of them"}};
    EXPECT_EQ(curve_comparison_json({}, 6), absent);
    const stats::LocationEstimate same{1, {0.9, 1.1}, 0.95};
    const auto lines = curve_comparison_json({.gamma_ratio = same,
                                              .alpha_difference = same,
                                              .beta_difference = same,
                                              .limit_ratio = {},
                                              .peak_ratio = {}},
                                             6);
    EXPECT_EQ(lines["rounds"], 6);
    EXPECT_EQ(lines["gamma_ratio"]["value"], 1);
    EXPECT_TRUE(lines["limit_ratio"].is_null());
    EXPECT_FALSE(lines.contains("absent"));
}

}  // namespace
}  // namespace crucible::lab::scale
