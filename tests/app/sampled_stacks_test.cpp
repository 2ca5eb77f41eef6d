#include <gtest/gtest.h>

#include "in_process.h"
#include "real_binary.h"

namespace crucible::app {
namespace {

class SampledStacks : public RealBinary {
protected:
    void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "a sanitizer has a malloc of its own, which has to come first";
#endif
    }
};

double value_of(const nlohmann::json& figure) {
    return figure.at("value").get<double>();
}

// Each place of a daemon with its samples and intervals, and in one line those with too few; the
// same allocations by size class and by thread.
TEST_F(SampledStacks, SayHowFarOffTheyMayBe) {
    ASSERT_EQ(run({"profile",    "daemon:", "--scenario",  "light", "--clients", "1",
                   "--ladder",   "none",    "--rounds",    "1",     "--rate",    "200",
                   "--duration", "200ms",   "--warmup",    "0s",    "--stacks",  "2KiB",
                   "--seed",     "1",       "--in-flight", "none",  "--quiet"}),
              0)
        << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto target = result().at("targets").at(0);
    const auto& stacks = target.at("stacks");
    EXPECT_EQ(stacks.at("exact"), false);
    EXPECT_EQ(stacks.at("ranked_from_samples"), 5);
    ASSERT_FALSE(stacks.at("sites").empty());
    for (const auto& site : stacks.at("sites")) {
        EXPECT_FALSE(site.at("ranked_by").empty()) << site;
        for (const auto* name : {"allocations_per_event", "bytes_per_event", "live_bytes"}) {
            const auto& figure = site.at(name);
            EXPECT_LE(figure.at("ci_low"), figure.at("value")) << site;
            EXPECT_GE(figure.at("ci_high"), figure.at("value")) << site;
        }
    }
    ASSERT_TRUE(stacks.at("few_samples").is_object()) << stacks;
    EXPECT_NE(output().find("with fewer than 5 samples"), std::string::npos) << output();

    double allocations = 0;
    double bytes = 0;
    for (const auto& metric : target.at("metrics")) {
        if (metric.at("name") == "allocations_per_event") allocations = value_of(metric);
        if (metric.at("name") == "allocated_bytes_per_event") bytes = value_of(metric);
    }
    double of_sizes = 0, of_threads = 0, bytes_of_threads = 0;
    for (const auto& size : target.at("sizes"))
        of_sizes += value_of(size.at("allocations_per_event"));
    bool has_workers = false;
    for (const auto& thread : target.at("threads")) {
        of_threads += value_of(thread.at("allocations_per_event"));
        bytes_of_threads += value_of(thread.at("bytes_per_event"));
        has_workers |= thread.at("place") == "system" && thread.at("thread") == "worker";
    }
    EXPECT_NEAR(of_sizes, allocations, 1e-9 * allocations);
    EXPECT_NEAR(of_threads, allocations, 1e-9 * allocations);
    EXPECT_NEAR(bytes_of_threads, bytes, 1e-9 * bytes);
    EXPECT_TRUE(has_workers) << target.at("threads");
}

}  // namespace
}  // namespace crucible::app
