#include "lab/stats/littles_law.h"

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

TEST(LittlesLaw, AgreesWithTheDefinition) {
    const auto test = reference_cases("littles_law").at(0);
    const auto arrivals = test.at("arrivals").get<std::vector<std::int64_t>>();
    const auto departures = test.at("departures").get<std::vector<std::int64_t>>();
    const auto& want = test.at("expect");
    const double rtol = test.at("rtol");
    const std::int64_t start = test.at("window")[0];
    const std::int64_t end = test.at("window")[1];
    const auto window = littles_law(arrivals, departures, start, end);
    expect_close(window.in_system, want.at("window_L"), rtol);
    expect_close(window.rate, want.at("window_lambda"), rtol);
    expect_close(window.time_in_system, want.at("window_W"), rtol);
    expect_close(window.gap, want.at("window_gap"), rtol);
    EXPECT_TRUE(window.holds());

    std::int64_t area = 0;
    for (std::size_t i = 0; i < arrivals.size(); ++i) area += departures[i] - arrivals[i];
    EXPECT_EQ(area, want.at("area").get<std::int64_t>());
    const auto count = static_cast<double>(arrivals.size());
    const auto whole = littles_law(static_cast<double>(area), want.at("T"), arrivals.size(),
                                   static_cast<double>(area) / count, 0, 0);
    expect_close(whole.in_system, want.at("L"), rtol);
    expect_close(whole.rate, want.at("lam"), rtol);
    expect_close(whole.time_in_system, want.at("W"), rtol);
    EXPECT_NEAR(whole.gap, 0, 1e-12);
}

// One request in ten unaccounted for breaks the identity: present, but never completed.
TEST(LittlesLaw, NoticesLostRequests) {
    const auto law = littles_law(1000.0, 100.0, 90, 10.0, 0, 0);
    EXPECT_NEAR(law.gap, 1.0 / 9, 1e-12);
    EXPECT_FALSE(law.holds());
    // The same gap is what ten requests still in the system at the end may leave.
    EXPECT_TRUE(littles_law(1000.0, 100.0, 90, 10.0, 0, 10).holds());
    EXPECT_FALSE(littles_law(800.0, 100.0, 90, 10.0, 0, 0).holds());
}

}  // namespace
}  // namespace crucible::lab::stats
