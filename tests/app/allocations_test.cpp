// `crucible allocations`: what a running process has counted, seen from outside.
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "base/file.h"
#include "in_process.h"
#include "real_binary.h"
#include "tracked_daemon.h"

namespace crucible::app {
namespace {

class Allocations : public testing::Test {
protected:
    void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "a sanitizer has a malloc of its own, which has to come first";
#endif
    }
    base::TempDir directory_ = *base::TempDir::make("allocations");
};

/// Of the one process in it.
nlohmann::json counts_of(const std::string& of) {
    const auto ended = crucible({"allocations", of, "--json"});
    EXPECT_EQ(ended.exit_code, kDone) << ended.err;
    const auto directory = *base::TempDir::make("allocations-json");
    const auto file = directory.path() / "counts.json";
    EXPECT_TRUE(base::write_file(file, ended.out));
    EXPECT_EQ(schema_complaints("allocations.schema.json", file, directory.path() / "complaints"),
              "");
    const auto json = nlohmann::json::parse(ended.out, nullptr, false);
    EXPECT_EQ(json.at("schema"), "crucible.allocations/1");
    EXPECT_EQ(json.at("processes").size(), 1U);
    return json.at("processes").at(0);
}

// While it runs by its number or its directory, and from the directory when it was killed.
TEST_F(Allocations, OfAProcessThatRunsAndThatHasEnded) {
    const auto counts = directory_.path() / "counts";
    std::filesystem::create_directory(counts);
    TrackedDaemon daemon(directory_.path(), counts);
    ASSERT_TRUE(daemon.process);
    const auto pid = std::to_string(daemon.process->pid());

    const auto running = counts_of(pid);
    EXPECT_EQ(running.at("pid"), daemon.process->pid());
    EXPECT_EQ(running.at("running"), true);
    EXPECT_EQ(running.at("name"), "crucibled");
    EXPECT_EQ(running.at("file"), (counts / (pid + "-0.alloc")).string());
    const auto& total = running.at("total");
    EXPECT_GT(total.at("live_bytes"), 100'000);
    EXPECT_GE(running.at("peak_live_bytes"), total.at("live_bytes"));
    EXPECT_EQ(total.at("allocations").get<std::int64_t>() - total.at("frees").get<std::int64_t>(),
              total.at("live_blocks"));
    std::int64_t owned = 0;
    std::int64_t sized = 0;
    std::int64_t by_threads = 0;
    bool has_main = false;
    bool has_service = false;
    for (const auto& owner : running.at("owners")) {
        owned += owner.at("live_bytes").get<std::int64_t>();
        has_service |= owner.at("name").get<std::string>().starts_with("services");
    }
    for (const auto& thread : running.at("threads")) {
        by_threads += thread.at("live_bytes").get<std::int64_t>();
        has_main |= thread.at("tid") == daemon.process->pid() && thread.at("name") == "crucibled";
    }
    for (const auto& size : running.at("sizes"))
        sized += size.at("allocations").get<std::int64_t>() - size.at("frees").get<std::int64_t>();
    EXPECT_EQ(owned, total.at("live_bytes"));
    EXPECT_EQ(by_threads, total.at("live_bytes"));
    EXPECT_GT(running.at("threads").size(), 1U);
    EXPECT_TRUE(has_main) << running.at("threads");
    EXPECT_EQ(sized, total.at("live_blocks"));
    EXPECT_TRUE(has_service) << running.at("owners");
    EXPECT_EQ(counts_of(counts).at("running"), true);

    const auto text = crucible({"allocations", pid});
    EXPECT_EQ(text.exit_code, kDone) << text.err;
    EXPECT_TRUE(text.out.starts_with("Process " + pid + ", crucibled\nLive ")) << text.out;
    EXPECT_NE(text.out.find("\nservices"), std::string::npos) << text.out;
    EXPECT_NE(text.out.find("\ncrucibled " + pid + " "), std::string::npos) << text.out;

    daemon.end(SIGKILL);
    const auto ended = counts_of(counts);
    EXPECT_EQ(ended.at("running"), false);
    EXPECT_EQ(ended.at("threads").at(0).at("tid"), 0);
    EXPECT_GE(ended.at("total").at("allocations"), total.at("allocations"));
    EXPECT_TRUE(
        crucible({"allocations", counts}).out.starts_with("Process " + pid + " has ended\n"));
    const auto gone = crucible({"allocations", pid});
    EXPECT_EQ(gone.exit_code, kTargetFailed);
    EXPECT_EQ(gone.err, "crucible: process " + pid + ": it has ended, and left no counts\n");
}

/// Of a file of folded stacks.
struct Folded {
    std::int64_t bytes = 0;
    bool has_owner = false;     ///< a service's
    bool has_function = false;  ///< the program's own
};
Folded folded_of(const std::filesystem::path& file) {
    Folded folded;
    std::istringstream lines(base::read_file(file).value_or(""));
    for (std::string line; std::getline(lines, line);) {
        folded.bytes += std::stoll(line.substr(line.rfind(' ') + 1));
        folded.has_owner |= line.starts_with("services");
        folded.has_function |= line.find(";main;") != std::string::npos;
    }
    return folded;
}

// Where it allocates, while it runs and from its files when it has ended: nothing is missing of
// what it has counted.
TEST_F(Allocations, WritesWhereAProcessAllocates) {
    const auto counts = directory_.path() / "counts";
    const auto to = directory_.path() / "to";
    std::filesystem::create_directory(counts);
    TrackedDaemon daemon(directory_.path(), counts, "all");
    ASSERT_TRUE(daemon.process);
    const auto pid = std::to_string(daemon.process->pid());

    const auto before = counts_of(pid);
    EXPECT_EQ(before.at("sample_distance_bytes"), 0);
    const auto written = crucible({"allocations", pid, "--out", to});
    EXPECT_EQ(written.exit_code, kDone) << written.err;
    EXPECT_NE(written.out.find("\nStacks     every allocation\n"), std::string::npos)
        << written.out;
    EXPECT_NE(written.out.find((to / (pid + "-live.svg")).string() + "\n"), std::string::npos);
    EXPECT_TRUE(daemon.answers());
    const auto after = counts_of(pid);
    const auto folded = folded_of(to / (pid + "-allocated.folded"));
    EXPECT_GE(folded.bytes, before.at("total").at("allocated_bytes"));
    EXPECT_LE(folded.bytes, after.at("total").at("allocated_bytes"));
    EXPECT_TRUE(folded.has_owner);
    EXPECT_TRUE(folded.has_function);
    for (const std::string graph : {"-allocated.svg", "-live.svg"}) {
        const auto svg = base::read_file(to / (pid + graph)).value_or("");
        EXPECT_NE(svg.find("crucibled, process " + pid + ": bytes "), std::string::npos) << graph;
    }
    EXPECT_TRUE(
        base::read_file(to / (pid + ".pb.gz")).value_or("").starts_with("\x1f\x8b"));  // gzip

    daemon.end(SIGKILL);
    const auto ended = directory_.path() / "ended";
    EXPECT_EQ(crucible({"allocations", counts, "--json", "--out", ended}).exit_code, kDone);
    EXPECT_GE(folded_of(ended / (pid + "-allocated.folded")).bytes, folded.bytes);
}

// It is told how stacks are had, and what is wrong with a distance that is none.
TEST_F(Allocations, SaysWhyThereAreNoStacks) {
    const auto counts = directory_.path() / "counts";
    std::filesystem::create_directory(counts);
    const std::string allowed =
        "CRUCIBLE_ALLOC_SAMPLE must be 'all' or a distance from 1B to 1TiB in B, KiB, MiB or GiB, "
        "e.g. 512KiB\n";
    for (const std::string sample : {"", "512K"}) {
        TrackedDaemon daemon(directory_.path(), counts, sample);
        ASSERT_TRUE(daemon.process);
        const auto pid = std::to_string(daemon.process->pid());
        const auto found = counts_of(pid);
        EXPECT_EQ(found.at("sample_distance_bytes"), nullptr);
        EXPECT_EQ(found.at("sample_refused"), !sample.empty());
        EXPECT_EQ(found.at("owners_complete"), true);
        const auto refused = crucible({"allocations", pid, "--out", directory_.path() / "to"});
        EXPECT_EQ(refused.exit_code, kTargetFailed);
        EXPECT_EQ(refused.err, "crucible: process " + pid + " takes no stacks: " +
                                   (sample.empty() ? "start it with CRUCIBLE_ALLOC_SAMPLE=512KiB, "
                                                     "or all, in its environment\n"
                                                   : "its " + allowed));
        EXPECT_NE(
            refused.out.find("\nStacks     none" + (sample.empty() ? "\n" : ": its " + allowed)),
            std::string::npos)
            << refused.out;
        daemon.end(SIGTERM);
    }
}

TEST_F(Allocations, OfWhatIsNotCounted) {
    const auto empty = crucible({"allocations", directory_.path()});
    EXPECT_EQ(empty.exit_code, kTargetFailed);
    EXPECT_EQ(empty.err,
              "crucible: " + directory_.path().string() + ": no counts of a process are there\n");
    // What is no region has its own line.
    const auto file = directory_.path() / "17-0.alloc";
    ASSERT_TRUE(base::write_file(file, std::string(100, 'x')));
    const auto wrong = crucible({"allocations", directory_.path()});
    EXPECT_EQ(wrong.exit_code, kTargetFailed);
    EXPECT_TRUE(wrong.err.starts_with("crucible: " + file.string() + ": ")) << wrong.err;

    const auto self = crucible({"allocations", std::to_string(::getpid())});
    EXPECT_EQ(self.exit_code, kTargetFailed);
    EXPECT_TRUE(self.err.ends_with(": it was started without the allocation tracker\n"));
    for (const std::string of : {"nothing", "0", "-3", "12x"}) {
        const auto refused = crucible({"allocations", of});
        EXPECT_EQ(refused.exit_code, kBadUsage) << of;
        EXPECT_TRUE(refused.err.starts_with("crucible: ")) << refused.err;
    }
    EXPECT_EQ(crucible({"allocations", "nothing"}).err,
              "crucible: 'nothing': neither a process's number nor a directory; see crucible "
              "allocations --help\n");
}

}  // namespace
}  // namespace crucible::app
