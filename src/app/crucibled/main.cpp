#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "app/crucibled/log.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "runtime/daemon/acceptor.h"
#include "runtime/daemon/config.h"
#include "runtime/daemon/server.h"
#include "runtime/daemon/systemd.h"

namespace crucible::app {
namespace {

using runtime::DaemonConfig;
using runtime::Server;

// Exit codes, documented in --help and docs/guides/daemon.md.
constexpr int kStopped = 0;
constexpr int kFailed = 1;
constexpr int kBadUsage = 2;

/// How long it waits for who reads its log, where the lines should be there before it goes on.
constexpr Duration kLogLimit = std::chrono::seconds(1);

constexpr const char* kFooter = R"(Examples:
  crucibled                                        default socket and data directory
  crucibled --socket /run/app/events.sock --data /var/lib/app
  crucibled --config /etc/crucibled.toml --workers 4 --durability full
  crucibled --tcp 0.0.0.0:7420 --tls-certificate d.pem --tls-key d.key --client-ca ca.pem
  crucibled --work none --log-level debug          routing only, with connections logged
  crucibled --log-format json 2>> crucibled.log    a JSON object for each line of the log

Configuration file (TOML; flags win over it):
  [daemon]    socket, metrics, log_level, log_format
  [listen]    tcp, tls_certificate, tls_key, client_ca, plain_tcp_on_loopback
  [clients]   allowed_uids, allowed_names, max, max_per_client, bytes, rate_max,
              rate_burst, slow_limit, handshake_limit, idle_limit, shared_memory
  [services]  data_directory, count, work, durability, webhook_secret,
              external_max, external, external_timeout, external_grace
  [dispatch]  workers, queue_events, queue_bytes, batch, service_events,
              overflow, concurrency
  [route]     rules, repeat_window, repeat_events
  [retry]     attempts, delay, delay_max, dead_letters, dead_letter_bytes
  [health]    interval, timeout, rise, fall
  [breaker]   failures_in_a_row, failure_share, calls_min, window, open_for,
              probes, probes_to_close

Signals: SIGHUP reads the rule file and the certificates again. SIGTERM and
SIGINT finish what was accepted, acknowledge it and exit 0; a second one stops
at once.
Exit codes: 0 stopped in order, 1 could not start (another crucibled on the
socket, data not usable) or not finish, 2 bad flags or configuration.)";

/// A flag and the option of the configuration file it overrides.
struct Flag {
    const char* flag;
    const char* option;
    const char* placeholder;  ///< of its value; nullptr: it is on when given
    const char* help;
    std::string value = {};
};

struct CommandLine {
    std::string config_file;
    int ready_fd = -1;
    std::array<Flag, 18> flags{{
        {"--socket", "daemon.socket", "PATH", "Unix socket to listen on (mode 0600)"},
        {"--tcp", "listen.tcp", "ADDRESS",
         "listen there too, e.g. 0.0.0.0:7420; port 0: one that is free (default: not over TCP)"},
        {"--tls-certificate", "listen.tls_certificate", "FILE", "for --tcp: the daemon's, PEM"},
        {"--tls-key", "listen.tls_key", "FILE", "its key, PEM"},
        {"--client-ca", "listen.client_ca", "FILE",
         "certificates that vouch for those of clients, PEM"},
        {"--plain-tcp-on-loopback", "listen.plain_tcp_on_loopback", nullptr,
         "--tcp without TLS, on a loopback address: any user of this host may connect"},
        {"--data", "services.data_directory", "DIR", "directory the services work in"},
        {"--services", "services.count", "N", "service instances (default 6)"},
        {"--workers", "dispatch.workers", "N", "threads that run services (default 2)"},
        {"--work", "services.work", "real|none", "whether services do their work (default real)"},
        {"--durability", "services.durability", "normal|full",
         "survive a crash of the process, or loss of power too (default normal)"},
        {"--queue", "dispatch.queue_events", "N",
         "events accepted and not ended, at most (default 65536)"},
        {"--batch", "dispatch.batch", "N",
         "waiting events of one service handed over at once (default: as the service wants it, 64 "
         "or "
         "256)"},
        {"--overflow", "dispatch.overflow", "reject|block|shed",
         "refuse events when the queue is full, let publishers wait, or give up waiting events of "
         "lower priority (default reject)"},
        {"--rules", "route.rules", "FILE",
         "rules that say where events go (docs/formats/rules.md)"},
        {"--metrics", "daemon.metrics", "ADDRESS",
         "answer GET /metrics there, e.g. 127.0.0.1:9464 (default: not at all)"},
        {"--log-level", "daemon.log_level", "LEVEL",
         "trace, debug, info, warning, error, critical, off (default info)"},
        {"--log-format", "daemon.log_format", "text|json",
         "lines of the log for people, or a JSON object each (default text)"},
    }};
};

int usage_error(const std::string& message) {
    fmt::print(stderr, "crucibled: {}\n", message);
    return kBadUsage;
}

/// Fills `line`; an exit code when the program ends here.
std::optional<int> parse(int argc, char** argv, CommandLine& line) {
    CLI::App app{
        "The centralized daemon: takes events from clients over a Unix socket or TCP with TLS,\n"
        "runs the services, and "
        "acknowledges each event once it is handled and durable."};
    app.footer(kFooter);
    app.add_option("--config", line.config_file, "TOML configuration file")->type_name("FILE");
    for (auto& flag : line.flags) {
        if (flag.placeholder == nullptr) {
            app.add_flag(flag.flag, flag.value, flag.help);
        } else {
            app.add_option(flag.flag, flag.value, flag.help)->type_name(flag.placeholder);
        }
    }
    app.add_option("--ready-fd", line.ready_fd,
                   "write \"ready\\n\" to this descriptor once listening")
        ->type_name("N");
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        fmt::print("{}", app.help());
        return kStopped;
    } catch (const CLI::ParseError& error) {
        return usage_error(std::string(error.what()) + " (see crucibled --help)");
    }
    for (const auto& flag : line.flags) {
        // An empty value would pass for a flag not given.
        if (app.count(flag.flag) > 0 && flag.value.empty())
            return usage_error(fmt::format("{}: must not be empty", flag.flag));
    }
    if (line.ready_fd != -1 && (line.ready_fd < 0 || ::fcntl(line.ready_fd, F_GETFD) < 0)) {
        return usage_error(fmt::format("--ready-fd: descriptor {} is not open", line.ready_fd));
    }
    return std::nullopt;
}

Result<DaemonConfig> configure(const CommandLine& line) {
    DaemonConfig config = runtime::default_daemon_config();
    if (!line.config_file.empty()) {
        if (auto read = runtime::read_config(line.config_file, config); !read)
            return std::unexpected(read.error());
    }
    for (const auto& flag : line.flags) {
        if (flag.value.empty()) continue;
        if (auto set = runtime::set_option(flag.option, flag.value, config); !set) {
            return std::unexpected(
                Error{set.error().code, fmt::format("{}: {}", flag.flag, set.error().message)});
        }
    }
    if (auto checked = runtime::check_listen(config.server.listen); !checked)
        return std::unexpected(checked.error());
    return config;
}

std::atomic<Server*> running_server = nullptr;

void stop_on_signal(int) {
    if (Server* server = running_server.load()) server->request_stop();
}

void set_signals(void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);
}

/// In this thread, and in those it starts from now on.
void block_signals(int how) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
    ::pthread_sigmask(how, &signals, nullptr);
}

void reload_on_signal(int) {
    if (Server* server = running_server.load()) server->request_reload();
}

void set_reload_signal() {
    struct sigaction action {};
    action.sa_handler = reload_on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGHUP, &action, nullptr);
}

/// Tells the supervisor; its end is closed so that a reader sees the end of the stream too.
void report_ready(int descriptor) {
    if (descriptor < 0) return;
    constexpr std::string_view line = "ready\n";
    if (::write(descriptor, line.data(), line.size()) < 0) {
        base::log::warn("--ready-fd was not told",
                        {{"descriptor", descriptor}, {"error", std::strerror(errno)}});
    }
    ::close(descriptor);
}

void log_start(const Server& server, const runtime::ServerOptions& options, bool inherited) {
    const auto& services = options.coordinator.services;
    base::log::info("listening", {{"socket", inherited ? "inherited" : options.socket.native()},
                                  {"services", services.services},
                                  {"workers", options.coordinator.workers},
                                  {"data", services.data_directory.native()}});
    if (const auto& tcp = server.tcp_address()) {
        base::log::info("listening over TCP",
                        {{"address", tcp->text()}, {"tls", !options.listen.plain_tcp_on_loopback}});
    }
    if (const auto port = server.metrics_port(); port != 0)
        base::log::info("answering for metrics", {{"port", port}});
}

int serve(DaemonConfig& config, int ready_fd, Log& log) {
    base::raise_descriptor_limit();
    auto inherited = runtime::systemd::inherited_socket();
    if (!inherited) {
        base::log::critical("could not start", {{"error", inherited.error().message}});
        return kFailed;
    }
    if (*inherited) {
        config.server.inherited_socket = (*inherited)->release();
    } else if (auto checked = runtime::check_default_directory(config.server.socket); !checked) {
        base::log::critical("could not start", {{"error", checked.error().message}});
        return kFailed;
    }
    // The server's threads have work to do: signals are this one's, which waits for them.
    block_signals(SIG_BLOCK);
    auto server = Server::open(config.server);
    if (!server) {
        base::log::critical("could not start", {{"error", server.error().message}});
        return kFailed;
    }
    running_server.store(server->get());
    set_signals(stop_on_signal);
    set_reload_signal();
    block_signals(SIG_UNBLOCK);
    log_start(**server, config.server, inherited->has_value());
    // Whoever waits for it finds what was said above.
    if (ready_fd >= 0) (void)log.flush(kLogLimit);
    report_ready(ready_fd);

    const auto ended = (*server)->run();
    set_signals(SIG_IGN);
    running_server.store(nullptr);
    const auto stats = (*server)->stats();
    base::log::info("stopped", {{"published", stats.published},
                                {"handled", stats.handled},
                                {"rejected", stats.rejected},
                                {"failed", stats.failed},
                                {"expired", stats.expired},
                                {"unfinished", stats.queued}});
    if (!ended) {
        base::log::critical("could not finish", {{"error", ended.error().message}});
        return kFailed;
    }
    return kStopped;
}

int run(int argc, char** argv) {
    CommandLine line;
    if (const auto exit_code = parse(argc, argv, line)) return *exit_code;
    auto config = configure(line);
    if (!config) return usage_error(config.error().message);
    // A client that goes away is an error of one send, not a reason to die.
    ::signal(SIGPIPE, SIG_IGN);
    Log log(spdlog::level::from_str(config->log_level), config->log_format, [] {
        block_signals(SIG_BLOCK);
        ::pthread_setname_np(::pthread_self(), "log");
    });
    const int exit_code = serve(*config, line.ready_fd, log);
    // That nobody reads the log is no reason to stay.
    if (!log.flush(kLogLimit)) std::_Exit(exit_code);
    return exit_code;
}

}  // namespace
}  // namespace crucible::app

int main(int argc, char** argv) {
    return crucible::app::run(argc, argv);
}
