#include "lab/memory/leak_json.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace crucible::lab {
namespace {

using nlohmann::json;

// Readers take `site` for the one to look at first; JSON has no infinity.
TEST(LeakJson, HasTheWorstSiteAndNullForInfinity) {
    LeakJudgement judgement;
    judgement.verdict = LeakVerdict::leak;
    judgement.reason = "1 of 7 sites: leak";
    judgement.iterations = 20;
    judgement.total = LeakSlope{0.5, 0.25, std::numeric_limits<double>::infinity()};
    judgement.smallest_visible = 0.125;
    judgement.growing = {
        {"a;b", LeakVerdict::leak, "grows", {0.5, 0.4, 0.6}, {0.5, 0.3, 0.7}, 0.001, 0.25},
        {"c", LeakVerdict::inconclusive, "varies", {}, {}, 1, std::nullopt}};
    judgement.growing[0].stack = {"leak (a.cpp:7)"};
    const json slope = {{"value", 0.0}, {"ci_low", 0.0}, {"ci_high", 0.0}};
    const json want = {
        {"verdict", "leak"},
        {"reason", "1 of 7 sites: leak"},
        {"iterations", 20},
        {"bytes_per_event", {{"value", 0.5}, {"ci_low", 0.25}, {"ci_high", nullptr}}},
        {"smallest_visible", 0.125},
        {"site", "a;b"},
        {"sites",
         {{{"site", "a;b"},
           {"verdict", "leak"},
           {"reason", "grows"},
           {"bytes_per_event", {{"value", 0.5}, {"ci_low", 0.4}, {"ci_high", 0.6}}},
           {"late_bytes_per_event", {{"value", 0.5}, {"ci_low", 0.3}, {"ci_high", 0.7}}},
           {"p_value", 0.001},
           {"smallest_visible", 0.25},
           {"stack", json::array({"leak (a.cpp:7)"})}},
          {{"site", "c"},
           {"verdict", "inconclusive"},
           {"reason", "varies"},
           {"bytes_per_event", slope},
           {"late_bytes_per_event", slope},
           {"p_value", 1.0},
           {"smallest_visible", nullptr},
           {"stack", json::array()}}}}};
    EXPECT_EQ(leak_json(judgement), want);
}

TEST(LeakJson, SaysWhatIsNotKnown) {
    const auto got = leak_json({});
    EXPECT_EQ(got.at("verdict"), "inconclusive");
    EXPECT_EQ(got.at("bytes_per_event"), nullptr);
    EXPECT_EQ(got.at("smallest_visible"), nullptr);
    EXPECT_EQ(got.at("site"), nullptr);
    EXPECT_EQ(got.at("sites"), json::array());
}

}  // namespace
}  // namespace crucible::lab
