#pragma once

#include <sys/types.h>

#include <filesystem>

#include "base/file.h"
#include "crucible/error.h"

namespace crucible::runtime {

/// A listening Unix socket that this process alone owns, mode 0600, removed on destruction.
///
/// Who owns the path is decided by a lock on `<socket>.lock`, held as long as this lives: two
/// daemons that start at the same moment cannot both find the socket stale. The lock file stays
/// behind on purpose: removing it would reopen that race.
class Listener {
public:
    /// Creates missing parent directories (mode 0700) and replaces a socket file that nobody
    /// listens on.
    /// - Errc::already_exists: another daemon owns it (the message names its process id), or
    /// `socket` is something
    ///   other than a socket. - Errc::invalid_argument: the path is too long for a socket. -
    ///   Errc::permission_denied, Errc::io.
    /// `mode`: of the socket file. 0600 unless others may connect, whom then the server judges.
    static Result<Listener> open(const std::filesystem::path& socket, mode_t mode = 0600);

    /// A listening socket that somebody else made, and removes: a service manager.
    static Listener adopt(base::UniqueFd socket) { return Listener({}, {}, std::move(socket)); }

    Listener(Listener&& other) noexcept = default;
    ~Listener() { close(); }

    /// Non-blocking.
    int fd() const noexcept { return socket_.get(); }

    /// Accepts nobody any more and removes the socket file, if it is its own.
    void close() noexcept;

private:
    Listener(std::filesystem::path path, base::UniqueFd lock, base::UniqueFd socket)
        : path_(std::move(path)), lock_(std::move(lock)), socket_(std::move(socket)) {}

    std::filesystem::path path_;
    base::UniqueFd lock_;
    base::UniqueFd socket_;
};

}  // namespace crucible::runtime
