// The format of the file of stacks, as it is described: a reader in another language that knows
// nothing but the description finds in it what ours does.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "alloc/sampled_run.h"

namespace crucible::alloc::sampled {
namespace {

TEST(StacksFormat, IsAsItIsDescribed) {
    const TrackedRun done = run("4KiB", {CRUCIBLE_ALLOC_PROGRAMS "/stream", "3", "100000"});
    ASSERT_EQ(done.status.exit_code, 0);
    const auto output = done.directory.path() / "read";
    auto python = base::Process::start(
        {.arguments = {"/usr/bin/python3", CRUCIBLE_READ_STACKS, file_of(done, done.pid)},
         .standard_output = output});
    ASSERT_TRUE(python) << python.error().message;
    const auto status = python->wait(std::chrono::seconds(60));
    ASSERT_TRUE(status && status->exit_code == 0);
    const auto read = nlohmann::json::parse(base::read_file(output).value_or("null"));

    const auto reader = StacksReader::open(file_of(done, done.pid));
    ASSERT_TRUE(reader) << reader.error().message;
    const StackSnapshot snapshot = reader->read();
    EXPECT_EQ(read.at("mean_bytes"), snapshot.mean_bytes);
    ASSERT_TRUE(read.at("owners").contains("stream"));
    for (const auto& [owner, sums] : read.at("owners").items()) {
        const SampledCounts counts = of_owner(snapshot, owner);
        EXPECT_EQ(sums.at(0), counts.allocations) << owner;
        EXPECT_EQ(sums.at(1), counts.frees) << owner;
        const auto of = [&sums](std::size_t i) { return sums.at(i).get<double>(); };
        EXPECT_DOUBLE_EQ(of(2), counts.all_allocations.value) << owner;
        EXPECT_DOUBLE_EQ(of(3), counts.all_bytes.value) << owner;
        EXPECT_DOUBLE_EQ(of(4), counts.all_allocations.variance) << owner;
        EXPECT_DOUBLE_EQ(of(5), counts.all_bytes.variance) << owner;
        EXPECT_NEAR(of(2) - of(6), counts.live_blocks.value, 1e-6 * of(2)) << owner;
        EXPECT_NEAR(of(3) - of(7), counts.live_bytes.value, 1e-6 * of(3)) << owner;
    }
    std::size_t frames = 0;
    std::size_t raw_bytes = 0;
    for (const auto& stack : snapshot.stacks) {
        frames += stack.pcs.size();
        if (stack.raw) raw_bytes += reader->memory(*stack.raw)->bytes.size();
    }
    EXPECT_EQ(read.at("frames"), frames);
    EXPECT_EQ(read.at("raw_bytes"), raw_bytes);
    ASSERT_EQ(read.at("maps"), snapshot.maps.size());
    EXPECT_EQ(read.at("last_maps"), snapshot.maps.back());
    double ended = 0;
    for (const auto& owner : snapshot.lifetimes)
        for (const auto& one : owner.classes) ended += one.blocks;
    EXPECT_GT(ended, 0);
    EXPECT_DOUBLE_EQ(read.at("blocks_ended").get<double>(), ended);
}

}  // namespace
}  // namespace crucible::alloc::sampled
