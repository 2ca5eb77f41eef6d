// The daemon as users run it: the real executable, real sockets, real SQLite.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "../dispatch/gated_service.h"
#include "acknowledgements.h"
#include "ask_http.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "base/rng.h"
#include "crucible/daemon_client.h"
#include "raw_client.h"
#include "runtime/coordinator/data_coordinator.h"
#include "runtime/daemon/unix_socket.h"
#include "runtime/event/uuid.h"

namespace crucible::runtime {
namespace {

using testing::Acknowledgements;
using testing::kGenerousLimit;
using testing::RawClient;

/// Rows of a query with one column.
std::vector<std::string> query(const std::filesystem::path& file, const char* sql) {
    std::vector<std::string> rows;
    sqlite3* database = nullptr;
    EXPECT_EQ(sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    const auto add = [](void* out, int, char** values, char**) {
        static_cast<std::vector<std::string>*>(out)->emplace_back(values[0] != nullptr ? values[0]
                                                                                       : "");
        return 0;
    };
    EXPECT_EQ(sqlite3_exec(database, sql, add, &rows, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
    return rows;
}

Event record_created(base::Rng& random, const std::string& source, int number) {
    Event event;
    event.id = make_uuid_v7(base::wall_now(), random);
    event.category = Category::database;
    event.type = "record.created";
    event.source = source;
    event.payload = R"({"key":"record-)" + std::to_string(number) + R"(","fields":{"number":)" +
                    std::to_string(number) + "}}";
    event.created = base::wall_now();
    return event;
}

class CrucibledTest : public ::testing::Test {
protected:
    struct Run {
        base::ExitStatus status;
        std::string errors;
    };

    base::Process spawn(std::vector<std::string> arguments, int ready_fd = -1) {
        base::Process::Options options;
        options.arguments = {CRUCIBLED};
        options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
        options.standard_output = directory_.path() / "stdout";
        options.standard_error = directory_.path() / "stderr";
        if (ready_fd >= 0) {
            options.arguments.insert(options.arguments.end(), {"--ready-fd", "3"});
            options.inherit = {{ready_fd, 3}};
        }
        auto process = base::Process::start(options);
        EXPECT_TRUE(process) << process.error().message;
        return std::move(*process);
    }

    /// A daemon on socket_ that has said it is ready.
    base::Process start(std::vector<std::string> extra = {}) {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        const base::UniqueFd reader(ends[0]);
        base::UniqueFd writer(ends[1]);
        std::vector<std::string> arguments{"--socket", socket_.string(), "--data", data_.string()};
        arguments.insert(arguments.end(), extra.begin(), extra.end());
        auto process = spawn(arguments, writer.get());
        writer.reset();
        std::string line;
        char buffer[16];
        for (ssize_t count = 0; (count = ::read(reader.get(), buffer, sizeof buffer)) > 0;) {
            line.append(buffer, static_cast<std::size_t>(count));
        }
        EXPECT_EQ(line, "ready\n") << errors();
        return process;
    }

    Run run(std::vector<std::string> arguments) {
        auto process = spawn(std::move(arguments));
        const auto status = process.wait(kGenerousLimit);
        EXPECT_TRUE(status) << "still running";
        return {status.value_or(base::ExitStatus{}), errors()};
    }

    std::string errors() const {
        return base::read_file(directory_.path() / "stderr").value_or("");
    }

    std::unique_ptr<DaemonClient> connect(std::size_t send_buffer_bytes_max = 64u << 20) {
        auto client = DaemonClient::connect(
            {.socket = socket_, .send_buffer_bytes_max = send_buffer_bytes_max},
            acknowledgements_.handler());
        EXPECT_TRUE(client) << client.error().message;
        return std::move(*client);
    }

    base::TempDir directory_ = *base::TempDir::make("crucibled");
    std::filesystem::path socket_ = directory_.path() / "d.sock";
    std::filesystem::path data_ = directory_.path() / "data";
    Acknowledgements acknowledgements_;
    base::Rng random_{1};
};

// The promise of an acknowledgement, through the daemon: in the file, once.
TEST_F(CrucibledTest, EveryAcknowledgedDatabaseEventIsInTheFileOnce) {
    auto daemon = start();
    constexpr int kEvents = 500;
    {
        const auto client = connect();
        EXPECT_EQ(client->daemon_pid(), daemon.pid());
        for (int i = 0; i < kEvents; ++i) {
            ASSERT_TRUE(client->publish(record_created(random_, "client-0", i),
                                        static_cast<std::uint64_t>(i)));
        }
        ASSERT_TRUE(client->drain(kGenerousLimit));
    }
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), static_cast<std::size_t>(kEvents));
    daemon.signal(SIGTERM);
    ASSERT_TRUE(daemon.wait(kGenerousLimit));

    const auto keys = query(data_ / "crucible.db", "SELECT key FROM records");
    EXPECT_EQ(keys.size(), static_cast<std::size_t>(kEvents));
    EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(),
              static_cast<std::size_t>(kEvents));
}

// The same promise of the embedded architecture, with two coordinators on one file at once.
TEST_F(CrucibledTest, EveryAcknowledgedDatabaseEventIsInTheFileOnceEmbedded) {
    constexpr int kEvents = 300;
    Acknowledgements acknowledged[2];
    std::vector<std::unique_ptr<Coordinator>> coordinators;
    for (int i = 0; i < 2; ++i) {
        CoordinatorOptions options;
        options.services.data_directory = data_;
        options.services.process_name = "client-" + std::to_string(i);
        auto coordinator = make_data_coordinator(options, acknowledged[i].handler());
        ASSERT_TRUE(coordinator) << coordinator.error().message;
        coordinators.push_back(std::move(*coordinator));
    }
    for (int i = 0; i < kEvents; ++i) {
        for (std::size_t k = 0; k < 2; ++k) {
            const auto event = record_created(random_, "client-" + std::to_string(k), i);
            ASSERT_TRUE(coordinators[k]->publish(event, static_cast<std::uint64_t>(i)));
        }
    }
    for (auto& coordinator : coordinators) ASSERT_TRUE(coordinator->drain(kGenerousLimit));
    coordinators.clear();

    EXPECT_EQ(acknowledged[0].count(Outcome::handled), static_cast<std::size_t>(kEvents));
    EXPECT_EQ(acknowledged[1].count(Outcome::handled), static_cast<std::size_t>(kEvents));
    const auto keys = query(data_ / "crucible.db", "SELECT source || '/' || key FROM records");
    EXPECT_EQ(keys.size(), 2u * kEvents);
    EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), 2u * kEvents);
}

// Events acknowledged before a SIGTERM and those accepted by then are all in the file; the exit is
// in order.
TEST_F(CrucibledTest, SigtermFinishesWhatWasAccepted) {
    auto daemon = start();
    const auto client = connect();
    for (int i = 0; i < 2000; ++i) {
        ASSERT_TRUE(
            client->publish(record_created(random_, "client-0", i), static_cast<std::uint64_t>(i)));
    }
    ASSERT_TRUE(acknowledgements_.wait_for(1));
    daemon.signal(SIGTERM);
    const auto status = daemon.wait(kGenerousLimit);
    ASSERT_TRUE(status);

    EXPECT_EQ(status->describe(), "exited with code 0") << errors();
    (void)client->drain(kGenerousLimit);  // until the last acknowledgement was read
    const auto keys = query(data_ / "crucible.db", "SELECT key FROM records");
    EXPECT_EQ(keys.size(), acknowledgements_.count(Outcome::handled));
    EXPECT_NE(errors().find(" unfinished=0\n"), std::string::npos) << errors();
    EXPECT_FALSE(std::filesystem::exists(socket_));
}

// Killed outright, the daemon is gone for good: publishing says so, waiting ends, and nothing is
// made up.
TEST_F(CrucibledTest, SigkillIsSeenAtOnce) {
    auto daemon = start({"--work", "none"});
    const auto client = connect();
    daemon.signal(SIGSTOP);
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(
            client->publish(record_created(random_, "client-0", i), static_cast<std::uint64_t>(i)));
    }
    daemon.signal(SIGKILL);
    ASSERT_TRUE(daemon.wait(kGenerousLimit));

    const auto drained = client->drain(kGenerousLimit);
    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().code, Errc::closed);
    const auto published = client->publish(record_created(random_, "client-0", 10), 10);
    ASSERT_FALSE(published);
    EXPECT_EQ(published.error().code, Errc::closed);
    const auto response = client->request(record_created(random_, "client-0", 11), kGenerousLimit);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Errc::closed);
    EXPECT_TRUE(acknowledgements_.all().empty());
    EXPECT_EQ(client->stats().queued, 10u);
}

// A caller that waits for a response when the daemon dies must be told.
TEST_F(CrucibledTest, SigkillEndsAPendingRequest) {
    auto daemon = start({"--work", "none"});
    const auto client = connect();
    daemon.signal(SIGSTOP);
    Result<Response> response;
    std::jthread requester([&] {
        response = client->request(record_created(random_, "client-0", 0), kGenerousLimit);
    });
    while (client->stats().published == 0) std::this_thread::yield();
    daemon.signal(SIGKILL);
    requester.join();

    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Errc::closed);
}

// A daemon that stalls may not stall its clients: open-loop senders go on, until the bounded buffer
// is full. When it comes back, every accepted event is acknowledged.
TEST_F(CrucibledTest, PublishingToAStoppedDaemonNeverBlocks) {
    auto daemon = start({"--work", "none", "--queue", "1000000"});
    const auto client = connect(/*send_buffer_bytes_max=*/4u << 20);
    daemon.signal(SIGSTOP);
    Event event = record_created(random_, "client-0", 0);
    event.payload.assign(4096, 'x');
    std::uint64_t accepted = 0;
    Result<> published;
    while ((published = client->publish(event, accepted))) {
        ++accepted;
        ASSERT_LT(accepted, 100'000u) << "the send buffer has no bound";
    }
    EXPECT_EQ(published.error().code, Errc::overloaded);
    EXPECT_GE(accepted, (4u << 20) / 4300u);
    const auto drained = client->drain(std::chrono::milliseconds(1));
    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().code, Errc::timeout);

    daemon.signal(SIGCONT);
    ASSERT_TRUE(client->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.all().size(), accepted);
}

TEST_F(CrucibledTest, ReplacesTheSocketOfAKilledDaemon) {
    auto killed = start({"--work", "none"});
    killed.signal(SIGKILL);
    ASSERT_TRUE(killed.wait(kGenerousLimit));
    ASSERT_TRUE(std::filesystem::exists(socket_));

    auto daemon = start({"--work", "none"});

    EXPECT_NE(connect(), nullptr);
    struct stat info {};
    ASSERT_EQ(::stat(socket_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u);
}

// The second is refused in one clear line, and the first goes on.
TEST_F(CrucibledTest, ASecondInstanceIsRefused) {
    auto first = start({"--work", "none"});

    const auto second = run({"--socket", socket_.string(), "--data", data_.string()});

    EXPECT_EQ(second.status.describe(), "exited with code 1");
    EXPECT_NE(second.errors.find("another crucibled (pid " + std::to_string(first.pid()) +
                                 ") is listening there"),
              std::string::npos)
        << second.errors;
    EXPECT_NE(connect(), nullptr);
}

// Where the mode does not keep others out (somebody opened it up), the kernel's word on who they
// are does.
TEST_F(CrucibledTest, TurnsAnotherUserAway) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
    auto daemon = start({"--work", "none"});
    ASSERT_EQ(::chmod(socket_.c_str(), 0666), 0);
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setuid(65534) != 0) ::_exit(2);
        RawClient stranger(socket_);
        const auto answer = stranger.receive();
        const bool refused = answer && answer->header.kind == protocol::Kind::refuse &&
                             answer->text() == "only the daemon's own user and root may connect";
        ::_exit(refused && stranger.ended() ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_F(CrucibledTest, ConnectingSaysWhyItFailed) {
    const auto missing = DaemonClient::connect({.socket = socket_}, {});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Errc::not_found);

    auto daemon = start({"--work", "none"});
    daemon.signal(SIGSTOP);
    const auto stalled = DaemonClient::connect(
        {.socket = socket_, .connect_limit = std::chrono::milliseconds(20)}, {});
    ASSERT_FALSE(stalled);
    EXPECT_EQ(stalled.error().code, Errc::timeout);
}

// One line with the place; exit 2.
TEST_F(CrucibledTest, RefusesABadConfigurationWithItsPlace) {
    const auto file = directory_.path() / "c.toml";
    ASSERT_TRUE(base::write_file(file, "[dispatch]\nworkrs = 2\n"));

    const auto result = run({"--config", file.string()});

    EXPECT_EQ(result.status.describe(), "exited with code 2");
    EXPECT_EQ(result.errors,
              "crucibled: " + file.string() +
                  ":2:1: unknown key 'workrs' in [dispatch]; did you mean 'workers'?\n");
}

TEST_F(CrucibledTest, RefusesBadFlags) {
    const auto value = run({"--workers", "0"});
    EXPECT_EQ(value.status.describe(), "exited with code 2");
    EXPECT_EQ(value.errors, "crucibled: --workers: '0' must be a whole number from 1 to 1024\n");
    ::unlink((directory_.path() / "stderr").c_str());
    const auto unknown = run({"--wrkers", "2"});
    EXPECT_EQ(unknown.status.describe(), "exited with code 2");
    EXPECT_NE(unknown.errors.find("--wrkers"), std::string::npos) << unknown.errors;
    ::unlink((directory_.path() / "stderr").c_str());
    const auto format = run({"--log-format", "xml"});
    EXPECT_EQ(format.status.describe(), "exited with code 2");
    EXPECT_EQ(format.errors, "crucibled: --log-format: 'xml' must be text or json\n");
    ::unlink((directory_.path() / "stderr").c_str());
    const auto plain = run({"--tcp", "0.0.0.0:0", "--plain-tcp-on-loopback"});
    EXPECT_EQ(plain.status.describe(), "exited with code 2");
    EXPECT_EQ(plain.errors,
              "crucibled: [listen] tcp 0.0.0.0:0: plain TCP goes on loopback alone (127.0.0.1, "
              "[::1]); elsewhere it needs tls_certificate, tls_key and client_ca\n");
}

// Flags win over the file.
TEST_F(CrucibledTest, FlagsOverrideTheFile) {
    const auto file = directory_.path() / "c.toml";
    ASSERT_TRUE(base::write_file(
        file, "[dispatch]\nworkers = 7\n[services]\ncount = 9\nwork = \"none\"\n"));

    auto daemon = start({"--config", file.string(), "--workers", "3"});
    daemon.signal(SIGTERM);
    ASSERT_TRUE(daemon.wait(kGenerousLimit));

    EXPECT_NE(errors().find(" services=9 workers=3 "), std::string::npos) << errors();
}

TEST_F(CrucibledTest, HelpGoesToStandardOutput) {
    const auto help = run({"--help"});

    EXPECT_EQ(help.status.describe(), "exited with code 0");
    const auto text = base::read_file(directory_.path() / "stdout");
    ASSERT_TRUE(text);
    EXPECT_NE(text->find("Examples:"), std::string::npos);
    EXPECT_NE(text->find("Exit codes:"), std::string::npos);
}

// SIGHUP puts the file's rules in force; a file with a mistake changes nothing.
TEST_F(CrucibledTest, ReadsItsRulesAgainOnSighup) {
    const auto rules = directory_.path() / "rules.toml";
    const auto drop = [&](const char* reason) {
        return base::write_file(rules, fmt::format("version = 1\n[[rule]]\nid = \"quiet\"\n"
                                                   "type = \"record.*\"\ndrop = \"{}\"\n",
                                                   reason));
    };
    ASSERT_TRUE(drop("first"));
    auto daemon = start({"--work", "none", "--rules", rules.string()});
    const auto client = connect();
    const auto reason = [&] {
        const auto response =
            client->request(record_created(random_, "client-0", 1), kGenerousLimit);
        return response ? response->reason : response.error().message;
    };
    const auto changes_to = [&](const std::string& wanted) {
        const TimePoint until = base::monotonic_now() + kGenerousLimit;
        while (reason() != wanted && base::monotonic_now() < until) std::this_thread::yield();
        return reason();
    };
    EXPECT_EQ(reason(), "first");

    ASSERT_TRUE(drop("second"));
    daemon.signal(SIGHUP);
    EXPECT_EQ(changes_to("second"), "second");

    ASSERT_TRUE(base::write_file(rules, "version = 1\n[[rule]]\nid = 7\n"));
    daemon.signal(SIGHUP);
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    while (errors().find("rules are unchanged") == std::string::npos &&
           base::monotonic_now() < until)
        std::this_thread::yield();
    EXPECT_NE(errors().find("rules are unchanged error=\"" + rules.string() + ":3:"),
              std::string::npos)
        << errors();
    EXPECT_EQ(reason(), "second");
}

// Standard error is a pipe that nobody reads, and full.
class UnreadLogTest : public CrucibledTest {
protected:
    UnreadLogTest() {
        const auto path = (directory_.path() / "stderr").string();
        EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
        reader_ = base::UniqueFd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        writer_ = base::UniqueFd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
        EXPECT_TRUE(reader_ && writer_);
    }
    void fill() {
        for (const std::size_t size : {4096u, 1u})
            while (::write(writer_.get(), std::string(size, '.').data(), size) > 0) {
            }
    }
    /// A line in the log for each.
    void be_refused(int times) {
        for (int i = 0; i < times; ++i) {
            RawClient client(socket_);
            ASSERT_TRUE(client.greet());
            ASSERT_TRUE(client.send_text(std::string(16, 'x')));
            ASSERT_TRUE(client.receive());
        }
    }
    std::string read_some() {
        pollfd waiter{.fd = reader_.get(), .events = POLLIN, .revents = 0};
        EXPECT_EQ(::poll(&waiter, 1, 30'000), 1);
        std::string text(65536, 0);
        const auto count = ::read(reader_.get(), text.data(), text.size());
        text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        return text;
    }

    base::UniqueFd reader_;
    base::UniqueFd writer_;
};

// The daemon serves all the same, however much it has to say, and says how much it left out.
TEST_F(UnreadLogTest, DoesNotHoldUpTheDaemon) {
    auto daemon = start({"--work", "none", "--log-format", "json"});
    fill();
    be_refused(600);
    const auto client = connect();
    ASSERT_TRUE(client->publish(record_created(random_, "client-0", 1), 1));
    ASSERT_TRUE(client->drain(kGenerousLimit));
    std::string text;
    const std::string said =
        R"("level":"warning","logger":"crucibled","message":"lines were left out here","lines":)";
    while (text.find(said) == std::string::npos) {
        const auto more = read_some();
        ASSERT_FALSE(more.empty());
        text += more;
    }
}

// Nor does it keep it from stopping.
TEST_F(UnreadLogTest, DoesNotKeepTheDaemonFromStopping) {
    auto daemon = start({"--work", "none"});
    fill();
    daemon.signal(SIGTERM);
    const auto status = daemon.wait(kGenerousLimit);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->describe(), "exited with code 0");
}

// Rules with a mistake end the start, with the place.
TEST_F(CrucibledTest, RefusesToStartWithBadRules) {
    const auto rules = directory_.path() / "rules.toml";
    ASSERT_TRUE(base::write_file(rules,
                                 "version = 1\n[[rule]]\nid = \"a\"\n"
                                 "deliver = [\"nobody-1\"]\n"));
    const auto ended = run({"--socket", socket_.string(), "--data", data_.string(), "--work",
                            "none", "--rules", rules.string()});
    EXPECT_EQ(ended.status.exit_code, 1);
    EXPECT_NE(ended.errors.find(rules.string() + ": rule 'a': no instance 'nobody-1'"),
              std::string::npos)
        << ended.errors;
}

// As a service manager sees it: told when it is ready, while it reloads and when it stops.
TEST_F(CrucibledTest, TellsItsServiceManager) {
    const base::UniqueFd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto path = directory_.path() / "notify.sock";
    const auto address = unix_address(path);
    ASSERT_TRUE(address);
    ASSERT_EQ(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address),
              0);
    const auto told = [&] {
        pollfd waiter{.fd = manager.get(), .events = POLLIN, .revents = 0};
        if (::poll(&waiter, 1, 30'000) != 1) return std::string("nothing");
        char text[256];
        const auto size = ::recv(manager.get(), text, sizeof text, 0);
        return std::string(text, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    };
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    auto daemon = start({"--work", "none"});
    ::unsetenv("NOTIFY_SOCKET");
    EXPECT_EQ(told(), "READY=1");

    daemon.signal(SIGHUP);
    EXPECT_TRUE(told().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_EQ(told(), "READY=1");

    daemon.signal(SIGTERM);
    EXPECT_EQ(told(), "STOPPING=1");
}

// The service manager's own socket: served, and left where it is.
TEST_F(CrucibledTest, ServesASocketThatItInherits) {
    const auto address = unix_address(socket_);
    ASSERT_TRUE(address);
    const base::UniqueFd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(
        ::bind(listening.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
    ASSERT_EQ(::listen(listening.get(), 16), 0);
    base::Process::Options options;
    // The protocol names the process id, which is known only in the process.
    options.arguments = {"/bin/sh", "-c",
                         "LISTEN_PID=$$ LISTEN_FDS=1 exec " + std::string(CRUCIBLED) +
                             " --work none --log-level off"};
    options.inherit = {{listening.get(), 3}};
    auto daemon = base::Process::start(options);
    ASSERT_TRUE(daemon) << daemon.error().message;

    // Whoever connects before it is ready waits in the backlog.
    const auto client = connect();
    ASSERT_TRUE(client->publish(record_created(random_, "client-0", 1), 1));
    ASSERT_TRUE(client->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 1u);

    daemon->signal(SIGTERM);
    const auto status = daemon->wait(kGenerousLimit);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->exit_code, 0);
    EXPECT_TRUE(std::filesystem::exists(socket_));
}

TEST_F(CrucibledTest, AnswersForItsMetrics) {
    auto daemon = start({"--work", "none", "--metrics", "127.0.0.1:0"});
    const std::string said = "answering for metrics port=";
    const auto log = errors();
    const auto at = log.find(said);
    ASSERT_NE(at, std::string::npos) << log;
    const auto port = static_cast<std::uint16_t>(std::stoi(log.substr(at + said.size())));
    const auto client = connect();
    ASSERT_TRUE(client->request(record_created(random_, "client-0", 1), kGenerousLimit));

    const auto answer = testing::ask_http(port, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_NE(answer.find("\ncrucible_events_published_total 1\n"), std::string::npos) << answer;
    EXPECT_NE(answer.find("\ncrucible_clients 1\n"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("# EOF\n"));
}

}  // namespace
}  // namespace crucible::runtime
