#include "lab/record/histogram_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "base/file.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

Histogram walk() {
    Histogram histogram;
    for (int i = 0; i < 10'000; ++i)
        histogram.record(Duration(static_cast<std::int64_t>(std::pow(1.0028, i)) + 1));
    return histogram;
}

Histogram steps() {
    Histogram histogram;
    for (int i = 1; i <= 1000; ++i)
        for (int n = 0; n < i; ++n) histogram.record(Duration(i * 1000));
    return histogram;
}

/// As from an encoding: without the exact extremes and mean.
Histogram bare(const Histogram& histogram) {
    return *Histogram::decode(histogram.encode());
}

// What another implementation wrote is read as what it recorded, and says the same of it.
TEST(HistogramLog, ReadsAnotherImplementationsLog) {
    const std::string folder = CRUCIBLE_TEST_DATA "/histogram/hdr-histogram-js";
    const auto text = base::read_file(folder + ".hlog");
    ASSERT_TRUE(text) << text.error().message;
    const auto log = read_histogram_log(*text);
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_EQ(log->start, 1'700'000'000);
    ASSERT_EQ(log->entries.size(), 2u);
    EXPECT_EQ(log->entries[0].tag, "walk");
    EXPECT_EQ(log->entries[0].length, 1.5);
    EXPECT_EQ(log->entries[1].tag, "");
    EXPECT_EQ(log->entries[0].histogram, bare(walk()));
    EXPECT_EQ(log->entries[1].histogram, bare(steps()));

    const auto said = nlohmann::json::parse(*base::read_file(folder + ".json"));
    for (const auto& [name, entry] : {std::pair{"walk", 0}, std::pair{"steps", 1}}) {
        const auto& histogram = log->entries[static_cast<std::size_t>(entry)].histogram;
        EXPECT_EQ(histogram.count(), said[name]["count"]);
        EXPECT_EQ(histogram.max().count(),
                  said[name]["max"].get<std::int64_t>() |
                      (histogram.max().count() & ~said[name]["max"].get<std::int64_t>()));
        EXPECT_NEAR(histogram.mean_ns(), said[name]["mean"], 1e-3 * histogram.mean_ns());
        for (const auto& [quantile, p] :
             {std::pair{"p50", 0.5}, std::pair{"p90", 0.9}, std::pair{"p99", 0.99},
              std::pair{"p99_9", 0.999}, std::pair{"p99_99", 0.9999}})
            EXPECT_EQ(histogram.quantile(p).count(), said[name][quantile]) << name << quantile;
    }
}

TEST(HistogramLog, ReadsWhatItWrote) {
    HistogramLog log{
        .start = 1'700'000'000.25,
        .entries = {{.tag = "spike.latency", .start = 0, .length = 2.5, .histogram = walk()},
                    {.tag = "", .start = 2.5, .length = 1, .histogram = steps()}}};
    const auto read = read_histogram_log(write_histogram_log(log));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->start, log.start);
    ASSERT_EQ(read->entries.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(read->entries[i].tag, log.entries[i].tag);
        EXPECT_EQ(read->entries[i].start, log.entries[i].start);
        EXPECT_EQ(read->entries[i].length, log.entries[i].length);
        EXPECT_EQ(read->entries[i].histogram, bare(log.entries[i].histogram));
    }
}

TEST(HistogramLog, NamesTheLineThatIsWrong) {
    EXPECT_EQ(read_histogram_log("#[x]\n\nhello\n").error().message,
              "line 3: not a line of a histogram log");
    EXPECT_EQ(read_histogram_log("0,1,2,HISTFrubbish").error().code, Errc::corrupt);
    EXPECT_EQ(read_histogram_log("#[StartTime: noon]\n").error().message,
              "line 1: not a start time");
    EXPECT_TRUE(read_histogram_log("")->entries.empty());
}

// Whoever looks while values are recorded sees whole counts that never go back.
TEST(Histogram, SnapshotsDoNotStopTheWriter) {
    constexpr std::uint64_t kValues = 300'000;
    Histogram histogram;
    histogram.reserve();
    std::atomic<bool> done = false;
    std::thread writer([&] {
        for (std::uint64_t i = 0; i < kValues; ++i)
            histogram.record(Duration(static_cast<std::int64_t>(1 + i % 1000)));
        done.store(true);
    });
    std::uint64_t before = 0;
    while (!done.load()) {
        const auto seen = histogram.snapshot();
        ASSERT_GE(seen.count(), before);
        ASSERT_LE(seen.count(), kValues);
        before = seen.count();
    }
    writer.join();
    EXPECT_EQ(histogram.snapshot(), bare(histogram));
}

}  // namespace
}  // namespace crucible::lab
