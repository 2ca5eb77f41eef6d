#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace crucible::base {

Error errno_error(std::string_view what, int error_number) {
    Errc code = Errc::io;
    if (error_number == ENOENT || error_number == ENOTDIR) code = Errc::not_found;
    if (error_number == EACCES || error_number == EPERM || error_number == EROFS)
        code = Errc::permission_denied;
    if (error_number == EEXIST) code = Errc::already_exists;
    return Error{code, std::string(what) + ": " + std::strerror(error_number)};
}

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
        reset();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

void UniqueFd::reset() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

Result<TempDir> TempDir::make(std::string_view label) {
    std::error_code status;
    const auto parent = std::filesystem::temp_directory_path(status);
    if (status) return std::unexpected(Error{Errc::io, "temporary directory: " + status.message()});
    return make_in(parent, label);
}

Result<TempDir> TempDir::make_in_memory(std::string_view label) {
    if (auto made = make_in("/dev/shm", label)) return made;
    return make(label);
}

Result<TempDir> TempDir::make_in(const std::filesystem::path& parent, std::string_view label) {
    std::string pattern = (parent / ("crucible-" + std::string(label) + "-XXXXXX")).string();
    if (::mkdtemp(pattern.data()) == nullptr) return std::unexpected(errno_error(pattern, errno));
    return TempDir(pattern);
}

TempDir& TempDir::operator=(TempDir&& other) noexcept {
    if (this != &other) {
        remove();
        path_ = std::exchange(other.path_, {});
    }
    return *this;
}

void TempDir::remove() noexcept {
    if (path_.empty()) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    path_.clear();
}

Result<std::string> read_file(const std::filesystem::path& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::unexpected(errno_error(path.string(), errno));
    std::string content;
    struct stat info {};
    if (::fstat(fd.get(), &info) == 0 && info.st_size > 0) {
        content.reserve(static_cast<std::size_t>(info.st_size) + 1);
    }
    char buffer[16384];
    for (;;) {
        const auto count = ::read(fd.get(), buffer, sizeof buffer);
        if (count < 0) {
            if (errno == EINTR) continue;
            return std::unexpected(errno_error(path.string(), errno));
        }
        if (count == 0) return content;
        content.append(buffer, static_cast<std::size_t>(count));
    }
}

Result<> write_file(const std::filesystem::path& path, std::string_view content) {
    std::string temporary = path.string() + ".XXXXXX";
    const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd) return std::unexpected(errno_error(path.string(), errno));
    const auto fail = [&](int error_number) -> std::unexpected<Error> {
        ::unlink(temporary.c_str());
        return std::unexpected(errno_error(path.string(), error_number));
    };
    while (!content.empty()) {
        const auto count = ::write(fd.get(), content.data(), content.size());
        if (count < 0) {
            if (errno == EINTR) continue;
            return fail(errno);
        }
        content.remove_prefix(static_cast<std::size_t>(count));
    }
    if (::fchmod(fd.get(), 0644) != 0) return fail(errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0) return fail(errno);
    return {};
}

}  // namespace crucible::base
