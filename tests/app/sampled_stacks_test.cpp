#include <gtest/gtest.h>

#include <fstream>

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
    bool conserved = false;
    const auto checks = result().at("checks");
    for (const auto& check : checks)
        conserved |= check.at("name") == "stacks_conserved" && check.at("passed") == true;
    EXPECT_TRUE(conserved) << checks;
    for (const auto& site : stacks.at("sites")) {
        EXPECT_FALSE(site.at("ranked_by").empty()) << site;
        EXPECT_TRUE(site.at("allocations_per_event").is_number()) << site;
        for (const auto* name : {"bytes_per_event", "live_bytes"}) {
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

// What a process held when it was forked is on none of its stacks: it is told that they are not
// all, and only the others' are held against the counters.
TEST_F(SampledStacks, AreNotAllWhereAProcessWasForked) {
    const auto program = out().parent_path() / "forking_echo.py";
    std::ofstream(program)
        << "import json, os, sys\n"
           "ended, held = os.pipe()\n"
           "if os.fork() == 0:\n"
           "    for descriptor in (0, 1, held): os.close(descriptor)\n"
           "    os.read(ended, 1)\n"
           "    os._exit(0)\n"
           "for line in sys.stdin:\n"
           "    print(json.dumps({'token': json.loads(line)['token']}), flush=True)\n";
    ASSERT_EQ(run({"profile", "exec:/usr/bin/python3 " + program.string(), "--clients", "1",
                   "--ladder", "none", "--rounds", "1", "--rate", "100", "--duration", "100ms",
                   "--warmup", "0s", "--in-flight", "none", "--quiet"}),
              0)
        << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto target = result().at("targets").at(0);
    const auto& stacks = target.at("stacks");
    EXPECT_EQ(stacks.at("exact"), false);
    EXPECT_EQ(stacks.at("mean_bytes_between_samples"), 0);
    EXPECT_FALSE(stacks.at("sites").empty());
    EXPECT_NE(stacks.at("remarks").dump().find("was forked: what it held before has no stacks"),
              std::string::npos)
        << stacks.at("remarks");
    EXPECT_TRUE(target.at("lifetimes").empty());
    const auto checks = result().at("checks");
    for (const auto& check : checks) EXPECT_TRUE(check.at("passed").get<bool>()) << check;
    EXPECT_NE(output().find("was forked: what it held"), std::string::npos) << output();
}

}  // namespace
}  // namespace crucible::app
