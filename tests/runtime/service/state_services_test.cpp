// Components, metrics and the log.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "fixture.h"
#include "runtime/service/append_file.h"
#include "runtime/service/health_registry.h"
#include "runtime/service/metric_registry.h"

namespace {

thread_local int flush_error = 0;  ///< of the next calls of fdatasync(); 0: it does its work

}  // namespace

/// In the place of libc's: a disk that fails is not to be had otherwise.
extern "C" int fdatasync(int fd) {
    if (flush_error == 0) return static_cast<int>(::syscall(SYS_fdatasync, fd));
    errno = flush_error;
    return -1;
}

namespace crucible::runtime {
namespace {

class StateServicesTest : public ServiceTest {
protected:
    Event status(const std::string& name, const char* type = "status.changed") {
        return event(Category::service, type, R"({"component":"c","status":")" + name + "\"}");
    }
    Event configuration(int version) {
        return event(
            Category::service, "configuration.changed",
            R"({"component":"c","version":)" + std::to_string(version) + R"(,"settings":{}})");
    }
};

// The whole table: rows from, columns to, in the order starting, healthy, degraded, unhealthy,
// stopped.
TEST_F(StateServicesTest, AllowsTheDocumentedTransitionsOnly) {
    const bool expected[5][5] = {{false, true, true, true, true},
                                 {false, false, true, true, true},
                                 {false, true, false, true, true},
                                 {true, false, true, false, true},
                                 {true, false, false, false, false}};
    for (std::size_t from = 0; from < kHealthCount; ++from) {
        EXPECT_EQ(may_follow(std::nullopt, static_cast<Health>(from)), from == 0);
        for (std::size_t to = 0; to < kHealthCount; ++to) {
            EXPECT_EQ(may_follow(static_cast<Health>(from), static_cast<Health>(to)),
                      expected[from][to])
                << from << " to " << to;
        }
    }
}

TEST_F(StateServicesTest, KeepsTheStateOfComponents) {
    const auto set = open();
    EXPECT_EQ(handle(*set, status("healthy")).outcome, Outcome::failed) << "it never started";
    EXPECT_EQ(handle(*set, status("starting")).response,
              R"({"component":"c","state":"starting","configuration_version":0})");
    EXPECT_EQ(handle(*set, status("healthy")).outcome, Outcome::handled);
    EXPECT_EQ(handle(*set, status("healthy")).outcome, Outcome::failed) << "no change";
    EXPECT_TRUE(handle(*set, status("healthy")).for_good);
    EXPECT_EQ(handle(*set, status("healthy", "health.checked")).outcome, Outcome::handled);
    EXPECT_EQ(handle(*set, status("starting", "health.checked")).outcome, Outcome::failed);
    EXPECT_EQ(handle(*set, status("sleepy")).outcome, Outcome::rejected);
    EXPECT_EQ(handle(*set, configuration(3)).outcome, Outcome::handled);
    EXPECT_EQ(handle(*set, configuration(3)).outcome, Outcome::failed) << "not newer";
    EXPECT_TRUE(handle(*set, configuration(3)).for_good);
    EXPECT_EQ(handle(*set, configuration(4)).response,
              R"({"component":"c","state":"healthy","configuration_version":4})");
}

// Acknowledged changes outlive the process; the line that it died in does not.
TEST_F(StateServicesTest, RemembersStatesAcrossRestarts) {
    handle(*open({.process_name = "p"}),
           {status("starting"), status("degraded"), configuration(2)});
    const auto journal = data() / "health/p.jsonl";
    ASSERT_TRUE(base::write_file(journal, content(journal) + R"({"component":"client-0/c","sta)"));
    for (int restart = 0; restart < 2; ++restart) {
        const auto set = open({.process_name = "p"});
        EXPECT_EQ(handle(*set, status("degraded", "health.checked")).response,
                  R"({"component":"c","state":"degraded","configuration_version":2})");
    }
}

TEST_F(StateServicesTest, SumsUpMetrics) {
    MetricRegistry registry;
    for (const double value : {2.0, -1.0, 5.0}) ASSERT_TRUE(registry.add("m", value));
    EXPECT_EQ(registry.find("m"), (MetricSummary{3, 6.0, -1.0, 5.0}));
    EXPECT_FALSE(registry.find("n"));
}

// Three files are kept: the present one and two old ones; the oldest lines are gone and no line is
// torn.
TEST_F(StateServicesTest, RotatesTheLogBySize) {
    const auto path = data() / "x/y.log";
    const auto log = AppendFile::open(path, Durability::full);
    ASSERT_TRUE(log);
    for (const char* line : {"one\n", "two\n", "three\n", "four\n"}) {
        ASSERT_TRUE((*log)->append(line));
        EXPECT_EQ((*log)->rotate(1000, 2), false);
        EXPECT_EQ((*log)->rotate(3, 2), true);
        EXPECT_EQ((*log)->rotate(0, 2), false) << "nothing to rotate";
    }
    EXPECT_EQ(content(path), "");
    EXPECT_EQ(content(path.string() + ".1"), "four\n");
    EXPECT_EQ(content(path.string() + ".2"), "three\n");
    EXPECT_FALSE(std::filesystem::exists(path.string() + ".3"));
    EXPECT_EQ(prune_rotated(path, 1), 1u);
    EXPECT_FALSE(std::filesystem::exists(path.string() + ".2"));
}

TEST_F(StateServicesTest, CutsOffAHalfWrittenLine) {
    const auto path = data() / "y.log";
    ASSERT_TRUE(base::write_file(path, "whole\nhal"));
    const auto log = AppendFile::open(path, Durability::normal);
    ASSERT_TRUE(log);
    ASSERT_TRUE((*log)->append("next\n"));
    EXPECT_EQ(content(path), "whole\nnext\n");
}

// Lines that could not be flushed come again with the next attempt: twice in the file they would be
// delivered twice.
TEST_F(StateServicesTest, CutsOffWhatCouldNotBeFlushed) {
    const auto path = data() / "y.log";
    const auto log = AppendFile::open(path, Durability::full);
    ASSERT_TRUE(log);
    ASSERT_TRUE((*log)->append("one\n"));
    flush_error = EIO;
    const auto failed = (*log)->append("two\n");
    flush_error = 0;
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Errc::io);
    EXPECT_EQ(content(path), "one\n");
    EXPECT_EQ((*log)->size(), 4u);
    ASSERT_TRUE((*log)->append("two\n"));
    EXPECT_EQ(content(path), "one\ntwo\n");
}

TEST_F(StateServicesTest, DoesTheSystemsChores) {
    const auto set = open({.process_name = "p"});
    const auto log = data() / "log/p.log";
    const auto chore = [&](const char* type, const char* payload) {
        return handle(*set, event(Category::system, type, payload)).outcome;
    };
    EXPECT_EQ(chore("metrics.reported", R"({"metrics":[{"name":"m","value":1.5}]})"),
              Outcome::handled);
    EXPECT_NE(content(log).find(R"("metrics":[{"name":"m","value":1.5}]})"), std::string::npos);
    EXPECT_EQ(chore("metrics.reported", R"({"metrics":[{"name":"m","value":"x"}]})"),
              Outcome::rejected);
    EXPECT_EQ(chore("log.rotated", R"({"bytes_max":10,"keep":2})"), Outcome::handled);
    EXPECT_NE(content(log.string() + ".1").find("metrics.reported"), std::string::npos);
    EXPECT_EQ(content(log).find("metrics.reported"), std::string::npos);
    EXPECT_EQ(chore("log.rotated", R"({"bytes_max":10,"keep":0})"), Outcome::rejected);
    EXPECT_EQ(chore("maintenance.requested", R"({"task":"checkpoint"})"), Outcome::handled);
    EXPECT_EQ(chore("maintenance.requested", R"({"task":"prune_logs"})"), Outcome::handled);
    EXPECT_EQ(chore("maintenance.requested", R"({"task":"format_disk"})"), Outcome::rejected);
}

}  // namespace
}  // namespace crucible::runtime
