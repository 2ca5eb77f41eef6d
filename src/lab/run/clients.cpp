#include "lab/run/clients.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "base/clock.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

constexpr int kControlFd = 100;  // out of the way of the descriptors that starting a process uses
constexpr Duration kExitLimit = 2s;

std::string worker_program() {
    if (const char* given = std::getenv("CRUCIBLE_WORKER"); given != nullptr && *given != '\0')
        return given;
    return base::self_executable().string();
}

std::string name_of(const Clients::Client& client) {
    return fmt::format("client-{} (pid {})", client.number, client.process.pid());
}

Result<Clients::Client> start_client(std::uint32_t number,
                                     const std::vector<std::string>& environment) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return std::unexpected(base::errno_error("socketpair", errno));
    base::UniqueFd ours(ends[0]);
    const base::UniqueFd theirs(ends[1]);
    base::Process::Options command;
    command.arguments = {worker_program(), "worker", "--control-fd", std::to_string(kControlFd)};
    command.inherit = {{theirs.get(), kControlFd}};
    command.environment = environment;
    auto process = base::Process::start(command);
    if (!process) return std::unexpected(process.error());
    return Clients::Client{.number = number,
                           .process = *std::move(process),
                           .channel = Channel(std::move(ours)),
                           .last_heard = base::monotonic_now(),
                           .drained = {},
                           .report = {},
                           .progress = {}};
}

}  // namespace

Result<Clients> Clients::start(const std::string& endpoint, const Plan& plan,
                               const std::vector<std::string>& environment) {
    Clients clients;
    for (std::uint32_t number = 0; number < plan.clients; ++number) {
        auto client = start_client(number, environment);
        if (!client) return std::unexpected(client.error());
        clients.clients_.push_back(*std::move(client));
    }
    for (auto& client : clients.clients_) {
        const auto told =
            client.channel.send(encode(order::Prepare{client.number, endpoint, plan}));
        if (!told) clients.lost_contact(client);
    }
    clients.told_ = base::monotonic_now();
    return clients;
}

void Clients::tell_all(const Order& order) {
    const std::string line = encode(order);
    for (auto& client : clients_) {
        if (client.present && !client.channel.send(line)) lost_contact(client);
    }
    told_ = base::monotonic_now();
}

void Clients::listen(Duration limit) {
    std::vector<pollfd> readable;
    for (const auto& client : clients_) {
        // poll() passes over negative descriptors.
        readable.push_back({client.present ? client.channel.descriptor() : -1, POLLIN, 0});
    }
    ::poll(readable.data(), readable.size(), static_cast<int>(limit / 1ms));
    for (std::size_t i = 0; i < clients_.size(); ++i) {
        auto& client = clients_[i];
        if (!client.present || readable[i].revents == 0) continue;
        client.last_heard = base::monotonic_now();
        const auto received = client.channel.receive();
        while (client.present) {
            const auto line = client.channel.next_line();
            if (!line) break;
            auto news = decode_news(*line);
            if (!news) {
                drop(client, news.error().code, news.error().message);
            } else {
                note(client, *std::move(news));
            }
        }
        if (!received && client.present) lost_contact(client);
    }
}

void Clients::note(Client& client, News news) {
    if (auto* ready = std::get_if<news::Ready>(&news)) {
        client.system_processes = std::move(ready->processes);
        client.ready = true;
    } else if (auto* failed = std::get_if<news::Failed>(&news)) {
        drop(client, failed->error.code, failed->error.message);
    } else if (const auto* progress = std::get_if<news::Progress>(&news)) {
        client.progress = *progress;
    } else if (const auto* drained = std::get_if<news::Drained>(&news)) {
        client.drained = drained->phase;
    } else if (auto* report = std::get_if<news::PhaseReport>(&news)) {
        client.report = std::move(*report);
    }
}

void Clients::drop(Client& client, Errc code, const std::string& what) {
    client.present = false;
    if (!trouble_) trouble_ = Error{code, fmt::format("{}: {}", name_of(client), what)};
    client.process.signal(SIGKILL);
    client.process.wait(kExitLimit);
}

void Clients::lost_contact(Client& client) {
    client.present = false;
    const auto status = client.process.wait(kExitLimit);
    const std::string what = status ? status->describe() : "closed its control channel";
    if (!trouble_) {
        trouble_ = Error{
            Errc::failed,
            fmt::format("{} {}; it had last told of {} events sent and {} handled", name_of(client),
                        what, client.progress.sent, client.progress.handled)};
    }
    client.process.signal(SIGKILL);
}

void Clients::drop_silent(Duration limit) {
    const TimePoint now = base::monotonic_now();
    for (auto& client : clients_) {
        const TimePoint since = std::max(client.last_heard, told_);
        if (client.present && now - since > limit)
            drop(client, Errc::timeout, fmt::format("has been silent for {} s", limit / 1s));
    }
}

void Clients::end(Duration limit) {
    tell_all(order::End{});
    const TimePoint deadline = base::monotonic_now() + limit;
    for (auto& client : clients_) {
        const auto status =
            client.process.wait(std::max(deadline - base::monotonic_now(), Duration::zero()));
        if (!client.present) continue;
        if (!status) {
            drop(client, Errc::timeout, "did not end when told to");
        } else if (status->signal != 0 || status->exit_code != 0) {
            if (!trouble_) {
                trouble_ =
                    Error{Errc::failed, fmt::format("{} {}", name_of(client), status->describe())};
            }
        }
    }
}

std::vector<ClientPhase> Clients::take_reports(std::uint32_t phase) {
    std::vector<ClientPhase> reports;
    for (auto& client : clients_) {
        if (client.report && client.report->phase == phase)
            reports.push_back(std::move(client.report->result));
        client.report.reset();
    }
    return reports;
}

}  // namespace crucible::lab
