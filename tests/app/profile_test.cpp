#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/file.h"
#include "base/process.h"
#include "in_process.h"
#include "real_binary.h"
#include "tracked_daemon.h"

namespace crucible::app {
namespace {

class Profile : public RealBinary {
protected:
    void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "a sanitizer has a malloc of its own, which has to come first";
#endif
    }
};

const nlohmann::json& metric_named(const nlohmann::json& metrics, std::string_view name) {
    for (const auto& metric : metrics)
        if (metric.at("name") == name) return metric;
    ADD_FAILURE() << "no metric " << name;
    return metrics.front();
}

const nlohmann::json& named(const nlohmann::json& rows, const char* member, std::string_view name) {
    for (const auto& row : rows)
        if (row.at(member) == name) return row;
    ADD_FAILURE() << "no " << member << " " << name << " in " << rows;
    return rows.front();
}

/// Lines on what could not be counted of the system; what is said of clients that are none of it is
/// not among them.
std::vector<std::string> uncounted(const nlohmann::json& target) {
    std::vector<std::string> lines;
    for (const auto& line : target.at("missing")) {
        if (!line.get<std::string>().starts_with("its clients: ")) lines.push_back(line);
    }
    return lines;
}

bool tells_of_clients(const nlohmann::json& target) {
    return uncounted(target).size() < target.at("missing").size();
}

/// An event of 8 KiB that waits is in memory, whole. How many of a burst wait there at once is the
/// machine's: on a busy one clients have theirs one after the other, and some have ended before a
/// client comes to read that. A sixteenth of them always do, or it says that they did not pile up.
void expect_peak_of_events(const nlohmann::json& target) {
    const auto& peak = metric_named(target.at("metrics"), "peak_live_bytes_per_event");
    if (!peak.at("value").is_null()) {
        EXPECT_GT(peak.at("value"), 8192 / 16) << peak;
        return;
    }
    const auto why = peak.at("absent").get<std::string>();
    EXPECT_TRUE(why.starts_with("events did not pile up: ") || why.starts_with("in bursts "))
        << why;
}

// Both architectures at two numbers of clients: who owns what, in a file that follows the schema.
TEST_F(Profile, TellsOwnersOfBothArchitectures) {
    ASSERT_EQ(run({"profile", "coordinator:", "daemon:", "--scenario", "light", "--clients",
                   "2",       "--ladder",     "1",       "--rounds",   "2",     "--rate",
                   "200",     "--duration",   "200ms",   "--warmup",   "0s",    "--in-flight",
                   "64,512",  "--payload",    "8KiB",    "--quiet"}),
              0)
        << errors();

    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto json = result();
    for (const auto& check : json.at("checks")) {
        if (check.at("name") != "memory_conserved") continue;
        EXPECT_TRUE(check.at("passed").get<bool>()) << check.at("detail");
    }
    for (const auto& target : json.at("targets")) {
        EXPECT_EQ(target.at("missing").size(), 0U) << target.at("missing");
        ASSERT_EQ(target.at("by_clients").size(), 2U);
        const auto& live = metric_named(target.at("metrics"), "live_bytes");
        ASSERT_EQ(live.at("n"), 2);
        double owned = 0;
        double peaks = 0;
        bool has_service = false;
        for (const auto& owner : target.at("owners")) {
            owned += owner.at("live_bytes").at("value").get<double>();
            peaks += owner.at("peak_bytes").at("value").get<double>();
            has_service |= owner.at("owner").get<std::string>().starts_with("database");
            EXPECT_NE(owner.at("owner"), "harness");
        }
        EXPECT_TRUE(has_service);
        // Estimates over two rounds: each is the mean, and means add up.
        EXPECT_NEAR(owned, live.at("value").get<double>(), 1.0);
        // Processes' own, to 0.6 % of all that is in them: the harness has less than 64 MiB.
        const double peak = metric_named(target.at("metrics"), "live_bytes_peak").at("value");
        EXPECT_GE(peak, live.at("value").get<double>());
        EXPECT_LE(peak, peaks + 0.01 * (peaks + (64 << 20)));
        EXPECT_GT(metric_named(target.at("metrics"), "allocations_per_event").at("value"), 0.5);
        double staged = 0;
        for (const auto& stage : target.at("stages"))
            staged += stage.at("live_bytes").at("value").get<double>();
        EXPECT_NEAR(staged, owned, 1.0);
        expect_peak_of_events(target);
    }
    EXPECT_NE(output().find("database"), std::string::npos) << output();
    bool transported = false;
    for (const auto& part : json.at("comparison").at("parts")) {
        if (part.at("division") != "stage" || part.at("part") != "transport") continue;
        const auto& live = metric_named(part.at("metrics"), "live_bytes");
        transported = live.at("baseline").at("value") == 0 && live.at("candidate").at("value") > 0;
    }
    EXPECT_TRUE(transported) << json.at("comparison").at("parts");
}

// Where each event takes 2 ms there are as many in flight as a burst has, on any machine: the
// figure has a value. A client keeps what it needs to know an event's end by, and no payload.
TEST_F(Profile, TellsThePeakOfEventsThatPileUp) {
    ASSERT_EQ(run({"profile",     "synthetic:?service=2ms",
                   "--clients",   "1",
                   "--ladder",    "none",
                   "--rounds",    "1",
                   "--stacks",    "none",
                   "--in-flight", "64,512",
                   "--rate",      "100",
                   "--duration",  "100ms",
                   "--warmup",    "0s",
                   "--payload",   "8KiB",
                   "--quiet"}),
              0)
        << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto target = result().at("targets").at(0);
    const auto& peak = metric_named(target.at("metrics"), "peak_live_bytes_per_event");
    ASSERT_FALSE(peak.at("value").is_null()) << peak;
    EXPECT_GT(peak.at("value"), 0) << peak;
    EXPECT_EQ(target.at("in_flight").at("many").at("value"), 512);
}

// A program whose memory is known: what it holds for each event, three times as much for one of the
// database, and what it takes for a moment; by stage, by category and at the peak.
TEST_F(Profile, TellsStagesAndCategoriesOfAKnownProgram) {
    ASSERT_EQ(run({"profile",      "exec:" CRUCIBLE_TEST_PROGRAMS "/hoard 4000",
                   "--mix",        "filesystem=1,database=1",
                   "--clients",    "1",
                   "--ladder",     "none",
                   "--rounds",     "1",
                   "--stacks",     "none",
                   "--in-flight",  "100,400",
                   "--categories", "all",
                   "--rate",       "500",
                   "--duration",   "200ms",
                   "--warmup",     "0s",
                   "--quiet"}),
              0)
        << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto target = result().at("targets").at(0);
    const auto figure = [](const nlohmann::json& row, const char* name) {
        return row.at(name).at("value").get<double>();
    };
    const auto expect_stages = [&](const nlohmann::json& stages, double held) {
        const auto& queue = named(stages, "stage", "queue");
        EXPECT_EQ(figure(queue, "allocations_per_event"), 1);
        EXPECT_EQ(figure(queue, "bytes_per_event"), held);
        EXPECT_EQ(figure(queue, "live_bytes"), 0);
        // How many it had read when the last came may differ a little from how many were sent.
        EXPECT_NEAR(figure(queue, "peak_bytes_per_event"), held, 0.1 * held);
        const auto& service = named(stages, "stage", "service");
        EXPECT_EQ(figure(service, "allocations_per_event"), 1);
        EXPECT_EQ(figure(service, "bytes_per_event"), 100);
        EXPECT_NEAR(figure(service, "peak_bytes_per_event"), 0, 1);
    };
    expect_stages(target.at("stages"), 8000);
    ASSERT_EQ(target.at("categories").size(), 2U);
    expect_stages(named(target.at("categories"), "category", "filesystem").at("stages"), 4000);
    expect_stages(named(target.at("categories"), "category", "database").at("stages"), 12'000);
    EXPECT_EQ(target.at("in_flight").at("many").at("value"), 400);
}

// Where memory comes from: every allocation has its place, and the files say the same as the
// counters.
TEST_F(Profile, TellsWhereMemoryIsAllocated) {
    ASSERT_EQ(
        run({"profile",  "router:",  "daemon:",  "--scenario",  "light",  "--clients", "1",
             "--ladder", "none",     "--rounds", "1",           "--rate", "200",       "--duration",
             "200ms",    "--warmup", "0s",       "--in-flight", "none",   "--quiet"}),
        0)
        << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto json = result();
    bool conserved = false;
    for (const auto& check : json.at("checks")) {
        if (check.at("name") != "stacks_conserved") continue;
        conserved = true;
        EXPECT_TRUE(check.at("passed").get<bool>()) << check.at("detail");
    }
    EXPECT_TRUE(conserved);
    // Where events are handled in the publisher's own thread that is the services' all the same.
    const auto& service = named(json.at("targets").at(0).at("stages"), "stage", "service");
    EXPECT_GT(service.at("bytes_per_event").at("value"), 100);
    const auto& target = json.at("targets").at(1);
    const auto& stacks = target.at("stacks");
    bool service_found = false;
    for (const auto& site : stacks.at("sites")) {
        service_found |= site.at("owner").get<std::string>().starts_with("system: database") &&
                         site.at("site").get<std::string>().find(".cpp:") != std::string::npos;
    }
    EXPECT_TRUE(service_found) << stacks.at("sites");
    for (const auto& [what, file] : stacks.at("files").items())
        EXPECT_GT(std::filesystem::file_size(out() / file.get<std::string>()), 100U) << what;

    // "owner;outermost;…;innermost bytes"
    const auto folded = base::read_file(out() / stacks.at("files").at("folded").get<std::string>());
    ASSERT_TRUE(folded);
    double bytes = 0;
    std::istringstream lines(*folded);
    for (std::string line; std::getline(lines, line);)
        bytes += std::stod(line.substr(line.rfind(' ') + 1));
    const double per_event = bytes / stacks.at("events").get<double>();
    const auto& counted = metric_named(target.at("metrics"), "allocated_bytes_per_event");
    EXPECT_NEAR(per_event / counted.at("value").get<double>(), 1, 0.5);

    ASSERT_GT(target.at("lifetimes").size(), 1U);
    const auto& all = target.at("lifetimes").at(0);
    EXPECT_EQ(all.at("owner"), "total");
    double blocks = 0;
    for (std::size_t i = 1; i < target.at("lifetimes").size(); ++i)
        blocks += target.at("lifetimes").at(i).at("blocks").get<double>();
    EXPECT_NEAR(blocks, all.at("blocks").get<double>(), 1e-6 * blocks);
    EXPECT_GT(metric_named(target.at("metrics"), "byte_seconds_per_event").at("value"), 0);

    const auto& processes = target.at("resources").at("processes");
    EXPECT_EQ(processes.at(0).at("command"), "crucibled");
    EXPECT_GT(processes.at(0).at("figures").at("memory_pss").at("peak"), 1e6);
}

// A program that is started without the tracker by one that has it: what it allocates is not known,
// and is said not to be. The rest is measured.
TEST_F(Profile, SaysWhatCouldNotBeCounted) {
    const auto program = out().parent_path() / "echo.py";
    std::ofstream(program)
        << "import json, sys\n"
           "for line in sys.stdin:\n"
           "    print(json.dumps({'token': json.loads(line)['token']}), flush=True)\n";
    const auto profile = [&](const std::string& how) {
        return run({"profile", "exec:" + how + "/usr/bin/python3 " + program.string(), "--clients",
                    "1", "--ladder", "none", "--rounds", "1", "--rate", "100", "--duration",
                    "100ms", "--warmup", "0s", "--leaks", "20", "--in-flight", "none", "--quiet"});
    };
    ASSERT_EQ(profile("env -u LD_PRELOAD "), 0) << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    auto target = result().at("targets").at(0);
    ASSERT_EQ(uncounted(target).size(), 1U);
    EXPECT_NE(uncounted(target)[0].find("was started without the allocation tracker"),
              std::string::npos)
        << target.at("missing");
    const auto& count = metric_named(target.at("metrics"), "allocations_per_event");
    EXPECT_TRUE(count.at("value").is_null());
    EXPECT_EQ(count.at("absent"), target.at("missing").at(0));
    EXPECT_EQ(target.at("leak").at("verdict"), "inconclusive");

    std::filesystem::remove_all(out());
    ASSERT_EQ(profile(""), 0) << errors();
    target = result().at("targets").at(0);
    EXPECT_EQ(uncounted(target).size(), 0U) << target.at("missing");
    // Nor is what the clients hold for it, which others' are of the system.
    EXPECT_TRUE(tells_of_clients(target)) << target.at("missing");
    EXPECT_NE(output().find("not counted: its clients: "), std::string::npos) << output();
    EXPECT_GT(metric_named(target.at("metrics"), "allocations_per_event").at("value"), 1);
}

const std::string kEcho = CRUCIBLE_TEST_PROGRAMS "/echo";
const std::vector<std::string> kShortProfile{
    "--clients", "1",  "--ladder",   "none",  "--rounds",    "1",    "--rate", "100",
    "--warmup",  "0s", "--duration", "100ms", "--in-flight", "none", "--quiet"};

std::vector<std::string> short_profile(const std::string& target) {
    std::vector<std::string> words{"profile", target};
    words.insert(words.end(), kShortProfile.begin(), kShortProfile.end());
    return words;
}

/// What it costs is measured, what it allocates is not, and the reason is in the place of it.
void expect_not_counted(const nlohmann::json& result, std::string_view reason) {
    const auto& target = result.at("targets").at(0);
    ASSERT_EQ(uncounted(target).size(), 1U) << target.at("missing");
    const auto missing = uncounted(target)[0];
    EXPECT_NE(missing.find(reason), std::string::npos) << missing;
    for (const auto& metric : target.at("metrics")) {
        const auto name = metric.at("name").get<std::string>();
        if (name.starts_with("memory_")) continue;
        EXPECT_TRUE(metric.at("value").is_null()) << name;
        EXPECT_EQ(metric.at("absent"), missing) << name;
    }
}

TEST_F(Profile, SaysThatAStaticProgramCannotBeCounted) {
    ASSERT_EQ(run(short_profile("exec:" + kEcho + "_static")), 0) << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    expect_not_counted(result(), "it is a static program");
    EXPECT_FALSE(metric_named(result().at("targets").at(0).at("metrics"), "memory_peak")
                     .at("value")
                     .is_null());
    EXPECT_NE(output().find("not counted: process "), std::string::npos) << output();
}

// A daemon that somebody else has started counts where that one said, and is read there. One that
// was told no place says so.
TEST_F(Profile, ReadsADaemonThatRunsWithTheTrackerAlready) {
    const auto folder = out().parent_path();
    const auto profile_daemon = [&](const std::string& counts) {
        TrackedDaemon daemon(folder, counts);
        auto words = short_profile("daemon:" + daemon.socket.string());
        words.insert(words.end(), {"--stacks", "none"});
        EXPECT_EQ(run(words), 0) << errors();
        EXPECT_EQ(complaints("memory.schema.json"), "");
        daemon.end(SIGTERM);
    };
    const auto counts = folder / "counts";
    std::filesystem::create_directory(counts);
    profile_daemon(counts);
    const auto target = result().at("targets").at(0);
    EXPECT_EQ(target.at("missing").size(), 0U) << target.at("missing");
    EXPECT_GT(metric_named(target.at("metrics"), "allocations_per_event").at("value"), 0.5);
    bool has_service = false;
    bool has_stub = false;
    for (const auto& owner : target.at("owners")) {
        has_service |= owner.at("owner").get<std::string>().starts_with("database");
        // As of a daemon that the suite starts: its clients have parts of it.
        has_stub |= owner.at("place") == "client" && owner.at("owner") == "client stub" &&
                    owner.at("live_bytes").at("value") > 0;
    }
    EXPECT_TRUE(has_service) << target.at("owners");
    EXPECT_TRUE(has_stub) << target.at("owners");

    std::filesystem::remove_all(out());
    profile_daemon("");
    expect_not_counted(result(),
                       "was started without an absolute path in CRUCIBLE_ALLOC_DIRECTORY");
}

// The loader would take such a path for those of several libraries.
TEST_F(Profile, PreloadsATrackerWhosePathHasASpaceOrAColon) {
    const auto folder = out().parent_path() / "my software: $LIB";
    std::filesystem::create_directory(folder);
    std::filesystem::create_symlink(tracker(), folder / "tracker.so");
    ::setenv("CRUCIBLE_ALLOC", (folder / "tracker.so").c_str(), 1);
    const int ended = run(short_profile("exec:" + kEcho));
    ::unsetenv("CRUCIBLE_ALLOC");
    ASSERT_EQ(ended, 0) << errors();
    const auto target = result().at("targets").at(0);
    EXPECT_EQ(uncounted(target).size(), 0U) << target.at("missing");
    EXPECT_GT(metric_named(target.at("metrics"), "live_bytes").at("value"), 0);
}

// A system whose shared memory is full: all goes on, without counts.
TEST_F(Profile, SaysThatThereWasNoRoomForCounts) {
    std::vector<std::string> command{"/usr/bin/unshare",
                                     "--map-root-user",
                                     "--mount",
                                     "/bin/sh",
                                     "-c",
                                     "mount -t tmpfs -o size=16k tmpfs /dev/shm && exec \"$@\"",
                                     "sh"};
    const auto ended = [&command](const std::vector<std::string>& words) {
        auto all = command;
        all.insert(all.end(), words.begin(), words.end());
        auto process = base::Process::start({.arguments = all});
        const auto status = process ? process->wait(100s) : std::nullopt;
        return status && status->signal == 0 ? status->exit_code : -1;
    };
    if (ended({"/bin/true"}) != 0) GTEST_SKIP() << "no file systems may be mounted here";
    auto words = short_profile("synthetic:");
    words.insert(words.begin(), CRUCIBLE);
    words.insert(words.end(), {"--out", out().string()});
    ASSERT_EQ(ended(words), 0);
    expect_not_counted(result(), "16384 bytes are free there");
}

// What a system holds for events that it has lost is of no event that ended.
TEST_F(Profile, HasNoFiguresWhereEventsWereLost) {
    auto words = short_profile("synthetic:?loss=50%");
    words.insert(words.end(), {"--leaks", "20"});
    EXPECT_EQ(run(words), kEnvironmentInvalid) << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto json = result();
    const auto& losses = named(json.at("checks"), "name", "no_losses");
    EXPECT_FALSE(losses.at("passed").get<bool>());
    EXPECT_TRUE(losses.at("detail").get<std::string>().ends_with(" events never ended")) << losses;
    const auto& target = json.at("targets").at(0);
    EXPECT_EQ(target.at("metrics").size(), 0U) << target.at("metrics");
    EXPECT_EQ(target.at("owners").size(), 0U) << target.at("owners");
    EXPECT_TRUE(target.at("stacks").is_null());
    EXPECT_EQ(target.at("leak").at("verdict"), "inconclusive");
    EXPECT_TRUE(target.at("leak").at("reason").get<std::string>().ends_with(" events never ended"))
        << target.at("leak");
}

// What refuses most events is no more frugal with the others.
TEST_F(Profile, SaysHowManyEventsWereNotHandled) {
    auto words = short_profile("synthetic:?errors=60%");
    words.insert(words.end(), {"--stacks", "none"});
    ASSERT_EQ(run(words), 0) << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto target = result().at("targets").at(0);
    const auto& delivery = target.at("delivery");
    EXPECT_GT(delivery.at("rejected"), 0) << delivery;
    EXPECT_EQ(delivery.at("sent").get<int>(),
              delivery.at("handled").get<int>() + delivery.at("rejected").get<int>());
    EXPECT_TRUE(metric_named(target.at("metrics"), "allocations_per_event")
                    .at("absent")
                    .get<std::string>()
                    .ends_with(" events were rejected or lost"));
    EXPECT_FALSE(metric_named(target.at("metrics"), "live_bytes").at("value").is_null());
    EXPECT_NE(output().find(" counted "), std::string::npos) << output();
}

// At its beginning, or while it is measured.
TEST_F(Profile, TellsOfATargetThatEnds) {
    for (const auto& target : {std::string("exec:/bin/true"), "exec:" + kEcho + " 5"}) {
        EXPECT_EQ(run(short_profile(target)), kTargetFailed) << errors();
        EXPECT_TRUE(errors().ends_with(
            "crucible: client-0: the program exited with code 0; the partial result is kept\n"))
            << errors();
        EXPECT_EQ(complaints("memory.schema.json"), "");
        EXPECT_EQ(result().at("failure").at("message"), "client-0: the program exited with code 0");
        std::filesystem::remove_all(out());
    }
}

// One that does not live through its trials leaves the other's figures as they are.
TEST_F(Profile, MeasuresTheTargetBesideOneThatFails) {
    auto words = short_profile("synthetic:");
    words.insert(words.begin() + 2, "exec:/bin/true");
    EXPECT_EQ(run(words), kTargetFailed) << errors();
    EXPECT_TRUE(
        errors().ends_with("crucible: exec:/bin/true: client-0: the program exited with "
                           "code 0; the partial result is kept\n"))
        << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto json = result();
    const auto& sound = json.at("targets").at(0);
    EXPECT_TRUE(sound.at("failure").is_null());
    EXPECT_EQ(metric_named(sound.at("metrics"), "allocations_per_event").at("n"), 1);
    EXPECT_GT(sound.at("owners").size(), 0U);
    EXPECT_FALSE(sound.at("stacks").is_null());
    const auto& failed = json.at("targets").at(1);
    EXPECT_EQ(failed.at("failure").at("message"), "client-0: the program exited with code 0");
    EXPECT_EQ(failed.at("metrics").size(), 0U);
    EXPECT_NE(output().find("failed: client-0: the program exited"), std::string::npos) << output();
    EXPECT_NE(output().find("Allocations "), std::string::npos) << output();
}

// Bursts are of one figure: where a target does not live through them it is that figure's reason.
TEST_F(Profile, GoesOnWithoutAFigureWhoseTrialsFail) {
    const auto target = "exec:" + kEcho + " 50";
    EXPECT_EQ(run({"profile", target, "--clients", "1", "--ladder", "none", "--rounds", "2",
                   "--rate", "100", "--duration", "100ms", "--warmup", "0s", "--in-flight",
                   "64,512", "--stacks", "none", "--quiet"}),
              kTargetFailed);
    EXPECT_TRUE(errors().starts_with("crucible: " + target + " with 1 client, in ")) << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto json = result();
    EXPECT_TRUE(json.at("failure").is_null());
    const auto& found = json.at("targets").at(0);
    EXPECT_TRUE(found.at("failure").is_null());
    // Not tried again in the second round.
    ASSERT_EQ(found.at("failed_trials").size(), 1U) << found.at("failed_trials");
    const auto why = "a trial failed, " + found.at("failed_trials").at(0).get<std::string>();
    EXPECT_TRUE(why.ends_with(": client-0: the program exited with code 0")) << why;
    const auto& peak = metric_named(found.at("metrics"), "peak_live_bytes_per_event");
    EXPECT_EQ(peak.at("absent"), why);
    EXPECT_EQ(metric_named(found.at("metrics"), "allocations_per_event").at("n"), 2);
}

// A program that has had enough after five events without one of files: of the mix it has all.
TEST_F(Profile, GoesOnWithoutACategoryWhoseTrialsFail) {
    const auto program = out().parent_path() / "picky.py";
    std::ofstream(program)
        << "import json, sys\n"
           "others = 0\n"
           "for line in sys.stdin:\n"
           "    sent = json.loads(line)\n"
           "    others = 0 if sent['event']['category'] == 'filesystem' else others + 1\n"
           "    if others == 5: sys.exit(3)\n"
           "    print(json.dumps({'token': sent['token']}), flush=True)\n";
    auto words = short_profile("exec:/usr/bin/python3 " + program.string());
    words.insert(words.end(),
                 {"--mix", "filesystem=1,database=1", "--categories", "all", "--stacks", "none"});
    EXPECT_EQ(run(words), kTargetFailed) << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto target = result().at("targets").at(0);
    EXPECT_EQ(metric_named(target.at("metrics"), "allocations_per_event").at("n"), 1);
    EXPECT_EQ(named(target.at("categories"), "category", "filesystem").at("rounds"), 1);
    const auto& database = named(target.at("categories"), "category", "database");
    EXPECT_EQ(database.at("rounds"), 0);
    EXPECT_EQ(database.at("metrics").at(0).at("absent"),
              "a trial failed, with 1 client, counting, database alone: client-0: the program "
              "exited with code 3");
}

// A watch that its target does not live through is judged up to there.
TEST_F(Profile, JudgesATargetThatEndsUpToItsEnd) {
    // Rounds take 20 events at most; of the watch's 44 iterations some 35 come first, of 10 to 30
    // events as the seed has it. Of equal ones 31 would be judged.
    EXPECT_EQ(run({"profile",     "exec:" + kEcho + " 710",
                   "--clients",   "1",
                   "--ladder",    "none",
                   "--rounds",    "1",
                   "--leaks",     "40",
                   "--rate",      "1000",
                   "--duration",  "20ms",
                   "--warmup",    "0s",
                   "--in-flight", "none",
                   "--seed",      "1",
                   "--quiet"}),
              kTargetFailed)
        << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    EXPECT_EQ(result().at("failure").at("message"), "client-0: the program exited with code 0");
    const auto leak = result().at("targets").at(0).at("leak");
    EXPECT_EQ(leak.at("iterations"), 30) << leak;
    EXPECT_EQ(leak.at("sites_are"), "call site") << leak;
    EXPECT_EQ(leak.at("verdict"), "clean") << leak;
}

// A program that starts another for each event: these are not counted, which is said once, and
// their counts do not fill the memory.
TEST_F(Profile, KeepsNoCountsOfWhatCameAndWent) {
    const auto program = out().parent_path() / "starter";
    const auto most = out().parent_path() / "most";
    std::ofstream(program)
        << "most=0\n"
           "while read -r line; do\n"
           "  /bin/true\n"
           "  files=(\"$CRUCIBLE_ALLOC_DIRECTORY\"/*)\n"
           "  (( ${#files[@]} <= most )) || { most=${#files[@]}; echo $most >\"$1\"; }\n"
           "  token=${line#*'\"token\":'}\n"
           "  echo \"{\\\"token\\\": ${token%%[,\\}]*}}\"\n"
           "done\n";
    ASSERT_EQ(
        run({"profile", "exec:/bin/bash " + program.string() + " " + most.string(), "--clients",
             "1", "--ladder", "none", "--rounds", "1", "--stacks", "none", "--rate", "100",
             "--duration", "1500ms", "--warmup", "0s", "--in-flight", "none", "--quiet"}),
        0)
        << errors();
    EXPECT_EQ(complaints("memory.schema.json"), "");
    const auto missing = uncounted(result().at("targets").at(0));
    ASSERT_EQ(missing.size(), 1U) << result().at("targets").at(0).at("missing");
    EXPECT_TRUE(missing[0].ends_with(" others came and went while the load ran")) << missing[0];
    // Each of 300 left two, of itself before and after it became another program; they are looked
    // through four times a second.
    const int files = std::stoi(base::read_file(most).value_or("0"));
    EXPECT_GT(files, 1);
    EXPECT_LT(files, 200);
}

// A planted leak of 64 bytes an event is found, with its owner; without it the same system has
// none.
TEST_F(Profile, FindsAPlantedLeak) {
    const auto judged = [this](const std::string& target, int exit_code) {
        EXPECT_EQ(run({"profile", target, "--clients", "1", "--ladder", "none", "--rounds", "1",
                       "--leaks", "20", "--rate", "1000", "--duration", "50ms", "--warmup", "0s",
                       "--in-flight", "none", "--quiet"}),
                  exit_code)
            << errors();
        EXPECT_EQ(complaints("memory.schema.json"), "");
        const auto leak = result().at("targets").at(0).at("leak");
        std::filesystem::remove_all(out());
        return leak;
    };
    const auto leaking = judged("synthetic:?leak=64B", kJudgedFailed);
    EXPECT_EQ(errors().rfind("crucible: synthetic:?leak=64B: leaks: client: target, ", 0), 0U)
        << errors();
    EXPECT_EQ(leaking.at("verdict"), "leak") << leaking;
    EXPECT_EQ(leaking.at("sites_are"), "call site") << leaking.at("why_not_call_sites");
    EXPECT_TRUE(leaking.at("site").get<std::string>().starts_with("client: target, "));
    EXPECT_NE(leaking.at("site").get<std::string>().find("::leak (synthetic"), std::string::npos)
        << leaking.at("site");
    EXPECT_GT(leaking.at("sites").at(0).at("stack").size(), 3U);
    // What the watch holds in the client: it knows when each event was due, and keeps none of that.
    const auto& held = leaking.at("worker_memory");
    EXPECT_GT(held.at("first"), 1 << 20);
    EXPECT_NEAR(held.at("last").get<double>(), held.at("first").get<double>(), 16 << 10) << held;
    const auto& slope = leaking.at("sites").at(0).at("bytes_per_event");
    EXPECT_LE(slope.at("ci_low"), 64);
    EXPECT_GE(slope.at("ci_high"), 64);
    // What it keeps for events under way is not quite the same each time: fifty events may be too
    // few to call that clean, and never enough to call it a leak.
    const auto sound = judged("synthetic:", kDone);
    EXPECT_NE(sound.at("verdict"), "leak") << sound;
    EXPECT_LT(sound.at("smallest_visible"), 10);
}

}  // namespace
}  // namespace crucible::app
