#include "daemon_performance/dbus_broker.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <limits>

#include "daemon_performance/dbus_wire.h"
#include "runtime/daemon/unix_socket.h"
#include "support/installed_program.h"

namespace crucible::bench::dbus {
namespace {

constexpr const char* kSocketName = "bus";
constexpr int kControllerFd = 100;  // out of the way of those that starting a process uses
constexpr int kBacklog = 1024;
/// More than the bench has under way: these limits are for users that share a bus.
constexpr std::string_view kMuch = "1000000000";

/// What AddListener takes as its policy.
constexpr std::string_view kPolicyType =
    "(a(u(bta(btbs)a(btssssuutt)a(btssssuutt)))"
    "a(buu(bta(btbs)a(btssssuutt)a(btssssuutt)))a(ss)bs)";

Result<base::UniqueFd> listen_on(const std::filesystem::path& path) {
    const auto address = runtime::unix_address(path);
    if (!address) return std::unexpected(address.error());
    base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
        ::listen(socket.get(), kBacklog) != 0)
        return std::unexpected(base::errno_error(path.native(), errno));
    return socket;
}

/// Sending, or receiving, of everything is allowed.
void allow_transfers(Writer& writer) {
    const auto rules = writer.begin_array(8);
    writer.align(8);
    writer.number(1);                             // allowed
    writer.long_number(1);                        // the rule's priority
    for (int i = 0; i < 4; ++i) writer.text("");  // name, path, interface, member
    writer.number(0);                             // every kind of message
    writer.number(0);                             // broadcast or not
    writer.long_number(0);                        // descriptors, at least
    writer.long_number(std::numeric_limits<std::uint64_t>::max());
    writer.end_array(rules);
}

/// Every user may connect, own every name, send and receive everything.
void allow_everything(Writer& writer) {
    writer.align(8);
    const auto users = writer.begin_array(8);
    writer.align(8);
    writer.number(std::numeric_limits<std::uint32_t>::max());  // every user
    writer.align(8);
    writer.number(1);       // may connect
    writer.long_number(1);  // the rule's priority
    const auto names = writer.begin_array(8);
    writer.align(8);
    writer.number(1);
    writer.long_number(1);
    writer.number(1);  // a prefix
    writer.text("");
    writer.end_array(names);
    allow_transfers(writer);
    allow_transfers(writer);
    writer.end_array(users);
    for (int i = 0; i < 2; ++i) writer.end_array(writer.begin_array(8));  // groups, SELinux
    writer.number(0);                                                     // no AppArmor
    writer.text("session");
}

/// Sends `bytes` with `descriptor` beside the first of them.
Result<> send_with(int socket, std::string_view bytes, int descriptor) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(first), &descriptor, sizeof descriptor);
    const auto sent = ::sendmsg(socket, &header, MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(bytes.size())) return {};
    return std::unexpected(base::errno_error("dbus-broker's controller", sent < 0 ? errno : EIO));
}

Result<> add_listener(BatchedSocket& controller, int socket, int listener) {
    if (auto ok = authenticate(controller, true); !ok) return ok;
    Writer body;
    body.text("/org/bus1/DBus/Listener/0");
    body.number(0);  // the first descriptor
    body.signature(kPolicyType);
    allow_everything(body);
    const auto call = message({.path = "/org/bus1/DBus/Broker",
                               .interface = "org.bus1.DBus.Broker",
                               .member = "AddListener",
                               .signature = "ohv",
                               .descriptors = 1},
                              1, body.bytes);
    if (auto ok = send_with(socket, call, listener); !ok) return ok;
    return await_reply(controller);
}

}  // namespace

std::filesystem::path Broker::socket() const {
    return process_.directory() / kSocketName;
}

Result<Broker> Broker::start() {
    const auto program = installed_program("dbus-broker", "dbus-broker");
    if (!program) return std::unexpected(program.error());
    auto directory = base::TempDir::make("dbus");
    if (!directory) return std::unexpected(directory.error());
    const auto listener = listen_on(directory->path() / kSocketName);
    if (!listener) return std::unexpected(listener.error());
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return std::unexpected(base::errno_error("socketpair", errno));
    auto controller = std::make_unique<BatchedSocket>(base::UniqueFd(pair[0]));
    const base::UniqueFd theirs(pair[1]);
    const ServerProcess::Command command{
        .arguments = {*program, "--controller", fmt::to_string(kControllerFd), "--machine-id",
                      "0123456789abcdef0123456789abcdef", "--max-bytes", std::string(kMuch),
                      "--max-fds", "100000", "--max-matches", std::string(kMuch), "--max-objects",
                      std::string(kMuch)},
        .inherit = {{theirs.get(), kControllerFd}}};
    auto process = ServerProcess::start(*std::move(directory), command, [] { return true; });
    if (!process) return std::unexpected(process.error());
    if (auto ok = add_listener(*controller, pair[0], listener->get()); !ok)
        return std::unexpected(ok.error());
    return Broker(*std::move(process), std::move(controller));
}

}  // namespace crucible::bench::dbus
