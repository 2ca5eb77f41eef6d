#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "crucible/error.h"

namespace crucible::base {

/// Owns a file descriptor.
class UniqueFd {
public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) noexcept : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept;
    ~UniqueFd() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int release() noexcept { return std::exchange(fd_, -1); }
    void reset() noexcept;

private:
    int fd_ = -1;
};

/// A directory under the system's temporary directory, removed with everything in it on
/// destruction.
class TempDir {
public:
    /// `$TMPDIR/crucible-<label>-XXXXXX`. - Errc::io.
    static Result<TempDir> make(std::string_view label);
    /// The same in shared memory (/dev/shm) where there is such a directory.
    static Result<TempDir> make_in_memory(std::string_view label);
    TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    TempDir& operator=(TempDir&& other) noexcept;
    ~TempDir() { remove(); }

    const std::filesystem::path& path() const noexcept { return path_; }

private:
    static Result<TempDir> make_in(const std::filesystem::path& parent, std::string_view label);
    explicit TempDir(std::filesystem::path path) : path_(std::move(path)) {}
    void remove() noexcept;
    std::filesystem::path path_;
};

/// Whole content. - Errc::not_found, Errc::permission_denied, Errc::io; the message names the path.
Result<std::string> read_file(const std::filesystem::path& path);

/// Writes to a temporary file beside `path` and renames it, so that a reader sees the old or the
/// new content.
Result<> write_file(const std::filesystem::path& path, std::string_view content);

/// An Error of the fitting code for errno: "<what>: <strerror>".
Error errno_error(std::string_view what, int error_number);

}  // namespace crucible::base
