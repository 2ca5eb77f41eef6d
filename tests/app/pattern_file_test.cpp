#include "app/crucible/pattern_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/crucible/scenario.h"
#include "base/file.h"

namespace crucible::app {
namespace {

using namespace std::chrono_literals;

// What a file says is the same pattern as its phases on the command line.
TEST(PatternFile, HoldsPhasesInOrder) {
    const auto pattern = parse_pattern_file(R"(
[[phase]]
name = "morning"
pattern = "ramp:0,400,10s"
[[phase]]
pattern = "spike:400,900,1s,5s"
)",
                                            "day.toml");
    ASSERT_TRUE(pattern) << pattern.error().message;
    EXPECT_EQ(pattern->text(), "morning=ramp:0,400,10s;spike:400,900,1s,5s");
    std::vector<std::string> names;
    for (const auto& segment : pattern->segments()) names.push_back(segment.name);
    EXPECT_EQ(names, (std::vector<std::string>{"morning", "before", "peak", "after"}));
    EXPECT_EQ(pattern_name(*pattern), "mixed");
}

TEST(PatternFile, IsReadByMixed) {
    const auto directory = base::TempDir::make("pattern");
    ASSERT_TRUE(directory);
    const std::string path = directory->path() / "day.toml";
    ASSERT_TRUE(base::write_file(path, "[[phase]]\npattern = \"sine:5,2,1s,9s\"\n"));
    const auto pattern = load_pattern("mixed:" + path);
    ASSERT_TRUE(pattern) << pattern.error().message;
    EXPECT_EQ(pattern->text(), "sine:5,2,1s,9s");
    EXPECT_EQ(pattern_name(*pattern), "sine");
    EXPECT_EQ(pattern_name(*load_pattern("night=steady:5,1s")), "steady");
}

TEST(ScenarioPattern, TakesThePlaceOfTheSteadyLoad) {
    const auto scenario = parse_scenario(R"(
[pattern]
shape = "spike:100,2000,1s,5s"
arrivals = "onoff:8"
warmup = "1s"
)",
                                         "x.toml");
    ASSERT_TRUE(scenario) << scenario.error().message;
    ASSERT_TRUE(scenario->shaped);
    EXPECT_EQ(scenario->shaped->pattern->text(), "spike:100,2000,1s,5s");
    EXPECT_EQ(scenario->shaped->arrivals.dispersion, 8);
    EXPECT_EQ(scenario->shaped->warmup, 1s);
    EXPECT_FALSE(scenario->steady);
}

TEST(ScenarioPattern, MistakesHaveTheirPlace) {
    const auto refusal = [](std::string_view text) {
        const auto scenario = parse_scenario(text, "x.toml");
        return scenario ? "accepted" : scenario.error().message;
    };
    EXPECT_EQ(refusal("[steady]\n[pattern]\nshape = \"steady:1,1s\"\n"),
              "x.toml:2:1: [steady] and [pattern]: a scenario has one open loop; 'shape' may hold "
              "several stretches");
    EXPECT_EQ(refusal("[pattern]\n"),
              "x.toml:1:1: [pattern] needs a 'shape', e.g. \"ramp:0,500,10s\"");
    EXPECT_EQ(refusal("[pattern]\nshap = \"steady:1,1s\"\n"),
              "x.toml:2:1: unknown key 'shap' in [pattern]; did you mean 'shape'?");
}

}  // namespace
}  // namespace crucible::app
