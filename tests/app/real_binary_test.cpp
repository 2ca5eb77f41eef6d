#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "real_binary.h"

namespace crucible::app {
namespace {

// Two rounds cannot prove anything, and identical systems must not come out different.
TEST_F(RealBinary, ComparesRealArchitecturesAndAccountsForEveryEvent) {
    const int exit_code =
        run({"compare", "coordinator:", "daemon:", "--scenario", "light", "--rounds", "2",
             "--duration", "300ms", "--warmup", "100ms", "--seed", "7"});
    // 3: on a machine that is too busy to keep a schedule the result says so.
    ASSERT_TRUE(exit_code == 0 || exit_code == 3) << errors();
    const auto json = result();
    EXPECT_EQ(json.at("schema"), "crucible.comparison/1");
    EXPECT_EQ(json.at("verdict"), "not_proven");
    for (const char* arm : {"baseline", "candidate"}) {
        const auto& delivery = json.at("scenarios").at(0).at("delivery").at(arm);
        EXPECT_GT(delivery.at("sent"), 0) << arm;
        EXPECT_EQ(delivery.at("lost"), 0) << arm;
        EXPECT_EQ(delivery.at("sent").get<int>(),
                  delivery.at("handled").get<int>() + delivery.at("rejected").get<int>())
            << arm;
    }
    for (const char* file : {"report.md", "report.html"}) {
        EXPECT_GT(base::read_file(out() / file).value_or("").size(), 1000u) << file;
    }
}

// 2,000 events/s offered to a server of 1,000/s: a latency would only tell how long the run was.
TEST_F(RealBinary, ReportsSaturationInsteadOfALatency) {
    const int exit_code = run({"run", "synthetic:?service=1ms&workers=1", "--rate", "2000",
                               "--duration", "1s", "--warmup", "0s"});
    ASSERT_TRUE(exit_code == 0 || exit_code == 3) << errors();
    const auto json = result();
    for (const auto& value : json.at("scenarios").at(0).at("metrics")) {
        if (value.at("name") != "latency_p99") continue;
        EXPECT_TRUE(value.at("value").is_null());
    }
    // It cannot do more; with less of a processor than it needs it does less.
    EXPECT_LE(metric(json, "throughput"), 1050);
    EXPECT_GE(metric(json, "throughput"), 500);
}

TEST_F(RealBinary, KeepsThePartialResultWhenInterrupted) {
    auto process = start({"run", "synthetic:?service=1us", "--rate", "1000", "--events", "60000"});
    ASSERT_TRUE(wait_for_progress());
    process.signal(SIGINT);
    const auto status = process.wait(30s);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->signal, 0);
    EXPECT_EQ(status->exit_code, 130) << errors();
    const auto json = result();
    EXPECT_TRUE(json.at("interrupted").get<bool>());
    const auto& delivery = json.at("scenarios").at(0).at("delivery");
    EXPECT_LT(delivery.at("sent"), 60'000);
    EXPECT_EQ(delivery.at("sent"), delivery.at("handled"));
}

TEST_F(RealBinary, ExitsWithFiveWhenTheTargetIsNotThere) {
    EXPECT_EQ(
        run({"run", "daemon:/nonexistent/crucibled.sock", "--rate", "100", "--duration", "200ms"}),
        5);
    EXPECT_NE(errors().find("/nonexistent/crucibled.sock"), std::string::npos) << errors();
}

}  // namespace
}  // namespace crucible::app
