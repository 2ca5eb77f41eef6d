#include "runtime/service/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace crucible::runtime {
namespace {

constexpr std::uint32_t kRotatedMax = 100;

std::unexpected<Error> file_error(const std::filesystem::path& path) {
    return std::unexpected(base::errno_error(path.string(), errno));
}

std::filesystem::path rotated(const std::filesystem::path& path, std::uint32_t number) {
    return path.string() + "." + std::to_string(number);
}

Result<> settle_directory(const std::filesystem::path& path) {
    const base::UniqueFd directory(
        ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ::fsync(directory.get()) != 0) return file_error(path.parent_path());
    return {};
}

Result<base::UniqueFd> open_file(const std::filesystem::path& path, Durability durability) {
    base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) return file_error(path);
    if (durability == Durability::full) {
        if (const auto done = settle_directory(path); !done) return std::unexpected(done.error());
    }
    return fd;
}

/// Where the last whole line ends.
Result<std::uint64_t> end_of_lines(int fd, const std::filesystem::path& path) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) return file_error(path);
    off_t end = info.st_size;
    char buffer[4096];
    while (end > 0) {
        const off_t start = std::max<off_t>(0, end - static_cast<off_t>(sizeof buffer));
        const auto count = ::pread(fd, buffer, static_cast<std::size_t>(end - start), start);
        if (count != end - start) return file_error(path);
        const std::string_view part(buffer, static_cast<std::size_t>(count));
        if (const auto line = part.rfind('\n'); line != std::string_view::npos) {
            return static_cast<std::uint64_t>(start) + line + 1;
        }
        end = start;
    }
    return 0;
}

}  // namespace

AppendFile::AppendFile(std::filesystem::path path, Durability durability, base::UniqueFd fd,
                       std::uint64_t size)
    : path_(std::move(path)), durability_(durability), fd_(std::move(fd)), size_(size) {}

Result<std::unique_ptr<AppendFile>> AppendFile::open(std::filesystem::path path,
                                                     Durability durability) {
    std::error_code status;
    std::filesystem::create_directories(path.parent_path(), status);
    if (status) return std::unexpected(base::errno_error(path.string(), status.value()));
    auto fd = open_file(path, durability);
    if (!fd) return std::unexpected(fd.error());
    const auto size = end_of_lines(fd->get(), path);
    if (!size) return std::unexpected(size.error());
    if (::ftruncate(fd->get(), static_cast<off_t>(*size)) != 0) return file_error(path);
    return std::unique_ptr<AppendFile>(
        new AppendFile(std::move(path), durability, std::move(*fd), *size));
}

Result<> AppendFile::append(std::string_view lines) {
    if (lines.empty()) return {};
    const std::scoped_lock lock(mutex_);
    auto written = write(lines);
    if (written) {
        size_ += lines.size();
        return {};
    }
    // Half a line must not stay, as what follows would be glued to it, nor whole ones, as they come
    // again with the next attempt.
    if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) return file_error(path_);
    return written;
}

Result<> AppendFile::write(std::string_view lines) {
    while (!lines.empty()) {
        const auto count = ::write(fd_.get(), lines.data(), lines.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return file_error(path_);
        lines.remove_prefix(static_cast<std::size_t>(count));
    }
    if (durability_ == Durability::full && ::fdatasync(fd_.get()) != 0) return file_error(path_);
    return {};
}

Result<bool> AppendFile::rotate(std::uint64_t bytes_max, std::uint32_t keep) {
    const std::scoped_lock lock(mutex_);
    if (size_ <= bytes_max) return false;
    std::error_code ignored;  // of files that need not exist
    std::filesystem::remove(rotated(path_, keep), ignored);
    for (std::uint32_t number = keep; number > 1; --number) {
        std::filesystem::rename(rotated(path_, number - 1), rotated(path_, number), ignored);
    }
    if (keep == 0) {
        std::filesystem::remove(path_, ignored);
    } else if (::rename(path_.c_str(), rotated(path_, 1).c_str()) != 0) {
        return file_error(path_);
    }
    auto fd = open_file(path_, durability_);
    if (!fd) return std::unexpected(fd.error());
    fd_ = std::move(*fd);
    size_ = 0;
    return true;
}

std::uint64_t AppendFile::size() const {
    const std::scoped_lock lock(mutex_);
    return size_;
}

std::uint32_t prune_rotated(const std::filesystem::path& path, std::uint32_t keep) {
    std::uint32_t removed = 0;
    for (std::uint32_t number = keep + 1; number <= kRotatedMax; ++number) {
        std::error_code ignored;
        if (std::filesystem::remove(rotated(path, number), ignored)) ++removed;
    }
    return removed;
}

}  // namespace crucible::runtime
