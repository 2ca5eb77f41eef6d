#include "runtime/service/vault.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "runtime/service/digest.h"
#include "runtime/service/payload.h"

namespace crucible::runtime {
namespace {

constexpr char kTemporarySuffix[] = ".~new";

std::unexpected<Error> system_error(std::string_view what) {
    return std::unexpected(base::errno_error(what, errno));
}

bool is_name(std::string_view part) {
    return !part.empty() && part != "." && part != ".." && part.size() <= 200 &&
           part.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos &&
           !part.ends_with(kTemporarySuffix);
}

Result<> write_all(int fd, std::string_view content, const std::string& name) {
    while (!content.empty()) {
        const auto count = ::write(fd, content.data(), content.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return system_error(name);
        content.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

Result<> read_all(int fd, std::size_t size, std::string& content, const std::string& name) {
    content.resize(size);
    std::size_t done = 0;
    while (done < size) {
        const auto count =
            ::pread(fd, content.data() + done, size - done, static_cast<off_t>(done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return system_error(name);
        if (count == 0) break;  // shorter than it was a moment ago
        done += static_cast<std::size_t>(count);
    }
    content.resize(done);
    return {};
}

/// Reads the file behind `fd` back and compares size and hash with what it should hold.
Result<> verify(int fd, std::size_t size, std::string_view hash, const std::string& name) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) return system_error(name);
    if (static_cast<std::size_t>(info.st_size) != size) {
        return refuse(Errc::corrupt, name + ": has another size than was written");
    }
    thread_local std::string content;
    if (const auto got = read_all(fd, size, content, name); !got) return got;
    const ContentHash actual = content_hash(content);
    if (content.capacity() > Vault::kReadBytesMax) std::string().swap(content);
    if (std::string_view(actual.data(), actual.size()) != hash) {
        return refuse(Errc::corrupt, name + ": holds other content than was written");
    }
    return {};
}

Result<> check_hash(std::string_view content, std::string_view hash, std::string_view path) {
    const ContentHash actual = content_hash(content);
    if (std::string_view(actual.data(), actual.size()) == hash) return {};
    return invalid(std::string(path) + ": content_hash does not fit the content");
}

}  // namespace

Vault::Vault(base::UniqueFd root, Durability durability)
    : root_(std::move(root)), durability_(durability) {}

Result<Vault> Vault::open(const std::filesystem::path& root, Durability durability) {
    std::error_code status;
    std::filesystem::create_directories(root, status);
    if (status) return std::unexpected(base::errno_error(root.string(), status.value()));
    base::UniqueFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return system_error(root.string());
    return Vault(std::move(fd), durability);
}

Result<> Vault::settle(const base::UniqueFd& fd) const {
    if (durability_ == Durability::full && ::fsync(fd.get()) != 0) return system_error("fsync");
    return {};
}

Result<base::UniqueFd> Vault::enter(int parent, const std::string& name, Missing missing) const {
    // O_NOFOLLOW at every step: a link planted anywhere in the path ends the walk with ENOTDIR or
    // ELOOP.
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    base::UniqueFd fd(::openat(parent, name.c_str(), kFlags));
    if (fd) return fd;
    if (errno == ENOENT && missing == Missing::is_created) {
        if (::mkdirat(parent, name.c_str(), 0755) != 0 && errno != EEXIST)
            return system_error(name);
        if (durability_ == Durability::full && ::fsync(parent) != 0) return system_error(name);
        fd = base::UniqueFd(::openat(parent, name.c_str(), kFlags));
        if (fd) return fd;
    }
    return system_error(name);
}

Result<Vault::Place> Vault::place(std::string_view source, std::string_view path,
                                  Missing missing) const {
    if (!is_name(source)) return invalid("source \"" + std::string(source) + "\" is no file name");
    if (path.size() > kPathBytesMax) return invalid("path is longer than 1024 bytes");
    // All parts are checked before the first directory is made, so that a refusal leaves nothing
    // behind.
    for (std::string_view check = path;;) {
        const auto slash = check.find('/');
        if (!is_name(check.substr(0, slash))) {
            return invalid("path \"" + std::string(path) + "\" does not stay in the vault");
        }
        if (slash == std::string_view::npos) break;
        check.remove_prefix(slash + 1);
    }
    auto directory = enter(root_.get(), std::string(source), missing);
    if (!directory) return std::unexpected(std::move(directory.error()));
    std::string_view rest = path;
    for (auto slash = rest.find('/'); slash != std::string_view::npos; slash = rest.find('/')) {
        directory = enter(directory->get(), std::string(rest.substr(0, slash)), missing);
        if (!directory) return std::unexpected(std::move(directory.error()));
        rest.remove_prefix(slash + 1);
    }
    return Place{std::move(*directory), std::string(rest)};
}

Result<> Vault::write_new(const Place& place, const std::string& name, std::string_view content,
                          std::string_view hash) const {
    const base::UniqueFd fd(::openat(place.directory.get(), name.c_str(),
                                     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!fd) return system_error(name);
    auto done = write_all(fd.get(), content, name);
    if (done) done = verify(fd.get(), content.size(), hash, name);
    if (done) done = settle(fd);
    if (!done) ::unlinkat(place.directory.get(), name.c_str(), 0);
    return done;
}

Result<> Vault::create(std::string_view source, std::string_view path, std::string_view content,
                       std::string_view hash, bool redelivered) const {
    if (const auto fits = check_hash(content, hash, path); !fits) return fits;
    const auto where = place(source, path, Missing::is_created);
    if (!where) return std::unexpected(where.error());
    const auto written = write_new(*where, where->name, content, hash);
    if (!written && written.error().code == Errc::already_exists && redelivered) {
        // What is there may be half of it, or what a later event made of it, which then comes
        // again.
        if (const auto file = check_file(*where, path); !file) return file;
        return replace(*where, content, hash);
    }
    if (!written) return written;
    return settle(where->directory);
}

/// - Errc::invalid_argument: something else than a file.
Result<> Vault::check_file(const Place& place, std::string_view path) {
    struct stat info {};
    if (::fstatat(place.directory.get(), place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
        return system_error(path);
    if (!S_ISREG(info.st_mode)) return invalid(std::string(path) + ": not a regular file");
    return {};
}

Result<> Vault::replace(const Place& place, std::string_view content, std::string_view hash) const {
    const std::string temporary = place.name + kTemporarySuffix;
    const int directory = place.directory.get();
    ::unlinkat(directory, temporary.c_str(), 0);  // left by a process that died here
    if (const auto done = write_new(place, temporary, content, hash); !done) return done;
    // Swapped, not renamed over: ext4 writes a file's data out at once when it replaces another
    // (auto_da_alloc), which costs milliseconds on a busy disk. Where it must be on disk,
    // write_new() has flushed it already.
    const char* name = place.name.c_str();
    if (::renameat2(directory, temporary.c_str(), directory, name, RENAME_EXCHANGE) == 0) {
        ::unlinkat(directory, temporary.c_str(), 0);
    } else if (::renameat(directory, temporary.c_str(), directory, name) != 0) {
        // The first has no file to swap with, or a file system that cannot.
        const int error = errno;
        ::unlinkat(directory, temporary.c_str(), 0);
        return std::unexpected(base::errno_error(place.name, error));
    }
    return settle(place.directory);
}

Result<> Vault::modify(std::string_view source, std::string_view path, std::string_view content,
                       std::string_view hash) const {
    if (const auto fits = check_hash(content, hash, path); !fits) return fits;
    const auto where = place(source, path, Missing::fails);
    if (!where) return std::unexpected(where.error());
    if (const auto file = check_file(*where, path); !file) return file;
    return replace(*where, content, hash);
}

Result<> Vault::put(std::string_view source, std::string_view path, std::string_view content,
                    std::string_view hash) const {
    if (const auto fits = check_hash(content, hash, path); !fits) return fits;
    const auto where = place(source, path, Missing::is_created);
    if (!where) return std::unexpected(where.error());
    const auto file = check_file(*where, path);
    if (!file && file.error().code != Errc::not_found) return file;
    return replace(*where, content, hash);
}

/// Whether two files hold the same; false also for one file, or where one cannot be read.
bool Vault::same_content(const Place& first, const Place& second) {
    constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    std::string contents[2];
    struct stat infos[2]{};
    for (int i = 0; i < 2; ++i) {
        const Place& place = i == 0 ? first : second;
        const base::UniqueFd fd(::openat(place.directory.get(), place.name.c_str(), kFlags));
        if (!fd || ::fstat(fd.get(), &infos[i]) != 0 || !S_ISREG(infos[i].st_mode)) return false;
        const auto size = static_cast<std::size_t>(infos[i].st_size);
        if (!read_all(fd.get(), size, contents[i], place.name)) return false;
    }
    return infos[0].st_ino != infos[1].st_ino && contents[0] == contents[1];
}

Result<> Vault::move(std::string_view source, std::string_view from, std::string_view to,
                     bool redelivered) const {
    const auto old_place = place(source, from, Missing::fails);
    if (!old_place) return std::unexpected(old_place.error());
    struct stat before {};
    struct stat after {};
    const int old_directory = old_place->directory.get();
    const bool is_there =
        ::fstatat(old_directory, old_place->name.c_str(), &before, AT_SYMLINK_NOFOLLOW) == 0;
    if (!is_there && !redelivered) return system_error(from);
    if (is_there && !S_ISREG(before.st_mode)) {
        return invalid(std::string(from) + ": not a regular file");
    }
    const auto new_place = place(source, to, Missing::is_created);
    if (!new_place) return std::unexpected(new_place.error());
    const int new_directory = new_place->directory.get();
    const bool moved =
        is_there && ::renameat2(old_directory, old_place->name.c_str(), new_directory,
                                new_place->name.c_str(), RENAME_NOREPLACE) == 0;
    if (is_there && !moved) {
        const Error error = base::errno_error(to, errno);
        const bool both = redelivered && error.code == Errc::already_exists;
        if (!both || !same_content(*old_place, *new_place)) return std::unexpected(error);
        // Moved before, and then written anew by an event before it that came again as well.
        if (::unlinkat(old_directory, old_place->name.c_str(), 0) != 0) return system_error(from);
    }
    if (::fstatat(new_directory, new_place->name.c_str(), &after, AT_SYMLINK_NOFOLLOW) != 0) {
        return system_error(to);
    }
    if (moved && (after.st_ino != before.st_ino || after.st_size != before.st_size)) {
        return refuse(Errc::corrupt, std::string(to) + ": is not the file that was moved");
    }
    if (::faccessat(old_directory, old_place->name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return refuse(Errc::corrupt, std::string(from) + ": is still there after the move");
    }
    if (const auto done = settle(new_place->directory); !done) return done;
    return settle(old_place->directory);
}

Result<> Vault::remove(std::string_view source, std::string_view path, bool redelivered) const {
    const auto where = place(source, path, Missing::fails);
    if (!where) return std::unexpected(where.error());
    const int directory = where->directory.get();
    if (::unlinkat(directory, where->name.c_str(), 0) != 0) {
        if (errno == EISDIR) return invalid(std::string(path) + ": not a regular file");
        if (errno != ENOENT || !redelivered) return system_error(path);
    }
    struct stat info {};
    if (::fstatat(directory, where->name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
        return refuse(Errc::corrupt, std::string(path) + ": is still there after its removal");
    }
    return settle(where->directory);
}

Result<> Vault::read(std::string_view source, std::string_view path, std::size_t bytes_max,
                     std::string& content) const {
    const auto where = place(source, path, Missing::fails);
    if (!where) return std::unexpected(where.error());
    // O_NONBLOCK: opening a FIFO must not wait for a writer before it is found to be no file.
    const base::UniqueFd fd(::openat(where->directory.get(), where->name.c_str(),
                                     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd) return system_error(path);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return system_error(path);
    if (!S_ISREG(info.st_mode)) return invalid(std::string(path) + ": not a regular file");
    const auto size = static_cast<std::size_t>(info.st_size);
    if (size > bytes_max) return invalid(std::string(path) + ": larger than may be read");
    return read_all(fd.get(), size, content, std::string(path));
}

Result<double> Vault::free_space() const {
    struct statvfs space {};
    if (::fstatvfs(root_.get(), &space) != 0)
        return std::unexpected(base::errno_error("the vault", errno));
    if (space.f_blocks == 0) return 1.0;  // a file system that has no such limit
    return static_cast<double>(space.f_bavail) / static_cast<double>(space.f_blocks);
}

Result<std::vector<std::string>> Vault::list(std::string_view source, std::string_view directory,
                                             std::size_t files_max) const {
    std::vector<std::string> names;
    // The last part of a path is a name in its directory; here the directory itself is wanted.
    auto where = place(source, std::string(directory) + "/x", Missing::fails);
    if (!where && where.error().code == Errc::not_found) return names;
    if (!where) return std::unexpected(where.error());
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(where->directory.get()),
                                                      ::closedir);
    if (entries == nullptr) return system_error(directory);
    where->directory.release();  // the stream closes it
    while (names.size() < files_max) {
        const dirent* entry = ::readdir(entries.get());
        if (entry == nullptr) break;
        const std::string_view name = entry->d_name;
        if (entry->d_type == DT_REG && is_name(name)) names.emplace_back(name);
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace crucible::runtime
