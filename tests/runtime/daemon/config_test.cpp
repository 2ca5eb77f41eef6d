#include "runtime/daemon/config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"

namespace crucible::runtime {
namespace {

class ConfigTest : public ::testing::Test {
protected:
    /// What reading `text` says, with the file's directory left out.
    std::string error_of(std::string_view text) {
        EXPECT_TRUE(base::write_file(file_, text));
        DaemonConfig config = default_daemon_config();
        const auto read = read_config(file_, config);
        if (read) return "no error";
        EXPECT_EQ(read.error().code, Errc::invalid_argument);
        return read.error().message.substr(directory_.path().string().size() + 1);
    }

    base::TempDir directory_ = *base::TempDir::make("config");
    std::filesystem::path file_ = directory_.path() / "c.toml";
};

TEST_F(ConfigTest, ReadsEveryKey) {
    ASSERT_TRUE(base::write_file(file_, R"(
[daemon]
socket = "/run/a.sock"
log_level = "debug"
log_format = "json"
[services]
data_directory = "/var/lib/a"
count = 10
work = "none"
durability = "full"
webhook_secret = "s3cret"
[dispatch]
workers = 3
queue_events = 1000
queue_bytes = "4MiB"
batch = 16
)"));
    DaemonConfig config = default_daemon_config();

    const auto read = read_config(file_, config);

    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(config.server.socket, "/run/a.sock");
    EXPECT_EQ(config.log_level, "debug");
    EXPECT_EQ(config.log_format, base::log::Format::json);
    const auto& coordinator = config.server.coordinator;
    EXPECT_EQ(coordinator.services.data_directory, "/var/lib/a");
    EXPECT_EQ(coordinator.services.services, 10u);
    EXPECT_EQ(coordinator.services.work, Work::none);
    EXPECT_EQ(coordinator.services.durability, Durability::full);
    EXPECT_EQ(coordinator.services.webhook_secret, "s3cret");
    EXPECT_EQ(coordinator.workers, 3u);
    EXPECT_EQ(coordinator.queue_events_max, 1000u);
    EXPECT_EQ(coordinator.queue_bytes_max, 4u << 20);
    EXPECT_EQ(coordinator.batch_max, 16u);
}

TEST_F(ConfigTest, ReadsAboutExternalServices) {
    DaemonConfig config = default_daemon_config();
    EXPECT_EQ(config.server.external.places_max, 16u);
    ASSERT_TRUE(base::write_file(file_, R"(
[services]
external_max = 4
external = "billing=custom,audit=database+custom"
external_timeout = "5s"
external_grace = "0s"
)"));
    const auto read = read_config(file_, config);
    ASSERT_TRUE(read) << read.error().message;
    const auto& external = config.server.external;
    EXPECT_EQ(external.places_max, 4u);
    ASSERT_EQ(external.expected.size(), 2u);
    EXPECT_EQ(external.expected[0].name, "billing");
    EXPECT_EQ(external.expected[1].categories,
              (std::vector<Category>{Category::database, Category::custom}));
    EXPECT_EQ(external.timeout, std::chrono::seconds(5));
    EXPECT_EQ(external.grace, Duration::zero());
    ASSERT_TRUE(set_option("services.external_max", "0", config));
    EXPECT_EQ(config.server.external.places_max, 0u);

    EXPECT_EQ(error_of("[services]\nexternal_max = 65\n"),
              "c.toml:2:16: external_max: '65' must be a whole number from 0 to 64");
    EXPECT_EQ(error_of("[services]\nexternal = \"billing\"\n"),
              "c.toml:2:12: external: 'billing' must be a service's name and what it serves, e.g. "
              "billing=custom");
    EXPECT_EQ(error_of("[services]\nexternal = \"billing=money\"\n"),
              "c.toml:2:12: external: 'money' is no category");
}

TEST_F(ConfigTest, ReadsHowEventsAreRouted) {
    DaemonConfig config = default_daemon_config();
    ASSERT_TRUE(base::write_file(file_, R"(
[dispatch]
service_events = 100
overflow = "shed"
concurrency = "database=1,external=4"

[route]
rules = "/etc/rules.toml"
repeat_window = "1m"
repeat_events = 5000

[retry]
attempts = 7
delay = "5ms"
delay_max = "2s"
dead_letters = 20
dead_letter_bytes = "1MiB"

[breaker]
failures_in_a_row = 9
failure_share = "25%"
calls_min = 40
window = "1s"
open_for = "3s"
probes = 2
probes_to_close = 4
)"));
    const auto read = read_config(file_, config);
    ASSERT_TRUE(read) << read.error().message;
    const auto& options = config.server.coordinator;
    EXPECT_EQ(options.service_events_max, 100u);
    EXPECT_EQ(options.overflow, Overflow::shed);
    EXPECT_EQ(options.concurrency[static_cast<std::size_t>(Category::database)], 1u);
    EXPECT_EQ(options.concurrency[static_cast<std::size_t>(Category::external)], 4u);
    EXPECT_EQ(options.concurrency[static_cast<std::size_t>(Category::mcp)], 0u);
    EXPECT_EQ(options.rules, "/etc/rules.toml");
    EXPECT_EQ(options.repeat_window, std::chrono::minutes(1));
    EXPECT_EQ(options.repeat_events_max, 5000u);
    EXPECT_EQ(options.retry.attempts_max, 7u);
    EXPECT_EQ(options.retry.base, std::chrono::milliseconds(5));
    EXPECT_EQ(options.retry.cap, std::chrono::seconds(2));
    EXPECT_EQ(options.dead_letters.events_max, 20u);
    EXPECT_EQ(options.dead_letters.bytes_max, 1u << 20);
    EXPECT_EQ(options.breaker.failures_in_a_row, 9u);
    EXPECT_EQ(options.breaker.failure_share, 0.25);
    EXPECT_EQ(options.breaker.calls_min, 40u);
    EXPECT_EQ(options.breaker.window, std::chrono::seconds(1));
    EXPECT_EQ(options.breaker.open_for, std::chrono::seconds(3));
    EXPECT_EQ(options.breaker.probes_max, 2u);
    EXPECT_EQ(options.breaker.probes_to_close, 4u);
}

// One line that an editor can jump to, and the name that was meant.
TEST_F(ConfigTest, PlacesAnUnknownKeyAndNamesTheNearest) {
    EXPECT_EQ(error_of("[dispatch]\nworkers = 2\n  quue_events = 5\n"),
              "c.toml:3:3: unknown key 'quue_events' in [dispatch]; did you mean 'queue_events'?");
    EXPECT_EQ(error_of("[dispach]\nworkers = 2\n"),
              "c.toml:1:2: unknown section 'dispach'; did you mean 'dispatch'?");
    EXPECT_EQ(
        error_of("[zzz]\n"),
        "c.toml:1:2: unknown section 'zzz'; known: daemon, listen, clients, services, dispatch, "
        "route, retry, health, breaker");
}

TEST_F(ConfigTest, ReadsWhatClientsMayTake) {
    DaemonConfig config = default_daemon_config();
    ASSERT_TRUE(base::write_file(file_, R"([clients]
allowed_uids = "1000,33"
max = 50
max_per_client = 7
bytes = "1MiB"
shared_memory = "8MiB"
handshake_limit = "2s"
idle_limit = "10m"
)"));
    const auto read = read_config(file_, config);
    ASSERT_TRUE(read) << read.error().message;
    const auto& limits = config.server.clients;
    EXPECT_EQ(limits.allowed_uids, (std::vector<uid_t>{1000, 33}));
    EXPECT_EQ(limits.clients_max, 50u);
    EXPECT_EQ(limits.per_client_max, 7u);
    EXPECT_EQ(limits.bytes_max, 1u << 20);
    EXPECT_EQ(limits.shared_memory_bytes, 8u << 20);
    EXPECT_EQ(limits.handshake_limit, std::chrono::seconds(2));
    EXPECT_EQ(limits.idle_limit, std::chrono::minutes(10));
    EXPECT_EQ(error_of("[clients]\nallowed_uids = \"me\"\n"),
              "c.toml:2:16: allowed_uids: 'me' must be numbers of users, e.g. 1000,1001");
    for (const std::string wrong : {"0", "-1", "1000001"}) {
        EXPECT_EQ(error_of("[clients]\nmax_per_client = " + wrong + "\n"),
                  "c.toml:2:18: max_per_client: '" + wrong +
                      "' must be a whole number from 1 to 1000000");
    }
}

TEST_F(ConfigTest, ReadsWhereItListensOverTcp) {
    DaemonConfig config = default_daemon_config();
    ASSERT_TRUE(base::write_file(file_, R"(
[listen]
tcp = "0.0.0.0:7420"
tls_certificate = "/etc/d.pem"
tls_key = "/etc/d.key"
client_ca = "/etc/ca.pem"
plain_tcp_on_loopback = true

[clients]
allowed_names = "publisher-1,urn:two"
rate_max = "5k/s"
rate_burst = 200
slow_limit = "30s"
)"));
    const auto read = read_config(file_, config);
    ASSERT_TRUE(read) << read.error().message;
    const auto& listen = config.server.listen;
    EXPECT_EQ(listen.tcp, "0.0.0.0:7420");
    EXPECT_EQ(listen.tls_certificate, "/etc/d.pem");
    EXPECT_EQ(listen.tls_key, "/etc/d.key");
    EXPECT_EQ(listen.client_ca, "/etc/ca.pem");
    EXPECT_TRUE(listen.plain_tcp_on_loopback);
    const auto& limits = config.server.clients;
    EXPECT_EQ(limits.allowed_names, (std::vector<std::string>{"publisher-1", "urn:two"}));
    EXPECT_EQ(limits.rate_max, *base::Rate::per_second(5000));
    EXPECT_EQ(limits.rate_burst, 200u);
    EXPECT_EQ(limits.slow_limit, std::chrono::seconds(30));

    EXPECT_EQ(error_of("[listen]\ntcp = \"localhost:1\"\n"),
              "c.toml:2:7: tcp: 'localhost:1' must have the address in numbers, e.g. 0.0.0.0:7420");
    EXPECT_EQ(error_of("[listen]\ntcp = \"7420\"\n"),
              "c.toml:2:7: tcp: '7420' must be a host and a port, e.g. 127.0.0.1:7420 or "
              "[::1]:7420");
    EXPECT_EQ(error_of("[listen]\nplain_tcp_on_loopback = \"yes\"\n"),
              "c.toml:2:25: plain_tcp_on_loopback: 'yes' must be true or false");
}

TEST_F(ConfigTest, ReadsWhetherClientsMayShareMemory) {
    EXPECT_EQ(default_daemon_config().server.clients.shared_memory_bytes, 16u << 20);
    DaemonConfig config = default_daemon_config();
    ASSERT_TRUE(base::write_file(file_, "[clients]\nshared_memory = \"off\"\n"));
    ASSERT_TRUE(read_config(file_, config));
    EXPECT_EQ(config.server.clients.shared_memory_bytes, 0u);
    for (const std::string wrong : {"0", "on", "3MiB", "32KiB", "128MiB"}) {
        EXPECT_EQ(error_of("[clients]\nshared_memory = \"" + wrong + "\"\n"),
                  "c.toml:2:17: shared_memory: '" + wrong +
                      "' must be off, or a power of two from 64KiB to 64MiB");
    }
}

TEST_F(ConfigTest, SaysWhatIsAllowed) {
    EXPECT_EQ(error_of("[dispatch]\noverflow = \"drop\"\n"),
              "c.toml:2:12: overflow: 'drop' must be reject, block or shed");
    EXPECT_EQ(error_of("[dispatch]\nconcurrency = \"disk=1\"\n"),
              "c.toml:2:15: concurrency: 'disk=1' must be a category and a number, e.g. "
              "database=1");
    EXPECT_EQ(error_of("[daemon]\nlog_format = \"xml\"\n"),
              "c.toml:2:14: log_format: 'xml' must be text or json");
    EXPECT_EQ(error_of("[retry]\ndelay = \"0s\"\n"),
              "c.toml:2:9: delay: '0s' must be a time of at least 1 ms, e.g. 500ms or 30s");
    EXPECT_EQ(error_of("[breaker]\nfailure_share = \"120%\"\n"),
              "c.toml:2:17: failure_share: '120%' must be a share above 0 % and up to 100 %, e.g. "
              "50%");
}

TEST_F(ConfigTest, PlacesABadValue) {
    EXPECT_EQ(error_of("[dispatch]\nworkers = 0\n"),
              "c.toml:2:11: workers: '0' must be a whole number from 1 to 1024");
    EXPECT_EQ(error_of("[dispatch]\nworkers = -1\n"),
              "c.toml:2:11: workers: '-1' must be a whole number from 1 to 1024");
    EXPECT_EQ(error_of("[dispatch]\nworkers = 1.5\n"),
              "c.toml:2:11: workers must be a string, a whole number, true or false");
    EXPECT_EQ(error_of("[dispatch]\nqueue_bytes = \"4 Mib\"\n"),
              "c.toml:2:15: queue_bytes: '4 Mib' must be a size above 0, e.g. 256MiB");
    EXPECT_EQ(error_of("[services]\nwork = \"reel\"\n"),
              "c.toml:2:8: work: 'reel' must be real or none");
    EXPECT_EQ(error_of("[services]\ndurability = \"ful\"\n"),
              "c.toml:2:14: durability: 'ful' must be normal or full");
    EXPECT_EQ(error_of("daemon = 3\n"), "c.toml:1:1: 'daemon' must be a section");
}

// What somebody else wrote must neither drive the terminal it is shown on, nor look like a second
// message in a log.
TEST_F(ConfigTest, IsOneLineWhateverTheFileSays) {
    EXPECT_EQ(error_of("[services]\nwork = \"re\\nal\"\n"),
              "c.toml:2:8: work: 're\\x0aal' must be real or none");
    EXPECT_TRUE(error_of("[dispatch]\n\"\\u001b[2J\" = 1\n")
                    .starts_with("c.toml:2:1: unknown key '\\x1b[2J' in [dispatch]; known: "));
    EXPECT_TRUE(error_of("[\"a\\nb\"]\n").starts_with("c.toml:1:2: unknown section 'a\\x0ab'; "));
}

TEST_F(ConfigTest, IsOneLineWhateverAValueSays) {
    // One of each kind of value.
    for (const std::string_view name :
         {"daemon.log_level", "daemon.log_format", "listen.tcp", "listen.plain_tcp_on_loopback",
          "clients.allowed_uids", "clients.max", "clients.bytes", "clients.shared_memory",
          "clients.rate_max", "clients.idle_limit", "services.work", "services.durability",
          "services.external", "dispatch.overflow", "dispatch.concurrency",
          "breaker.failure_share"}) {
        const auto dot = name.find('.');
        const auto error = error_of(
            fmt::format("[{}]\n{} = \"=\\u001b[2J\"\n", name.substr(0, dot), name.substr(dot + 1)));
        EXPECT_NE(error, "no error") << name;
        EXPECT_FALSE(error.contains('\x1b')) << name;
    }
}

// The system would take a path for what stands before a NUL, another one than was checked.
TEST_F(ConfigTest, RefusesAPathWithANul) {
    EXPECT_EQ(error_of("[daemon]\nsocket = \"/run/a\\u0000b\"\n"),
              "c.toml:2:10: socket: must not contain a NUL character");
}

TEST_F(ConfigTest, PlacesASyntaxError) {
    const auto error = error_of("[dispatch]\nworkers = = 2\n");

    EXPECT_TRUE(error.starts_with("c.toml:2:11: ")) << error;
}

TEST_F(ConfigTest, NamesAFileThatIsNotThere) {
    DaemonConfig config;
    const auto read = read_config(directory_.path() / "none.toml", config);

    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::not_found);
}

TEST_F(ConfigTest, FindsTheDefaultSocketInTheRuntimeDirectory) {
    ASSERT_EQ(::setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
    EXPECT_EQ(default_socket(), "/run/user/7/crucible/crucibled.sock");
    ASSERT_EQ(::unsetenv("XDG_RUNTIME_DIR"), 0);
    EXPECT_EQ(default_socket(), "/tmp/crucible-" + std::to_string(::geteuid()) + "/crucibled.sock");
}

}  // namespace
}  // namespace crucible::runtime
