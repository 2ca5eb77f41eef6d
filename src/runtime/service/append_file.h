#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/file.h"
#include "crucible/error.h"
#include "runtime/service/service_set.h"

namespace crucible::runtime {

/// A file that whole lines are appended to, one write per call. Thread-safe.
class AppendFile {
public:
    /// Creates the file and its directory when missing. A last line without its end (the process
    /// died in the write) is cut off. - Errc::io, Errc::permission_denied.
    static Result<std::unique_ptr<AppendFile>> open(std::filesystem::path path,
                                                    Durability durability);

    /// Appends `lines` whole; durable when it returns. After an error none of them is in the file,
    /// so that they may be appended again, unless the error is that they cannot be cut off.
    Result<> append(std::string_view lines);

    /// Renames the file to <path>.1 (and .1 to .2, ... up to `keep`, the last is deleted) and
    /// starts anew, when it is larger than `bytes_max`. Returns whether it did.
    Result<bool> rotate(std::uint64_t bytes_max, std::uint32_t keep);

    std::uint64_t size() const;

private:
    Result<> write(std::string_view lines);
    AppendFile(std::filesystem::path path, Durability durability, base::UniqueFd fd,
               std::uint64_t size);

    const std::filesystem::path path_;
    const Durability durability_;
    mutable std::mutex mutex_;
    base::UniqueFd fd_;
    std::uint64_t size_;
};

/// Deletes rotated files <path>.N with N over `keep`. Returns how many.
std::uint32_t prune_rotated(const std::filesystem::path& path, std::uint32_t keep);

}  // namespace crucible::runtime
