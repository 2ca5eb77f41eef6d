#include "lab/target/nats_handles.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <string_view>

#include "base/file.h"
#include "lab/http/connection.h"

namespace crucible::lab {
namespace {

constexpr std::int64_t kConnectLimitMs = 5'000;

/// What keeps a socket from connecting; 0 when nothing does.
int connect_errno(const ServerAddress& address) {
    const base::UniqueFd probe(::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{.tv_sec = 1, .tv_usec = 0};
    ::setsockopt(probe.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const auto* where = reinterpret_cast<const sockaddr*>(&address.address);
    return ::connect(probe.get(), where, address.length) == 0 ? 0 : errno;
}

/// The library frees messages on a thread of its own, which it wakes for nearly each. As batch work
/// that thread does not interrupt the one that sends (sched(7)): 1.6 times as many events on one
/// core. Threads inherit the policy, so it is set while the library starts them.
void open_library() {
    static std::once_flag opened;
    std::call_once(opened, [] {
        sched_param parameter{};
        ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &parameter);
        nats_Open(-1);
        ::pthread_setschedparam(::pthread_self(), SCHED_OTHER, &parameter);
    });
}

}  // namespace

std::string nats_error_text(natsStatus status) {
    natsStatus last = NATS_OK;
    const char* detail = nats_GetLastError(&last);
    std::string text = natsStatus_GetText(status);
    if (last != status || detail == nullptr) return text;
    // "(conn.c:2088): what" says where in the library.
    std::string_view what(detail);
    if (const auto end = what.find("): "); what.starts_with('(') && end != what.npos)
        what.remove_prefix(end + 3);
    if (!what.empty() && what != text) text += fmt::format(": {}", what);
    return text;
}

Result<NatsOptions> nats_options(const BrokerOptions& broker) {
    open_library();
    natsOptions* raw = nullptr;
    if (const auto status = natsOptions_Create(&raw); status != NATS_OK)
        return std::unexpected(Error{Errc::failed, nats_error_text(status)});
    NatsOptions options(raw);
    natsOptions_SetURL(raw, broker.server().c_str());
    if (!broker.password.empty() || !broker.user.empty())
        natsOptions_SetUserInfo(raw, broker.user.c_str(), broker.password.c_str());
    natsOptions_SetName(raw, "crucible");
    natsOptions_SetTimeout(raw, kConnectLimitMs);
    natsOptions_SetAllowReconnect(raw, false);
    natsOptions_SetIgnoreDiscoveredServers(raw, true);
    return options;
}

Result<NatsConnection> nats_connect(const BrokerOptions& broker, natsOptions* options) {
    // The library says "no server available" to everything that keeps it from connecting.
    const auto address = resolve(broker.host, broker.port);
    if (!address) return std::unexpected(address.error());
    natsConnection* raw = nullptr;
    const auto status = natsConnection_Connect(&raw, options);
    if (status == NATS_OK) return NatsConnection(raw);
    if (const int reason = connect_errno(*address); reason != 0) {
        return std::unexpected(
            Error{Errc::closed, fmt::format("{}: {}", broker.server(), std::strerror(reason))});
    }
    const auto code =
        status == NATS_CONNECTION_AUTH_FAILED ? Errc::permission_denied : Errc::closed;
    return std::unexpected(
        Error{code, fmt::format("{}: {}", broker.server(), nats_error_text(status))});
}

Result<JetStream> nats_jetstream(const BrokerOptions& broker, natsConnection* connection) {
    jsCtx* raw = nullptr;
    if (const auto status = natsConnection_JetStream(&raw, connection, nullptr); status != NATS_OK)
        return std::unexpected(Error{Errc::failed, nats_error_text(status)});
    JetStream context(raw);
    jsAccountInfo* account = nullptr;
    jsErrCode code{};
    const auto status = js_GetAccountInfo(&account, raw, nullptr, &code);
    jsAccountInfo_Destroy(account);
    if (status == NATS_OK) return context;
    if (code == JSNotEnabledErr || code == JSNotEnabledForAccountErr ||
        status == NATS_NO_RESPONDERS) {
        return std::unexpected(Error{
            Errc::failed, fmt::format("{}: JetStream is not enabled (nats-server --jetstream)",
                                      broker.server())});
    }
    return std::unexpected(
        Error{Errc::failed, fmt::format("{}: {}", broker.server(), nats_error_text(status))});
}

}  // namespace crucible::lab
