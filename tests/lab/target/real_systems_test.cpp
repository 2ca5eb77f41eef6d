#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "lab/target/system.h"
#include "lab/target/target.h"
#include "runtime/daemon/connect.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

Result<std::unique_ptr<System>> start(std::string_view text, std::uint32_t services = 6) {
    const auto url = parse_target(text);
    EXPECT_TRUE(url) << url.error().message;
    return start_system(*url, {.services = services});
}

std::unique_ptr<System> started(std::string_view text) {
    auto system = start(text);
    EXPECT_TRUE(system) << system.error().message;
    return system ? *std::move(system) : nullptr;
}

Event database_event(std::uint8_t number) {
    Event event;
    event.id.bytes[15] = number;
    event.category = Category::database;
    event.type = "record.created";
    event.source = "client-0";
    event.payload = "{}";
    return event;
}

/// Sends ten events through a client of `endpoint`; how often each token came back as handled.
std::map<std::uint64_t, int> send_ten(const std::string& endpoint) {
    std::mutex mutex;
    std::map<std::uint64_t, int> handled;
    auto target = open_target(endpoint, 0, [&](std::span<const Completion> batch, TimePoint at) {
        EXPECT_LE(at, base::monotonic_now());
        const std::lock_guard lock(mutex);
        for (const auto& [token, outcome] : batch) handled[token] += outcome == Outcome::handled;
    });
    EXPECT_TRUE(target) << target.error().message;
    if (!target) return {};
    for (std::uint8_t i = 0; i < 10; ++i)
        EXPECT_TRUE((*target)->send(database_event(i), 1000u + i));
    const auto drained = (*target)->drain(60s);
    EXPECT_TRUE(drained) << drained.error().message;
    target->reset();
    const std::lock_guard lock(mutex);
    return handled;
}

// One adapter for all three: what is sent comes back, each token once, drained means all of them.
TEST(RealSystems, AnswerThroughTheSameAdapter) {
    for (const auto* text : {"coordinator:?work=none", "router:?work=none", "daemon:?work=none",
                             "daemon:?work=none&shared_memory=yes"}) {
        const auto system = started(text);
        ASSERT_TRUE(system);
        const auto handled = send_ten(system->endpoint());
        ASSERT_EQ(handled.size(), 10u) << text;
        for (const auto& [token, times] : handled) EXPECT_EQ(times, 1) << text << " " << token;
        EXPECT_FALSE(system->failure()) << text;
        const auto stopped = system->stop();
        EXPECT_TRUE(stopped) << stopped.error().message;
    }
}

// A private data directory lives as long as its system: tests and reports look into it.
TEST(RealSystems, DataDirectoryGoesWithTheSystem) {
    for (const auto* text : {"coordinator:", "router:", "daemon:"}) {
        const auto system = started(text);
        ASSERT_TRUE(system);
        ASSERT_TRUE(system->data_directory()) << text;
        const std::filesystem::path data = *system->data_directory();
        send_ten(system->endpoint());
        EXPECT_TRUE(std::filesystem::exists(data / "crucible.db")) << text;
        EXPECT_TRUE(system->stop());
        EXPECT_FALSE(std::filesystem::exists(data)) << text;
    }
}

// The daemon's process is what is measured; stopping it ends it in order.
TEST(Daemon, RunsAsAProcessOfItsOwn) {
    const auto system = started("daemon:?work=none&services=12");
    ASSERT_TRUE(system);
    ASSERT_EQ(system->processes().size(), 1u);
    const pid_t pid = system->processes().front();
    std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    std::getline(comm, name);
    EXPECT_EQ(name, "crucibled");
    EXPECT_TRUE(system->stop());
    EXPECT_NE(::kill(pid, 0), 0);
}

/// Waits until `system` says what is wrong with it.
std::string failure_of(System& system) {
    base::SteadyClock clock;
    const TimePoint deadline = clock.now() + 30s;
    while (clock.now() < deadline) {
        if (const auto failure = system.failure()) return *failure;
        clock.sleep_until(clock.now() + 1ms);
    }
    return "none";
}

// A daemon that dies is named with the way it went, and stop() does not call that an orderly end.
TEST(Daemon, DeathIsNoticed) {
    const auto system = started("daemon:?work=none");
    ASSERT_TRUE(system);
    const pid_t pid = system->processes().front();
    ::kill(pid, SIGKILL);
    EXPECT_TRUE(failure_of(*system).starts_with("crucibled (pid " + std::to_string(pid) +
                                                ") was killed by signal 9 (Killed)"));
    const auto stopped = system->stop();
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, Errc::failed);
}

// A daemon of the user's is found through its socket, watched, and never stopped.
TEST(Daemon, RunningOneIsUsedAndLeftAlone) {
    const auto ours = started("daemon:?work=none");
    ASSERT_TRUE(ours);
    const auto running = started(ours->endpoint());
    ASSERT_TRUE(running);
    EXPECT_EQ(running->processes(), ours->processes());
    EXPECT_FALSE(running->data_directory());
    EXPECT_EQ(send_ten(running->endpoint()).size(), 10u);
    EXPECT_TRUE(running->stop());
    EXPECT_FALSE(ours->failure());
    ::kill(ours->processes().front(), SIGKILL);
    EXPECT_NE(failure_of(*running).find("has ended"), std::string::npos);
}

// The clients' processes are told by the endpoint, and so are those of whoever takes it over.
TEST(Daemon, SharesMemoryWithItsClients) {
    const auto ours = started("daemon:?work=none&shared_memory=yes");
    ASSERT_TRUE(ours);
    const auto running = started(ours->endpoint());
    ASSERT_TRUE(running);
    EXPECT_EQ(running->endpoint(), ours->endpoint());
    auto target = open_target(running->endpoint(), 0, {});
    ASSERT_TRUE(target) << target.error().message;
    const auto url = parse_target(ours->endpoint());
    ASSERT_TRUE(url);
    const auto status = runtime::ask_daemon({.socket = url->path}, R"({"about":"status"})");
    ASSERT_TRUE(status);
    EXPECT_NE(status->find(R"("clients_by_medium":{"shared memory":1})"), std::string::npos)
        << *status;
    target->reset();
    EXPECT_TRUE(ours->stop());
}

TEST(Daemon, NobodyAtTheSocketIsAnErrorThatNamesIt) {
    const auto system = start("daemon:/nonexistent/d.sock");
    ASSERT_FALSE(system);
    EXPECT_EQ(system.error().code, Errc::not_found);
    EXPECT_NE(system.error().message.find("/nonexistent/d.sock"), std::string::npos);
}

// A daemon that does not come up: the error says how it ended and repeats what it wrote.
TEST(Daemon, StartFailureHasItsLastLines) {
    const auto directory = base::TempDir::make("fake-daemon");
    ASSERT_TRUE(directory);
    const auto program = directory->path() / "crucibled";
    std::ofstream(program) << "#!/bin/sh\necho one >&2\necho two >&2\necho three >&2\n"
                              "echo out of luck >&2\nexit 3\n";
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    ::setenv("CRUCIBLED", program.c_str(), 1);
    const auto system = start("daemon:");
    ::setenv("CRUCIBLED", "/nonexistent/crucibled", 1);
    const auto missing = start("daemon:");
    ::unsetenv("CRUCIBLED");
    ASSERT_FALSE(system);
    EXPECT_EQ(system.error().message,
              "crucibled did not start: it exited with code 3: two | three | out of luck");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Errc::not_found);
    EXPECT_NE(missing.error().message.find("/nonexistent/crucibled"), std::string::npos);
}

}  // namespace
}  // namespace crucible::lab
