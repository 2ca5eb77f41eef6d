#include "runtime/daemon/listener.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "runtime/daemon/unix_socket.h"

namespace crucible::runtime {
namespace {

using base::UniqueFd;

Result<> make_parent(const std::filesystem::path& socket) {
    const auto parent = socket.parent_path();
    if (parent.empty()) return {};
    std::error_code status;
    if (std::filesystem::is_directory(parent, status)) return {};
    if (auto above = make_parent(parent); !above) return above;
    if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST) {
        return std::unexpected(base::errno_error(parent.string(), errno));
    }
    return {};
}

/// Takes the lock that decides who owns `socket` and leaves our process id in it.
Result<UniqueFd> take_lock(const std::filesystem::path& socket) {
    const std::string path = socket.string() + ".lock";
    UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock) return std::unexpected(base::errno_error(path, errno));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return std::unexpected(base::errno_error(path, errno));
        char text[32] = {};
        const auto size = ::pread(lock.get(), text, sizeof text - 1, 0);
        std::string owner(text, size > 0 ? static_cast<std::size_t>(size) : 0);
        if (const auto end = owner.find('\n'); end != std::string::npos) owner.resize(end);
        return std::unexpected(
            Error{Errc::already_exists, socket.string() + ": another crucibled" +
                                            (owner.empty() ? "" : " (pid " + owner + ")") +
                                            " is listening there"});
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0) {
        return std::unexpected(base::errno_error(path, errno));
    }
    return lock;
}

/// With the lock held, a socket file is a dead daemon's, unless someone listens who knows no lock.
Result<> remove_stale(const std::filesystem::path& path, const sockaddr_un& address) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT) return {};
        return std::unexpected(base::errno_error(path.string(), errno));
    }
    if (!S_ISSOCK(info.st_mode)) {
        return std::unexpected(
            Error{Errc::already_exists, path.string() + ": exists and is not a socket"});
    }
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!probe) return std::unexpected(base::errno_error("socket", errno));
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN) {
        return std::unexpected(
            Error{Errc::already_exists, path.string() + ": another process is listening there"});
    }
    if (errno != ECONNREFUSED && errno != ENOENT)
        return std::unexpected(base::errno_error(path.string(), errno));
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return std::unexpected(base::errno_error(path.string(), errno));
    }
    return {};
}

}  // namespace

Result<Listener> Listener::open(const std::filesystem::path& path, mode_t mode) {
    const auto address = unix_address(path);
    if (!address) return std::unexpected(address.error());
    if (auto parent = make_parent(path); !parent) return std::unexpected(parent.error());
    auto lock = take_lock(path);
    if (!lock) return std::unexpected(lock.error());
    if (auto removed = remove_stale(path, *address); !removed)
        return std::unexpected(removed.error());

    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) return std::unexpected(base::errno_error("socket", errno));
    // Before bind(): the file is born with this mode, so that there is no moment in which others
    // may connect.
    if (::fchmod(socket.get(), mode) != 0 ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
        ::listen(socket.get(), SOMAXCONN) != 0) {
        return std::unexpected(base::errno_error(path.string(), errno));
    }
    return Listener(path, std::move(*lock), std::move(socket));
}

void Listener::close() noexcept {
    if (!socket_) return;
    if (lock_) ::unlink(path_.c_str());
    socket_.reset();
}

}  // namespace crucible::runtime
