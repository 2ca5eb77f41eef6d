#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "app/crucible/scale_options.h"
#include "base/file.h"
#include "in_process.h"
#include "lab/report/charts.h"
#include "real_binary.h"

namespace crucible::app {
namespace {

class Scale : public RealBinary {};

void expect_scale_refused(std::vector<std::string> words, const std::string& line) {
    words.insert(words.begin(), "scale");
    const auto ended = crucible(words);
    EXPECT_EQ(ended.exit_code, kBadUsage);
    EXPECT_EQ(ended.err, "crucible: " + line + "\n");
    EXPECT_EQ(ended.out, "");
}

// A curve that has fewer loads is never checked at its highest ones, and no forecast is made.
TEST(ScaleInput, UsualPointsAreEnoughToCheckTheLaw) {
    for (const auto* axis : {"clients", "services", "workers"}) {
        ScaleOptions asked;
        asked.targets = {"daemon:"};
        asked.axis = axis;
        const auto options = resolve_scaling(asked);
        ASSERT_TRUE(options) << options.error().message;
        EXPECT_GE(options->points.size(), lab::scale::kHoldOutLoadsMin) << axis;
    }
}

// As many targets as a report tells apart; further ones are not measured in silence, or left out.
TEST(ScaleInput, TakesSixTargets) {
    ScaleOptions asked;
    asked.axis = "clients";
    asked.targets = {"coordinator:", "daemon:", "router:", "null:", "daemon:", "daemon:"};
    const auto options = resolve_scaling(asked);
    ASSERT_TRUE(options) << options.error().message;
    ASSERT_EQ(options->targets.size(), 6U);
    EXPECT_EQ(options->targets[0].text, "coordinator:");
    EXPECT_EQ(options->targets[5].text, "daemon:");
    expect_scale_refused({"null:", "null:", "null:", "null:", "null:", "null:", "null:"},
                         "7 targets; at most 6: a system, or a baseline and what is compared "
                         "with it");
    expect_scale_refused({"daemon:", "null:", "daemon:?clients=2"},
                         "the targets have 4 and 2 clients: they must have the same number; see "
                         "--clients");
}

// Each target of a result has a mark of its own in the charts, and the format has room for all.
TEST(ScaleInput, AsManyTargetsAsReportsAndTheFormatTake) {
    constexpr std::size_t kMost = lab::scale::kScalingTargetsMax;
    EXPECT_EQ(lab::report::kTargetMarks.size(), kMost);
    const auto schema = nlohmann::json::parse(
        base::read_file(std::string(CRUCIBLE_FORMATS) + "/scaling.schema.json").value_or("{}"));
    const auto& members = schema.at("properties");
    EXPECT_EQ(members.at("targets").at("maxItems"), kMost);
    EXPECT_EQ(members.at("comparisons").at("maxItems"), kMost - 1);
}

TEST(ScaleInput, IsRefusedInOneLine) {
    expect_scale_refused({"daemon:", "--slo", "latency_p99<10"},
                         "--slo 'latency_p99<10', column 13, at '10': latency_p99 takes: a time "
                         "with its unit, e.g. 10ms");
    expect_scale_refused({"null:", "--axis", "workers"},
                         "null:: has no axis workers; it has rate, clients, payload");
    expect_scale_refused({"null:", "--axis", "speed"},
                         "--axis 'speed': rate, clients, services, payload, workers");
    expect_scale_refused({"null:", "--range", "500..500"},
                         "--range '500..500': one point; a breaking point lies between two loads, "
                         "e.g. 500..20k");
    expect_scale_refused({"null:", "--range", "2k..500"},
                         "--range '2k..500': the lowest load comes first");
    expect_scale_refused({"null:", "--axis", "clients", "--points", "4"},
                         "--points '4': one point is no curve; at least 2, and 4 for the law of "
                         "scalability, e.g. 1,2,3,4,6,8,12,16");
    expect_scale_refused({"null:", "--axis", "clients", "--points", "4,2"},
                         "--points '4,2': 2 clients does not rise after 4 clients");
    expect_scale_refused({"null:", "--axis", "clients", "--clients", "4"},
                         "--clients: the axis changes it; see --points and --range");
    expect_scale_refused({"daemon:?clients=2", "--axis", "clients"},
                         "daemon:?clients=2: option clients: the axis changes it; leave it out");
    expect_scale_refused({"null:", "--headroom", "30%"}, "--headroom: needs --forecast RATE");
    expect_scale_refused({"null:", "--forecast", "20000/s", "--headroom", "100%"},
                         "--headroom '100%': from 0% to below 100%, e.g. 30%");
    expect_scale_refused({"daemon:", "--axis", "services", "--forecast", "20000/s"},
                         "--forecast: says how many clients, workers or instances it takes; the "
                         "axis services has none of them: rate, clients, workers");
    expect_scale_refused({"null:", "--duration", "30s", "--soak", "10s"},
                         "--soak '10s': shorter than a trial (30s); 'none', or at least as long as "
                         "--duration");
    for (const auto* soak : {"none", "20s"}) {
        expect_scale_refused({"null:", "--axis", "clients", "--soak", soak},
                             "--soak: on the axis clients a breaking point is searched with --slo");
    }
    expect_scale_refused({"null:", "--axis", "payload", "--range", "1KiB..4KiB"},
                         "--range: on the axis payload a breaking point is searched with --slo");
    const auto expect_range_refused = [](const char* range, const std::string& line) {
        expect_scale_refused(
            {"null:", "--axis", "clients", "--slo", "latency_p99<10ms", "--range", range}, line);
    };
    expect_range_refused("4", "--range '4': must be LOWEST..HIGHEST in clients, e.g. 1..16");
    expect_range_refused("1..2.5", "--range: '2.5': a whole number of clients from 1 to 1000");
    expect_range_refused("4..4",
                         "--range '4..4': one point; a breaking point lies between two loads, e.g. "
                         "1..16");
    expect_scale_refused({"null:", "--pattern", "steady:5,1s"},
                         "--pattern: a trial of a scaling has one rate; see --duration");
}

// A soak that nobody asked for is never shorter than what it is to prove.
TEST(ScaleInput, SoaksForThreeTrialsAtLeast) {
    const auto soak_of = [](const std::string& duration) {
        ScaleOptions asked;
        asked.targets = {"null:"};
        asked.load.duration = duration;
        const auto options = resolve_scaling(asked);
        EXPECT_TRUE(options) << options.error().message;
        return options->soak;
    };
    EXPECT_EQ(soak_of("2s"), std::chrono::seconds(10));
    EXPECT_EQ(soak_of("30s"), std::chrono::seconds(90));
}

// Where an SLO is given each axis has a search: between the ends of the points, or where it is told
// to.
TEST(ScaleInput, SearchesAlongEachAxis) {
    const auto search_of = [](const char* axis, const char* range, const char* points) {
        ScaleOptions asked;
        asked.targets = {"daemon:"};
        asked.axis = axis;
        asked.slo = "latency_p99<10ms";
        asked.range = range;
        asked.points = points;
        const auto options = resolve_scaling(asked);
        EXPECT_TRUE(options) << options.error().message;
        return std::pair(options->search.lowest, options->search.highest);
    };
    EXPECT_EQ(search_of("rate", "", ""), std::pair(500.0, 1e6));
    EXPECT_EQ(search_of("rate", "", "600,700"), std::pair(500.0, 1e6));
    EXPECT_EQ(search_of("clients", "", ""), std::pair(1.0, 16.0));
    EXPECT_EQ(search_of("workers", "", ""), std::pair(1.0, 8.0));
    EXPECT_EQ(search_of("services", "", "2,5,20"), std::pair(2.0, 20.0));
    EXPECT_EQ(search_of("payload", "1KiB..8KiB", ""), std::pair(1'024.0, 8'192.0));
}

// Nothing was measured: no success, with a search or without.
TEST_F(Scale, SaysThatTheTimeWasTooShortForAnything) {
    const std::vector<std::vector<std::string>> axes{
        {"rate"}, {"clients"}, {"clients", "--slo", "latency_p99<10ms"}};
    for (const auto& axis : axes) {
        std::vector<std::string> words{"scale", "null:",   "--time-budget",
                                       "1s",    "--quiet", "--axis"};
        words.insert(words.end(), axis.begin(), axis.end());
        EXPECT_EQ(run(words), kEnvironmentInvalid);
        EXPECT_TRUE(errors().ends_with(
            "crucible: null:: the time budget of 1s ended before a trial was valid\n"))
            << errors();
        EXPECT_EQ(complaints("scaling.schema.json"), "");
        EXPECT_EQ(result().at("out_of_time"), true);
    }
    EXPECT_EQ(run({"scale", "null:", "null:", "--time-budget", "1s", "--quiet"}),
              kEnvironmentInvalid);
    EXPECT_NE(errors().find("crucible: null: (target 1): the time budget of 1s ended before"),
              std::string::npos)
        << errors();
}

// A curve over clients of a system that does 2,000/s however many there are.
TEST_F(Scale, MeasuresACurveOverClients) {
    ASSERT_EQ(run({"scale", "synthetic:?capacity=2000/s", "null:", "--axis", "clients", "--points",
                   "1,2,3,4", "--rounds", "2", "--duration", "200ms", "--warmup", "50ms", "--quiet",
                   "--forecast", "1000/s"}),
              0)
        << errors();
    EXPECT_EQ(complaints("scaling.schema.json"), "");
    const auto json = result();
    EXPECT_EQ(json.at("axis"), "clients");
    EXPECT_TRUE(json.at("scenario").at("load").at("clients").is_null());
    const auto& target = json.at("targets").at(0);
    ASSERT_EQ(target.at("points").size(), 4U);
    for (const auto& point : target.at("points")) {
        ASSERT_EQ(point.at("rounds"), 2);
        for (const auto& metric : point.at("metrics")) {
            if (metric.at("name") != "throughput") continue;
            EXPECT_NEAR(metric.at("value").get<double>(), 2'000, 500);
        }
    }
    EXPECT_TRUE(target.at("breaking_point").is_null());
    // It does not grow with clients: alpha is near 1, and 0.46 where all above is off by 500.
    EXPECT_GT(target.at("scalability").at("alpha").at("value").get<double>(), 0.4);
    ASSERT_EQ(json.at("comparisons").size(), 1U);
    EXPECT_EQ(json.at("comparisons").at(0).at("points").size(), 4U);
    EXPECT_NE(output().find("2 clients"), std::string::npos) << output();
}

// Each further one is compared with the first, also a copy of it.
TEST_F(Scale, ComparesThreeTargets) {
    ASSERT_EQ(run({"scale", "synthetic:?capacity=2000/s", "synthetic:?capacity=500/s",
                   "synthetic:?capacity=2000/s", "--axis", "clients", "--points", "1,2", "--rounds",
                   "1", "--duration", "200ms", "--warmup", "50ms", "--quiet"}),
              0)
        << errors();
    EXPECT_EQ(complaints("scaling.schema.json"), "");
    const auto json = result();
    ASSERT_EQ(json.at("targets").size(), 3U);
    ASSERT_EQ(json.at("comparisons").size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
        const auto& comparison = json.at("comparisons").at(i);
        EXPECT_EQ(comparison.at("baseline"), json.at("targets").at(0).at("target"));
        EXPECT_EQ(comparison.at("candidate"), json.at("targets").at(i + 1).at("target"));
    }
    EXPECT_NE(output().find("synthetic:?capacity=500/s over baseline"), std::string::npos)
        << output();
    EXPECT_NE(output().find("synthetic:?capacity=2000/s (target 3) over baseline"),
              std::string::npos)
        << output();
}

// The lowest load breaks what must hold: said so, and nothing is searched.
TEST_F(Scale, SaysThatTheSloIsBrokenAtTheLowestLoad) {
    EXPECT_EQ(
        run({"scale", "synthetic:?latency=50ms", "--slo", "latency_p50<10ms", "--range", "200..400",
             "--duration", "600ms", "--warmup", "200ms", "--rounds", "1", "--quiet"}),
        1);
    EXPECT_NE(errors().find("crucible: synthetic:?latency=50ms: the SLO is broken at the lowest "
                            "load, 200/s: latency_p50<10ms broken: 5"),
              std::string::npos)
        << errors();
    EXPECT_EQ(complaints("scaling.schema.json"), "");
    const auto json = result();
    const auto& point = json.at("targets").at(0).at("breaking_point");
    EXPECT_EQ(point.at("ending"), "below_lowest");
    for (const auto& trial : point.at("course")) EXPECT_EQ(trial.at("load"), 200);
}

// Along another axis, too, what holds is searched, whole numbers only; then the curve is measured.
TEST_F(Scale, SearchesOverClients) {
    ASSERT_EQ(run({"scale", "synthetic:?capacity=2000/s", "--axis", "clients", "--slo",
                   "throughput>=10/s", "--points", "1,2", "--rounds", "1", "--duration", "200ms",
                   "--warmup", "50ms", "--quiet"}),
              0)
        << errors();
    EXPECT_EQ(complaints("scaling.schema.json"), "");
    const auto json = result();
    const auto& target = json.at("targets").at(0);
    const auto& point = target.at("breaking_point");
    EXPECT_EQ(point.at("ending"), "above_highest");
    EXPECT_EQ(point.at("lower"), 2);
    EXPECT_EQ(point.at("unit"), "clients");
    EXPECT_GE(point.at("conditional_throughput").get<double>(), 10);
    for (const auto& trial : point.at("course"))
        EXPECT_TRUE(trial.at("load") == 1 || trial.at("load") == 2) << trial;
    ASSERT_EQ(target.at("points").size(), 2U);
    EXPECT_EQ(target.at("points").at(1).at("held"), 1);
    EXPECT_NE(output().find("the highest load of the range was held"), std::string::npos)
        << output();
}

// There it says which load is the lowest, and still measures the curve.
TEST_F(Scale, SaysThatTheSloIsBrokenByOneClient) {
    EXPECT_EQ(run({"scale", "synthetic:?capacity=2000/s", "--axis", "clients", "--slo",
                   "throughput>=1M/s", "--points", "1,2", "--rounds", "1", "--duration", "200ms",
                   "--warmup", "50ms", "--quiet"}),
              1);
    EXPECT_NE(errors().find("the SLO is broken at the lowest load, 1 client: throughput>=1M/s "
                            "broken: "),
              std::string::npos)
        << errors();
    EXPECT_EQ(complaints("scaling.schema.json"), "");
    const auto json = result();
    const auto& target = json.at("targets").at(0);
    EXPECT_EQ(target.at("breaking_point").at("ending"), "below_lowest");
    EXPECT_EQ(target.at("points").at(1).at("broken"), 1);
}

// A program that ends after so many events: its limit, with the cause, and no failure.
TEST_F(Scale, TakesATargetThatDiesForItsLimit) {
    EXPECT_EQ(run({"scale", std::string("exec:") + CRUCIBLE_TEST_PROGRAMS + "/echo 400", "--slo",
                   "error_rate<1%", "--range", "500..2000", "--duration", "400ms", "--warmup", "0s",
                   "--clients", "1", "--rounds", "1", "--soak", "none", "--quiet"}),
              0)
        << errors();
    EXPECT_EQ(complaints("scaling.schema.json"), "");
    const auto json = result();
    const auto& point = json.at("targets").at(0).at("breaking_point");
    if (point.at("ending") == "injector_limited") GTEST_SKIP() << "this machine is too busy";
    EXPECT_EQ(point.at("slo_broken"), "target");
    EXPECT_EQ(point.at("died").at("message"), "client-0: the program exited with code 0");
    // 400 events in 400 ms.
    EXPECT_NEAR(point.at("died").at("load").get<double>(), 1'000, 100);
    EXPECT_NE(output().find("it died at "), std::string::npos) << output();
}

}  // namespace
}  // namespace crucible::app
