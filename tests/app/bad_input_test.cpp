#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "app/crucible/command.h"
#include "base/file.h"
#include "in_process.h"

namespace crucible::app {
namespace {

/// Bad input ends with exit code 2 and exactly this one line, before anything is measured or
/// written.
void expect_refused(const std::vector<std::string>& words, const std::string& line) {
    const auto ended = crucible(words);
    EXPECT_EQ(ended.exit_code, kBadUsage);
    EXPECT_EQ(ended.err, "crucible: " + line + "\n");
    EXPECT_EQ(ended.out, "");
}

TEST(BadInput, UnknownTargetsNameWhatIsKnown) {
    expect_refused({"run", "foo:"},
                   "foo:: unknown target 'foo'; known: coordinator, router, daemon, null, "
                   "synthetic, exec, http, https, nats, redis");
    expect_refused({"compare", "null:", "daemn:"},
                   "daemn:: unknown target 'daemn'; did you mean 'daemon'?");
}

TEST(BadInput, UnknownOptionsAndCommandsNameTheNearest) {
    expect_refused({"run", "null:", "--rat", "5"},
                   "unknown option '--rat'; did you mean '--rate'?");
    expect_refused({"compare", "null:", "null:", "--round=3"},
                   "unknown option '--round'; did you mean '--rounds'?");
    expect_refused({"cmpare"}, "unknown command 'cmpare'; did you mean 'compare'?");
}

TEST(BadInput, RatesMustBePositive) {
    constexpr std::string_view allowed =
        ": a number of events per second above 0 and at most 1e9, e.g. 500/s or 2k/s";
    for (const std::string rate : {"0", "-5", "fast", "2e9"}) {
        expect_refused({"run", "null:", "--rate", rate},
                       "--rate: rate '" + rate + "'" + std::string(allowed));
    }
}

TEST(BadInput, SizesAndCountsSayTheirRange) {
    expect_refused({"run", "null:", "--payload", "11MiB"},
                   "--payload: payload '11MiB': from 1 B to 10 MiB less 4 KiB (an event is at most "
                   "10 MiB with its envelope)");
    expect_refused({"run", "null:", "--client-cpus", "1-x"},
                   "--client-cpus: processors '1-x': must be numbers and ranges joined by commas, "
                   "e.g. 0 or 0-1,3");
    expect_refused({"run", "coordinator:", "--system-cpus", "0"},
                   "--system-cpus is for a private daemon: none of the targets is daemon:");
    expect_refused({"run", "null:", "--faults", "failing=1%"},
                   "null:: faults need a system that can refuse events, such as coordinator: or "
                   "daemon:");
    expect_refused({"run", "null:", "--rate", "5/s", "--think", "1ms"},
                   "--think needs the closed loop: give --rate max");
    expect_refused({"run", "null:", "--clients", "0"},
                   "--clients '0': a whole number from 1 to 999");
    expect_refused({"compare", "null:", "null:", "--rounds", "0"},
                   "--rounds '0': a whole number from 1 to 10000");
    expect_refused({"compare", "null:", "null:", "--margin", "0%"},
                   "--margin '0%': from 0.1%, the resolution of recorded latencies, to 100%");
    expect_refused({"run", "null:", "--duration", "0s"}, "--duration '0s': must be above 0");
}

TEST(BadInput, OptionsThatContradictEachOtherAreRefused) {
    expect_refused({"run", "null:", "--rate", "max", "--arrivals", "poisson"},
                   "--arrivals and --events need an open loop: give a --rate in events per second");
    expect_refused({"run", "null:", "--rate", "5", "--window", "3"},
                   "--window needs the closed loop: give --rate max");
}

TEST(BadInput, PatternsAreRefusedWithTheirForm) {
    expect_refused({"run", "null:", "--pattern", "spike:1,9"},
                   "--pattern: pattern 'spike:1,9': 2 values, must be "
                   "spike:BASE,PEAK,PEAK_DURATION,DURATION");
    expect_refused({"run", "null:", "--pattern", "ramp:1,9,1s", "--rate", "5"},
                   "--pattern and --rate: a pattern says it");
    expect_refused({"run", "null:", "--pattern", "mixed:/nowhere.toml"},
                   "--pattern: /nowhere.toml: No such file or directory");
}

TEST(BadInput, PatternFilesAreRefusedByFileLineAndColumn) {
    const auto directory = base::TempDir::make("pattern");
    ASSERT_TRUE(directory);
    const std::string path = directory->path() / "day.toml";
    const auto refused = [&](std::string_view content, const std::string& message) {
        ASSERT_TRUE(base::write_file(path, content));
        expect_refused({"run", "null:", "--pattern", "mixed:" + path},
                       "--pattern: " + path + message);
    };
    refused("[[phase]]\npattern = \"steady:5,1\"\n",
            ":2:11: pattern 'steady:5,1' (steady:RATE,DURATION): DURATION duration '1': a number "
            "of at least 0 with ns, us, ms, s, m or h, e.g. 200ms");
    refused("[[phase]]\nname = \"a\"\n", ":1:1: [[phase]] needs a 'pattern'");
    refused("[phases]\n", ":1:2: unknown key 'phases'; allowed: [[phase]]");
    refused("", ":1:1: a mixed pattern needs [[phase]] tables");
}

// A prediction that cannot be understood would be judged "not proven" for ever.
TEST(BadInput, PredictionsSayWhatIsWrong) {
    const auto directory = base::TempDir::make("scenario");
    const std::string path = directory->path() / "mine.toml";
    const auto refused = [&](const std::string& line, const std::string& message) {
        ASSERT_TRUE(base::write_file(path, "[maximum]\n[expect]\n" + line + "\n"));
        expect_refused({"compare", "null:", "null:", "--scenario", path}, path + message);
    };
    refused("troughput = \"+10%..+30%\"",
            ":3:1: unknown metric 'troughput' in [expect]; did you mean 'throughput'?");
    refused("throughput = 10", ":3:14: 'throughput' must be a string, e.g. \"+10%..+30%\"");
    for (const std::string range : {"10%..30%", "+10%", "+10..+30", "-150%..+10%", ""}) {
        refused("throughput = \"" + range + "\"",
                ":3:14: change '" + range +
                    "': two ends with signs, above -100%, e.g. \"+10%..+30%\" or "
                    "\"-20%..-5%\"");
    }
}

TEST(BadInput, ScenarioFilesAreRefusedByFileLineAndColumn) {
    const auto directory = base::TempDir::make("scenario");
    ASSERT_TRUE(directory);
    const std::string path = directory->path() / "mine.toml";
    ASSERT_TRUE(base::write_file(path, "name = \"mine\"\n\n[steady]\n  rat = \"5/s\"\n"));
    expect_refused({"run", "null:", "--scenario", path},
                   path + ":4:3: unknown key 'rat' in [steady]; did you mean 'rate'?");
    ASSERT_TRUE(base::write_file(path, "[steady]\nrate = \"0/s\"\n"));
    const auto zero = crucible({"run", "null:", "--scenario", path});
    EXPECT_EQ(zero.exit_code, kBadUsage);
    EXPECT_TRUE(zero.err.starts_with("crucible: " + path + ":2:8: rate '0/s'")) << zero.err;
    ASSERT_TRUE(base::write_file(path, "clients = \n"));
    const auto broken = crucible({"run", "null:", "--scenario", path});
    EXPECT_EQ(broken.exit_code, kBadUsage);
    EXPECT_TRUE(broken.err.starts_with("crucible: " + path + ":1:")) << broken.err;
    expect_refused({"run", "null:", "--scenario", "ligth"},
                   "scenario 'ligth': no such file; did you mean 'light'?");
}

// Checked before the load starts: nobody should lose a measurement to a typing error in a path.
TEST(BadInput, OutputDirectoriesThatCannotBeWrittenAreRefused) {
    expect_refused({"run", "null:", "--out", "/proc/nope"},
                   "cannot write to output directory '/proc/nope': No such file or directory");
}

TEST(BadInput, ReportsOfOtherFilesAreRefused) {
    const auto directory = base::TempDir::make("report");
    ASSERT_TRUE(directory);
    const std::string path = directory->path() / "result.json";
    ASSERT_TRUE(base::write_file(path, "{\"schema\": \"crucible.comparison/9\"}"));
    const auto newer = crucible({"report", path});
    EXPECT_EQ(newer.exit_code, kBadUsage);
    EXPECT_TRUE(newer.err.starts_with("crucible: " + path)) << newer.err;
    ASSERT_TRUE(base::write_file(path, "{"));
    expect_refused({"report", path}, path + ": not JSON");
}

TEST(BadInput, MissingAndSurplusArgumentsAreNamed) {
    expect_refused({},
                   "a command is missing: compare, run, profile, scale or report; see crucible "
                   "--help");
    expect_refused({"run"}, "target is required; see crucible run --help");
    expect_refused({"compare", "null:"}, "candidate is required; see crucible compare --help");
    expect_refused({"run", "null:", "null:"},
                   "The following argument was not expected: null:; see crucible run --help");
}

// Who sends which event depends on the number of clients: with different ones the two systems
// would not be offered the same stream.
TEST(BadInput, ComparedTargetsHaveTheSameNumberOfClients) {
    expect_refused({"compare", "null:?clients=2", "null:"},
                   "the targets have 2 and 4 clients: they must have the same number; see "
                   "--clients");
}

TEST(BadInput, HelpIsNoError) {
    for (const std::string command : {"compare", "run", "report"}) {
        const auto ended = crucible({command, "--help"});
        EXPECT_EQ(ended.exit_code, kDone);
        EXPECT_NE(ended.out.find("Examples:"), std::string::npos) << command;
        EXPECT_EQ(ended.err, "");
    }
    for (const std::string option : {"--help", "-h", "help", "--version"})
        EXPECT_EQ(crucible({option}).exit_code, kDone) << option;
}

}  // namespace
}  // namespace crucible::app
