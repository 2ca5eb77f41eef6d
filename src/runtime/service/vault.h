#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "crucible/error.h"
#include "runtime/service/service_set.h"

namespace crucible::runtime {

/// The files of all sources, one directory per source. A path is relative to its source's directory
/// and cannot leave it: "..", ".", empty and absolute parts are refused, and no symbolic link is
/// followed. Every change is verified on the file system before it counts. Holds only the root's
/// descriptor: thread-safe, except that changes of one path must not run at the same time.
///
/// Errors of all calls: Errc::invalid_argument (a path or a hash that does not fit its content;
/// nothing was changed), Errc::not_found, Errc::already_exists, Errc::permission_denied, Errc::io,
/// Errc::corrupt (read back something else than was written). `redelivered`: an earlier delivery of
/// the same event may have made the change, or begun it. Then a file that is there is written anew,
/// one that is gone counts as removed or moved, and one that is in both places with the same
/// content as moved.
class Vault {
public:
    static constexpr std::size_t kPathBytesMax = 1024;
    static constexpr std::size_t kReadBytesMax = 1u << 20;

    /// Creates `root` when it is missing.
    static Result<Vault> open(const std::filesystem::path& root, Durability durability);

    /// Writes a file that must not exist. `hash`: content_hash(content).
    Result<> create(std::string_view source, std::string_view path, std::string_view content,
                    std::string_view hash, bool redelivered) const;
    /// Replaces the content of a file that must exist; a reader sees the old or the new content.
    Result<> modify(std::string_view source, std::string_view path, std::string_view content,
                    std::string_view hash) const;
    /// Creates or replaces.
    Result<> put(std::string_view source, std::string_view path, std::string_view content,
                 std::string_view hash) const;
    /// Renames a file; `to` must not exist. Verified by the file's identity (inode and size).
    Result<> move(std::string_view source, std::string_view from, std::string_view to,
                  bool redelivered) const;
    Result<> remove(std::string_view source, std::string_view path, bool redelivered) const;

    /// Replaces `content` with at most `bytes_max` bytes of the file. - Errc::invalid_argument: it
    /// is larger.
    Result<> read(std::string_view source, std::string_view path, std::size_t bytes_max,
                  std::string& content) const;

    /// The share of the file system's space that is left to us, 0 to 1. - Errc::io.
    Result<double> free_space() const;

    /// Names of the regular files directly in `directory` of the source, sorted, at most
    /// `files_max` of those the system lists first. Nothing when the directory does not exist.
    Result<std::vector<std::string>> list(std::string_view source, std::string_view directory,
                                          std::size_t files_max) const;

private:
    /// An open directory and the name of an entry in it.
    struct Place {
        base::UniqueFd directory;
        std::string name;
    };
    enum class Missing : bool { fails, is_created };

    Vault(base::UniqueFd root, Durability durability);
    Result<base::UniqueFd> enter(int parent, const std::string& name, Missing missing) const;
    Result<Place> place(std::string_view source, std::string_view path, Missing missing) const;
    Result<> write_new(const Place& place, const std::string& name, std::string_view content,
                       std::string_view hash) const;
    Result<> replace(const Place& place, std::string_view content, std::string_view hash) const;
    static Result<> check_file(const Place& place, std::string_view path);
    static bool same_content(const Place& first, const Place& second);
    Result<> settle(const base::UniqueFd& fd) const;

    base::UniqueFd root_;
    Durability durability_;
};

}  // namespace crucible::runtime
