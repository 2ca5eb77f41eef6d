// `crucible daemon` against a server in this process, over its real socket.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "../runtime/dispatch/gated_service.h"
#include "base/clock.h"
#include "base/file.h"
#include "crucible/daemon_client.h"
#include "in_process.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/server.h"

namespace crucible::app {
namespace {

using runtime::testing::GatedService;
using runtime::testing::kGenerousLimit;
using runtime::testing::make_event;

class DaemonCommand : public ::testing::Test {
protected:
    using json = nlohmann::json;

    void start(runtime::CoordinatorOptions options = {}, runtime::ListenOptions listen = {}) {
        options.services.work = runtime::Work::none;
        options.retry.attempts_max = 1;
        auto services = runtime::ServiceSet::open(options.services);
        ASSERT_TRUE(services) << services.error().message;
        auto gated = std::make_unique<GatedService>();
        service_ = gated.get();
        ASSERT_TRUE((*services)->add(std::move(gated)));
        auto server = runtime::Server::open({.socket = socket_,
                                             .listen = listen,
                                             .coordinator = options,
                                             .stop_limit = kGenerousLimit},
                                            std::move(*services));
        ASSERT_TRUE(server) << server.error().message;
        server_ = std::move(*server);
        thread_ = std::jthread([this] { EXPECT_TRUE(server_->run()); });
        auto client = DaemonClient::connect({.socket = socket_}, {});
        ASSERT_TRUE(client) << client.error().message;
        client_ = std::move(*client);
    }
    void TearDown() override {
        if (service_ != nullptr) service_->open_gate();
        client_.reset();
        if (server_) server_->request_stop();
    }
    Ended ask(std::vector<std::string> words) const {
        words.insert(words.begin(), "daemon");
        words.insert(words.end(), {"--socket", socket_.string()});
        return crucible(words);
    }
    json answer(std::vector<std::string> words) const {
        words.push_back("--json");
        const auto ended = ask(words);
        EXPECT_EQ(ended.exit_code, kDone) << ended.err;
        return json::parse(ended.out, nullptr, false);
    }
    /// A rule file in force from the start.
    runtime::CoordinatorOptions ruled(std::string_view text) const {
        const auto file = directory_.path() / "rules.toml";
        EXPECT_TRUE(base::write_file(file, "version = 1\n" + std::string(text)));
        return {.rules = file};
    }

    base::TempDir directory_ = *base::TempDir::make("daemon-command");
    std::filesystem::path socket_ = directory_.path() / "d.sock";
    GatedService* service_ = nullptr;
    std::unique_ptr<runtime::Server> server_;
    std::jthread thread_;
    std::unique_ptr<DaemonClient> client_;
};

TEST_F(DaemonCommand, AsksOverTcpToo) {
    start({}, {.tcp = "127.0.0.1:0", .plain_tcp_on_loopback = true});
    const auto address = server_->tcp_address()->text();
    const auto ended = crucible({"daemon", "status", "--address", address, "--plain-tcp"});
    EXPECT_EQ(ended.exit_code, kDone) << ended.err;
    EXPECT_NE(ended.out.find("TCP           " + address + " (plain)\n"), std::string::npos)
        << ended.out;

    const auto secured = crucible({"daemon", "status", "--address", address, "--ca", "/nowhere"});
    EXPECT_EQ(secured.exit_code, kTargetFailed);
    EXPECT_EQ(secured.err, "crucible: /nowhere: No such file or directory\n");
    const auto both = crucible(
        {"daemon", "status", "--address", address, "--socket", socket_.string(), "--plain-tcp"});
    EXPECT_EQ(both.exit_code, kBadUsage);
}

TEST_F(DaemonCommand, StatusCountsEvents) {
    start({.queue_events_max = 500});
    ASSERT_TRUE(client_->request(make_event("a"), kGenerousLimit));
    ASSERT_TRUE(client_->request(make_event("fail"), kGenerousLimit));

    const auto status = answer({"status"});

    EXPECT_EQ(status["pid"], ::getpid());
    EXPECT_EQ(status["clients"], 1);
    EXPECT_EQ(status["events"]["published"], 2);
    EXPECT_EQ(status["events"]["handled"], 1);
    EXPECT_EQ(status["events"]["failed"], 1);
    EXPECT_EQ(status["queue"]["events_max"], 500);
    EXPECT_EQ(status["dead_letters"]["held"], 1);
    const auto text = ask({"status"}).out;
    EXPECT_NE(text.find("Events        2 published: 1 handled, 0 rejected, 1 failed, 0 expired\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("Queue         0 of 500 events (0 %), 0 B of 256 MiB; when full: reject"),
              std::string::npos)
        << text;
}

TEST_F(DaemonCommand, ServicesShowTheirBreakers) {
    runtime::CoordinatorOptions options;
    options.breaker.failures_in_a_row = 1;
    start(options);
    ASSERT_TRUE(client_->request(make_event("fail"), kGenerousLimit));

    const auto services = answer({"services"})["services"];

    ASSERT_EQ(services.size(), 7u);
    EXPECT_EQ(services[6]["name"], "gated");
    EXPECT_EQ(services[6]["breaker"], "open");
    EXPECT_EQ(services[6]["handed_over"], 1);
    EXPECT_EQ(services[6]["failed"], 1);
    EXPECT_EQ(services[0]["breaker"], "closed");
}

TEST_F(DaemonCommand, QueuesShowWhatWaitsAndWhoWaits) {
    start({.workers = 1, .queue_events_max = 1, .overflow = runtime::Overflow::block});
    service_->close_gate();
    ASSERT_TRUE(client_->publish(make_event("a"), 0));
    ASSERT_TRUE(service_->wait_for_batches(1));
    const auto other = DaemonClient::connect({.socket = socket_}, {});
    ASSERT_TRUE(other) << other.error().message;
    ASSERT_TRUE((*other)->publish(make_event("b"), 0));
    json queues;
    const auto until = base::monotonic_now() + kGenerousLimit;
    do {
        queues = answer({"queues"});
    } while (queues["clients"][1]["blocked"] != true && base::monotonic_now() < until);

    EXPECT_EQ(queues["events"], 1);
    ASSERT_EQ(queues["services"].size(), 1u);
    EXPECT_EQ(queues["services"][0]["name"], "gated");
    EXPECT_EQ(queues["services"][0]["queued"], 1);
    EXPECT_EQ(queues["clients"][0]["in_flight"], 1);
    EXPECT_EQ(queues["clients"][0]["blocked"], false);
    EXPECT_EQ(queues["clients"][0]["pid"], ::getpid());
    EXPECT_NE(ask({"queues"}).out.find("socket, waits\n"), std::string::npos);
}

TEST_F(DaemonCommand, RulesSayWhereAnEventWouldGo) {
    start(ruled(R"(
[[rule]]
id = "urgent"
priority = 5
type = "test.*"
event_priority = "critical"
deliver = ["gated"]

[[rule]]
id = "quiet"
type = "log.debug"
drop = "debugging is off"
)"));

    const auto rules = answer({"rules"});
    ASSERT_EQ(rules["count"], 2);
    EXPECT_EQ(rules["rules"][0]["id"], "urgent");
    EXPECT_EQ(rules["rules"][0]["action"], "deliver to gated");
    EXPECT_EQ(rules["rules"][1]["action"], "drop: debugging is off");

    EXPECT_EQ(ask({"rules", "--type", "test.event", "--priority", "critical"}).out,
              "The event would go to gated.\n"
              "  matches  urgent                   it matches\n"
              "           quiet                    'urgent' stopped before it\n");
    EXPECT_EQ(ask({"rules", "--type", "log.debug"}).out.substr(0, 52),
              "The event would be rejected: debugging is off\n      ");
    const auto other = answer({"rules", "--type", "test.event", "--category", "database"});
    EXPECT_EQ(other["matching"], 0);
    EXPECT_EQ(other["instances"], json::array({"database-1"}));
    EXPECT_EQ(other["rules"][0]["matches"], false);
}

TEST_F(DaemonCommand, DeadLettersAreReplayedAndDiscarded) {
    start();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(client_->request(make_event("fail"), kGenerousLimit));
    auto letters = answer({"dead-letters"})["dead_letters"];
    ASSERT_EQ(letters.size(), 3u);
    EXPECT_EQ(letters[0]["reason"], "asked to fail");
    EXPECT_EQ(letters[0]["type"], "test.event");

    EXPECT_EQ(ask({"dead-letters", "--discard", letters[0]["number"].dump()}).out,
              "1 of 1 discarded\n");
    EXPECT_EQ(ask({"dead-letters", "--replay", "all"}).out, "2 of 2 taken in again\n");
    const auto until = base::monotonic_now() + kGenerousLimit;
    while (answer({"dead-letters"})["held"] != 2 && base::monotonic_now() < until) {
    }
    letters = answer({"dead-letters"})["dead_letters"];
    ASSERT_EQ(letters.size(), 2u) << "they failed again";
    EXPECT_EQ(service_->payloads().size(), 5u);

    const auto gone = ask({"dead-letters", "--replay", "0"});
    EXPECT_EQ(gone.exit_code, kTargetFailed);
    EXPECT_EQ(gone.err, "crucible: " + socket_.string() + ": dead letter 0: no such dead letter\n");
}

// With many rules the answer has the first thousand and those that match, and counts the rest.
TEST_F(DaemonCommand, TestingARouteIsAsShortWithManyRules) {
    std::string rules;
    for (int i = 0; i < 1'500; ++i) {
        rules += fmt::format("[[rule]]\nid = \"rule-{}\"\ntype = \"{}\"\ndeliver = [\"gated\"]\n\n",
                             i, i == 1'200 ? "test.event" : fmt::format("other.{}", i));
    }
    start(ruled(rules));
    const auto said = answer({"rules", "--type", "test.event"});
    EXPECT_EQ(said["matching"], 1);
    ASSERT_EQ(said["rules"].size(), 1'001u);
    EXPECT_EQ(said["rules"][1'000]["id"], "rule-1200");
    EXPECT_EQ(said["left_out"], 499);
    EXPECT_TRUE(ask({"rules", "--type", "test.event"})
                    .out.ends_with("  … and 499 more, which do not match\n"));
}

// More letters than the daemon changes at once.
TEST_F(DaemonCommand, ManyDeadLettersAreReplayedInParts) {
    runtime::CoordinatorOptions options;
    options.breaker.failures_in_a_row = 1'000'000;
    options.breaker.calls_min = 1'000'000;
    start(options);
    constexpr std::uint64_t kLetters = 600;
    for (std::uint64_t i = 0; i < kLetters; ++i)
        ASSERT_TRUE(client_->publish(make_event("fail"), i));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    const auto first = runtime::ask_daemon({.socket = socket_}, R"({"about":"replay","all":true})");
    ASSERT_TRUE(first);
    const auto part = json::parse(*first);
    EXPECT_EQ(part["changed"], 256);
    EXPECT_EQ(part["of"], 256);
    EXPECT_EQ(part["last"].get<std::uint64_t>() - part["next"].get<std::uint64_t>(),
              kLetters - 256 - 1);
    const auto until = base::monotonic_now() + kGenerousLimit;
    while (answer({"dead-letters"})["held"] != kLetters && base::monotonic_now() < until) {
    }
    EXPECT_EQ(ask({"dead-letters", "--replay", "all"}).out, "600 of 600 taken in again\n");
    while (answer({"dead-letters"})["held"] != kLetters && base::monotonic_now() < until) {
    }
    EXPECT_EQ(ask({"dead-letters", "--discard", "all"}).out, "600 of 600 discarded\n");
    EXPECT_EQ(answer({"dead-letters"})["held"], 0);
}

TEST_F(DaemonCommand, MistakesAreOneLine) {
    const auto absent = ask({"status"});
    EXPECT_EQ(absent.exit_code, kTargetFailed);
    EXPECT_EQ(absent.err,
              "crucible: " + socket_.string() + ": no such socket; is crucibled running?\n");
    const auto unknown = crucible({"daemon", "stats"});
    EXPECT_EQ(unknown.exit_code, kBadUsage);
    EXPECT_EQ(unknown.err, "crucible: daemon: unknown 'stats'; did you mean 'status'?\n");
    EXPECT_EQ(crucible({"daemon"}).err,
              "crucible: daemon: about what? status, services, queues, rules, dead-letters\n");
    EXPECT_EQ(crucible({"daemon", "dead-letters", "--replay", "some"}).err,
              "crucible: --replay: 'some' is no number of a dead letter, nor all\n");
    EXPECT_EQ(crucible({"daemon", "--help"}).exit_code, kDone);
    start();
    EXPECT_EQ(ask({"rules", "--priority", "urgent"}).err,
              "crucible: " + socket_.string() + ": no priority 'urgent'\n");
}

}  // namespace
}  // namespace crucible::app
