// The daemon's log as others read it: lines of the real executable.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "certificates.h"
#include "crucible/daemon_client.h"
#include "daemon_process.h"
#include "raw_client.h"
#include "raw_service.h"

namespace crucible::runtime {
namespace {

using nlohmann::json;
using testing::kGenerousLimit;
using testing::RawClient;

class CrucibledLogTest : public testing::DaemonProcessTest {
protected:
    std::string log() const { return base::read_file(directory_.path() / "stderr").value_or(""); }
    /// Waits for it to stand there.
    void await(std::string_view text) const {
        const TimePoint until = base::monotonic_now() + kGenerousLimit;
        while (!log().contains(text) && base::monotonic_now() < until) std::this_thread::yield();
        ASSERT_TRUE(log().contains(text)) << log();
    }
    /// Everything is in the log then.
    void stop_daemon() {
        daemon_->signal(SIGTERM);
        const auto status = daemon_->wait(kGenerousLimit);
        ASSERT_TRUE(status);
        EXPECT_EQ(status->exit_code, 0);
        daemon_.reset();
    }
    std::vector<std::string> lines() const {
        std::vector<std::string> lines;
        std::istringstream text(log());
        for (std::string line; std::getline(text, line);) lines.push_back(line);
        return lines;
    }
    /// Every line, each of which has to be an object, with the message that is asked for.
    std::vector<json> objects(std::string_view message) const {
        std::vector<json> found;
        for (const auto& line : lines()) {
            auto object = json::parse(line, nullptr, /*allow_exceptions=*/false);
            EXPECT_TRUE(object.is_object()) << line;
            if (!object.is_object()) continue;
            for (const char* key : {"time", "level", "logger", "message"})
                EXPECT_TRUE(object.contains(key) && object[key].is_string()) << key << ": " << line;
            if (object.value("message", "") == message) found.push_back(std::move(object));
        }
        return found;
    }
    /// The only one; without its time and its session, which are the daemon's to choose.
    json object(std::string_view message) const {
        auto found = objects(message);
        EXPECT_EQ(found.size(), 1u) << message;
        if (found.empty()) return {};
        found.front().erase("time");
        if (found.front().contains("session")) {
            EXPECT_TRUE(found.front()["session"].is_number_unsigned()) << found.front();
        }
        found.front().erase("session");
        return found.front();
    }
    std::string own_peer() const { return "pid " + std::to_string(::getpid()); }
};

// Numbers are numbers, and who was sent away can be counted by the same words as in the metrics.
TEST_F(CrucibledLogTest, IsJsonLinesAlone) {
    start_daemon({"--work", "none", "--log-format", "json", "--log-level", "debug"});
    {
        RawClient stranger(socket_);
        ASSERT_TRUE(stranger.send_text(std::string(16, 'x')));
        ASSERT_TRUE(stranger.receive());
        RawClient client(socket_);
        ASSERT_TRUE(client.greet());
        ASSERT_TRUE(client.send_text(std::string(16, 'x')));
        ASSERT_TRUE(client.receive());
    }
    stop_daemon();

    EXPECT_EQ(object("listening"), (json{{"level", "info"},
                                         {"logger", "crucibled"},
                                         {"message", "listening"},
                                         {"socket", socket_.string()},
                                         {"services", 6},
                                         {"workers", 2},
                                         {"data", data_.string()}}));
    EXPECT_EQ(object("client connected"), (json{{"level", "debug"},
                                                {"logger", "crucibled"},
                                                {"message", "client connected"},
                                                {"peer", own_peer()},
                                                {"medium", "socket"}}));
    const auto closed = objects("client closed");
    ASSERT_EQ(closed.size(), 2u);
    EXPECT_EQ(closed[0]["level"], "warning");
    EXPECT_EQ(closed[0]["peer"], own_peer());
    EXPECT_EQ(closed[0]["reason"], "handshake");
    EXPECT_NE(closed[0]["error"], "");
    EXPECT_EQ(closed[0]["left_out"], 0);
    EXPECT_GT(closed[1]["session"], closed[0]["session"]);
    EXPECT_EQ(closed[1]["session"], objects("client connected").front()["session"]);
    EXPECT_EQ(closed[1]["reason"], "protocol");
    EXPECT_FALSE(closed[1].contains("left_out"));
    EXPECT_EQ(object("stopping")["events"], 0);
    EXPECT_EQ(object("stopped"), (json{{"level", "info"},
                                       {"logger", "crucibled"},
                                       {"message", "stopped"},
                                       {"published", 0},
                                       {"handled", 0},
                                       {"rejected", 0},
                                       {"failed", 0},
                                       {"expired", 0},
                                       {"unfinished", 0}}));
}

// The file may ask for it too.
TEST_F(CrucibledLogTest, SaysWhomItRefused) {
    const auto file = directory_.path() / "c.toml";
    ASSERT_TRUE(base::write_file(file, "[daemon]\nlog_format = \"json\"\n[clients]\nmax = 1\n"));
    start_daemon({"--work", "none", "--config", file.string()});
    {
        RawClient first(socket_);
        ASSERT_TRUE(first.greet());
        RawClient second(socket_);
        ASSERT_TRUE(second.receive());
        EXPECT_TRUE(second.ended());
    }
    stop_daemon();

    EXPECT_EQ(object("client closed"), (json{{"level", "warning"},
                                             {"logger", "crucibled"},
                                             {"message", "client closed"},
                                             {"peer", own_peer()},
                                             {"reason", "refused"},
                                             {"error", "the daemon has 1 clients, its limit"},
                                             {"left_out", 0}}));
}

TEST_F(CrucibledLogTest, NamesTheServicesThatCameAndWent) {
    start_daemon({"--work", "none", "--log-format", "json"});
    {
        testing::RawService service(socket_);
        ASSERT_TRUE(service.subscribe("billing", 4));
    }
    await("service went away");
    stop_daemon();

    EXPECT_EQ(object("service connected"), (json{{"level", "info"},
                                                 {"logger", "crucibled"},
                                                 {"message", "service connected"},
                                                 {"service", "billing"},
                                                 {"peer", own_peer()},
                                                 {"credits", 4}}));
    EXPECT_EQ(object("service went away"), (json{{"level", "info"},
                                                 {"logger", "crucibled"},
                                                 {"message", "service went away"},
                                                 {"service", "billing"},
                                                 {"events", 0}}));
    EXPECT_EQ(object("service did not come back")["service"], "billing");
}

// Over TCP it is the client's certificate that says who it is.
TEST_F(CrucibledLogTest, IsJsonWhateverACertificateSays) {
    const testing::Authority authority(directory_.path(), "authority");
    const auto own = authority.issue("daemon", {"daemon", "IP:127.0.0.1"});
    const auto client = authority.issue("client", {"x\" session=9\n\",\"session\":9,\"y\":\"é"});
    start_daemon({"--work", "none", "--log-format", "json", "--log-level", "debug", "--tcp",
                  "127.0.0.1:0", "--tls-certificate", own.certificate, "--tls-key", own.key,
                  "--client-ca", authority.certificate()});
    const auto listening = object("listening over TCP");
    EXPECT_EQ(listening["tls"], true);
    ASSERT_TRUE(DaemonClient::connect({.address = listening.value("address", ""),
                                       .tls = {.ca = authority.certificate(),
                                               .certificate = client.certificate,
                                               .key = client.key}},
                                      {}));
    stop_daemon();

    const auto connected = object("client connected");
    EXPECT_EQ(connected.size(), 5u) << connected;
    EXPECT_TRUE(connected["peer"].get<std::string>().starts_with("127.0.0.1:")) << connected;
    EXPECT_TRUE(connected["peer"].get<std::string>().contains(", CN=x\\\" session")) << connected;
}

// A folder that is called like another line, and is no text.
TEST_F(CrucibledLogTest, IsOneLineForEachEvent) {
    data_ = directory_.path() / "d\n\"},{\"\xff";
    start_daemon({"--work", "none", "--log-format", "json"});
    stop_daemon();
    EXPECT_EQ(object("listening")["data"], (directory_.path() / "d\n\"},{\"\uFFFD").string());

    data_ = directory_.path() / "d\n2025-01-01 x=\"";
    start_daemon({"--work", "none"});
    stop_daemon();
    const auto text = lines();
    const std::regex form(
        R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d [a-z]+ crucibled: .*)");
    std::size_t listening = 0;
    for (const auto& line : text) {
        EXPECT_TRUE(line.starts_with('{') || std::regex_match(line, form)) << line;
        if (line.ends_with(" data=\"" + directory_.path().string() + R"(/d\n2025-01-01 x=\"")"))
            ++listening;
    }
    EXPECT_EQ(listening, 1u) << ::testing::PrintToString(text);
}

}  // namespace
}  // namespace crucible::runtime
