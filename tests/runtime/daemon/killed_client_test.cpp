// A client process that is killed with its shared memory full of events.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "acknowledgements.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "crucible/daemon_client.h"
#include "daemon_process.h"
#include "runtime/event/uuid.h"

namespace crucible::runtime {
namespace {

using testing::Acknowledgements;
using testing::kGenerousLimit;

class KilledClientTest : public testing::DaemonProcessTest {
protected:
    void SetUp() override { start_daemon(); }
    Event record(std::uint64_t number) {
        Event event;
        event.id = make_uuid_v7(base::wall_now(), random_);
        event.category = Category::database;
        event.type = "record.created";
        event.source = "client-0";
        event.payload = R"({"key":")" + std::to_string(number) + R"(","fields":{}})";
        event.created = base::wall_now();
        return event;
    }
    /// In a child process: publishes without end, and writes the number of each event that was
    /// handled to `told`.
    [[noreturn]] void publish_until_killed(int told) {
        const auto client =
            DaemonClient::connect({.socket = socket_, .shared_memory = true},
                                  [told](std::span<const Acknowledgement> ends) {
                                      for (const auto& end : ends) {
                                          if (end.outcome != Outcome::handled) continue;
                                          if (::write(told, &end.token, sizeof end.token) < 0)
                                              ::_exit(2);
                                      }
                                  });
        if (!client) ::_exit(1);
        for (std::uint64_t number = 0;; ++number) {
            while (!(*client)->publish(record(number), number)) std::this_thread::yield();
        }
    }
    std::set<std::string> keys() const {
        std::set<std::string> keys;
        sqlite3* database = nullptr;
        EXPECT_EQ(sqlite3_open_v2((data_ / "crucible.db").c_str(), &database, SQLITE_OPEN_READONLY,
                                  nullptr),
                  SQLITE_OK);
        const auto add = [](void* out, int, char** values, char**) {
            static_cast<std::set<std::string>*>(out)->emplace(values[0]);
            return 0;
        };
        EXPECT_EQ(sqlite3_exec(database, "SELECT key FROM records", add, &keys, nullptr),
                  SQLITE_OK);
        sqlite3_close(database);
        return keys;
    }

    base::Rng random_{1};
};

TEST_F(KilledClientTest, WhatItWasAcknowledgedIsHandledAndTheDaemonGoesOn) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const base::UniqueFd told(ends[0]);
    base::UniqueFd tells(ends[1]);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) publish_until_killed(tells.get());
    tells.reset();

    // Acknowledged while it publishes: killed in the middle of it.
    std::vector<std::uint64_t> handled;
    std::uint64_t number = 0;
    while (handled.size() < 3'000 && ::read(told.get(), &number, sizeof number) == sizeof number)
        handled.push_back(number);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    while (::read(told.get(), &number, sizeof number) == sizeof number) handled.push_back(number);
    ASSERT_GE(handled.size(), 3'000u);

    Acknowledgements acknowledgements;
    {
        const auto other = DaemonClient::connect({.socket = socket_, .shared_memory = true},
                                                 acknowledgements.handler());
        ASSERT_TRUE(other) << other.error().message;
        // It may have to wait its turn behind what the killed one left.
        do {
            ASSERT_TRUE((*other)->publish(record(1u << 30), 1));
            ASSERT_TRUE((*other)->drain(kGenerousLimit));
        } while (acknowledgements.all().back().outcome == Outcome::rejected);
        EXPECT_EQ(acknowledgements.all().back().outcome, Outcome::handled);
    }
    daemon_->signal(SIGTERM);
    const auto stopped = daemon_->wait(kGenerousLimit);
    ASSERT_TRUE(stopped);
    EXPECT_EQ(stopped->describe(), "exited with code 0");
    const auto stored = keys();
    for (const std::uint64_t each : handled)
        EXPECT_TRUE(stored.contains(std::to_string(each))) << each;
}

}  // namespace
}  // namespace crucible::runtime
