#include <signal.h>

#include <charconv>
#include <fstream>
#include <sstream>

#include "lab/record/histogram_log.h"
#include "real_binary.h"

namespace crucible::app {
namespace {

class ResultFiles : public RealBinary {
protected:
    /// True when the program measured: 3 on a machine that is too busy to keep a schedule, and the
    /// result says so.
    bool measured(std::vector<std::string> words) {
        const int exit_code = run(std::move(words));
        return exit_code == 0 || exit_code == 3;
    }
};

/// Children of `parent`, by the parent that /proc tells of each process.
std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> children;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        pid_t pid = 0;
        const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (status != std::errc() || end != name.data() + name.size()) continue;
        std::ifstream file(entry.path() / "stat");
        std::string stat((std::istreambuf_iterator<char>(file)), {});
        // Behind the name in parentheses: state, then the parent.
        std::istringstream rest(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
        char state = 0;
        pid_t its_parent = 0;
        if (rest >> state >> its_parent && its_parent == parent) children.push_back(pid);
    }
    return children;
}

/// The daemon that the process `parent` has started; 0 when there is none.
pid_t daemon_of(pid_t parent) {
    for (const pid_t child : children_of(parent)) {
        std::ifstream file("/proc/" + std::to_string(child) + "/comm");
        std::string name;
        if (std::getline(file, name) && name == "crucibled") return child;
    }
    return 0;
}

// Scripts and dashboards read the file by its schema: what the program writes must follow it.
TEST_F(ResultFiles, OfAComparisonFollowTheSchema) {
    ASSERT_TRUE(measured({"compare", "null:", "null:", "--scenario", "light", "--rounds", "2",
                          "--duration", "200ms", "--warmup", "50ms", "--quiet"}))
        << errors();

    EXPECT_EQ(complaints("comparison.schema.json"), "");
    // Identical systems, two rounds: nothing may be called different.
    const auto json = result();
    for (const auto& metric : json.at("scenarios").at(0).at("metrics")) {
        EXPECT_NE(metric.at("verdict"), "better") << metric.at("name");
        EXPECT_NE(metric.at("verdict"), "worse") << metric.at("name");
    }
}

// The last line is where to look further; --quiet silences progress, not the result.
TEST_F(ResultFiles, AreNamedInTheLastLine) {
    ASSERT_TRUE(measured({"run", "synthetic:?service=100us", "--rate", "200", "--duration", "200ms",
                          "--warmup", "0s", "--quiet"}))
        << errors();

    EXPECT_EQ(complaints("run.schema.json"), "");
    EXPECT_TRUE(output().ends_with("\nReport: " + (out() / "report.html").string() + "\n"));
    EXPECT_EQ(errors().find("steady"), std::string::npos) << errors();
    EXPECT_EQ(result().at("scenarios").at(0).at("delivery").at("handled"), 40);
}

// Piped into another program, stdout is the result and nothing else.
TEST_F(ResultFiles, AreTheWholeOutputWithJson) {
    ASSERT_TRUE(measured(
        {"run", "null:", "--rate", "100", "--duration", "100ms", "--warmup", "0s", "--json"}))
        << errors();

    const auto printed = nlohmann::json::parse(output(), nullptr, false);
    ASSERT_FALSE(printed.is_discarded()) << output();
    EXPECT_EQ(printed, result());
}

// A file of more than one scenario, and options that go into the target's URL: the result names
// the target as it was driven, so that nobody takes routing alone for the whole work.
TEST_F(ResultFiles, NameTheTargetAsDriven) {
    ASSERT_TRUE(measured({"run", "coordinator:?clients=2", "--work", "none", "--scenario", "light",
                          "--scenario", "medium", "--rate", "200", "--duration", "100ms",
                          "--warmup", "0s"}))
        << errors();

    const auto json = result();
    EXPECT_EQ(complaints("run.schema.json"), "");
    EXPECT_EQ(json.at("target"), "coordinator:?clients=2&work=none");
    ASSERT_EQ(json.at("scenarios").size(), 2u);
    for (const auto& scenario : json.at("scenarios")) {
        EXPECT_EQ(scenario.at("load").at("clients"), 2);
        EXPECT_EQ(scenario.at("delivery").at("handled"), 20);
    }
    EXPECT_EQ(json.at("scenarios").at(1).at("name"), "medium");
}

// Nothing was measured, and the file says so: who looks for a result finds the reason.
TEST_F(ResultFiles, ExistEvenWhenTheTargetDoesNot) {
    ASSERT_EQ(run({"compare", "null:", "daemon:/nonexistent/crucibled.sock", "--scenario", "light",
                   "--rounds", "1", "--duration", "100ms", "--warmup", "0s"}),
              5)
        << errors();

    EXPECT_EQ(complaints("comparison.schema.json"), "");
    const auto message = result().at("failure").at("message").get<std::string>();
    EXPECT_NE(message.find("/nonexistent/crucibled.sock"), std::string::npos) << message;
    EXPECT_EQ(result().at("verdict"), "not_proven");
}

// The target dies under load: exit 5, what was measured is kept, and each event sent is accounted
// for.
TEST_F(ResultFiles, KeepTheAccountWhenTheDaemonIsKilled) {
    auto process = start({"run", "daemon:", "--rate", "500", "--events", "60000"});
    ASSERT_TRUE(wait_for_progress()) << errors();
    const pid_t daemon = daemon_of(process.pid());
    ASSERT_GT(daemon, 0);
    ASSERT_EQ(::kill(daemon, SIGKILL), 0);
    const auto status = process.wait(60s);

    ASSERT_TRUE(status);
    EXPECT_EQ(status->exit_code, 5) << errors();
    EXPECT_EQ(complaints("run.schema.json"), "");
    const auto json = result();
    const auto message = json.at("failure").at("message").get<std::string>();
    EXPECT_NE(message.find("killed by signal 9"), std::string::npos) << message;
    const auto& delivery = json.at("scenarios").at(0).at("delivery");
    EXPECT_EQ(delivery.at("sent").get<std::uint64_t>(),
              delivery.at("handled").get<std::uint64_t>() +
                  delivery.at("rejected").get<std::uint64_t>() +
                  delivery.at("lost").get<std::uint64_t>());
    EXPECT_LT(delivery.at("handled"), 60'000);
    for (const pid_t child : children_of(process.pid())) ADD_FAILURE() << "left behind: " << child;
}

// Two runs of one load beside each other: the trials of each are the values, and the harness's
// share is off them already.
TEST_F(ResultFiles, AreComparedAgain) {
    const auto first = out().parent_path() / "first";
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(measured({"run", "synthetic:?service=100us", "--rate", "200", "--duration",
                              "200ms", "--warmup", "0s", "--rounds", "2", "--quiet"}))
            << errors();
        if (i == 0) std::filesystem::rename(out(), first);
    }
    EXPECT_EQ(result().at("scenarios").at(0).at("trial_values").size(), 2u);
    const auto second = out().parent_path() / "second";
    std::filesystem::rename(out(), second);

    ASSERT_EQ(run({"compare", first, second}), 0) << errors();

    EXPECT_EQ(complaints("comparison.schema.json"), "");
    EXPECT_EQ(result().at("observational"), true);
    EXPECT_EQ(result().at("inputs").at("baseline").at("files").at(0).at("target"),
              "synthetic:?service=100us");
    EXPECT_EQ(result().at("scenarios").at(0).at("metrics").size(), 23u);
    EXPECT_EQ(result().at("scenarios").at(0).at("delivery").at("candidate").at("handled"), 80);
    const auto written = result();
    for (const auto& metric : written.at("scenarios").at(0).at("metrics")) {
        EXPECT_NE(metric.at("verdict"), "better") << metric.at("name");
        EXPECT_NE(metric.at("verdict"), "worse") << metric.at("name");
    }
}

// Another load answers another question.
TEST_F(ResultFiles, OfDifferentLoadsAreNotCompared) {
    const auto first = out().parent_path() / "first";
    ASSERT_TRUE(
        measured({"run", "null:", "--rate", "100", "--duration", "100ms", "--warmup", "0s"}))
        << errors();
    std::filesystem::rename(out(), first);
    ASSERT_TRUE(measured({"run", "null:", "--rate", "100", "--duration", "100ms", "--warmup", "0s",
                          "--clients", "2"}))
        << errors();
    const auto second = out().parent_path() / "second";
    std::filesystem::rename(out(), second);

    EXPECT_EQ(run({"compare", first, second}), 2);

    EXPECT_TRUE(errors().ends_with("crucible: " + first.string() + " and " + second.string() +
                                   " were not measured under the same load: medium: load.clients: "
                                   "4 against 2\n"))
        << errors();
}

// Stored results are rendered again, in every form, without measuring.
TEST_F(ResultFiles, AreRenderedAgain) {
    ASSERT_TRUE(measured(
        {"run", "null:", "--rate", "100", "--duration", "100ms", "--warmup", "0s", "--quiet"}))
        << errors();
    for (const auto& [format, start] : {std::pair{"terminal", "null: "},
                                        {"markdown", "# null: "},
                                        {"html", "<!doctype html>"},
                                        {"json", "{\n"},
                                        {"hdr", "#[Logged with crucible]\n"}}) {
        const auto rendered = out().parent_path() / format;
        auto report = base::Process::start(
            {.arguments = {CRUCIBLE, "report", out().string(), "--format", format},
             .inherit = {},
             .standard_output = rendered,
             .standard_error = {}});
        ASSERT_TRUE(report) << report.error().message;
        const auto status = report->wait(60s);
        ASSERT_TRUE(status);
        EXPECT_EQ(status->exit_code, 0) << format;
        EXPECT_TRUE(base::read_file(rendered).value_or("").starts_with(start)) << format;
    }
    const auto log = lab::read_histogram_log(*base::read_file(out().parent_path() / "hdr"));
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_FALSE(log->entries.empty());
    EXPECT_EQ(log->entries[0].tag, "medium.latency");
    EXPECT_EQ(log->entries[0].histogram.count(), 10u);
}

}  // namespace
}  // namespace crucible::app
