#include "lab/record/file_locks.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "lab/record/proc_text.h"

namespace crucible::lab {
namespace {

constexpr std::size_t kBlock = 4096;

/// The part of `text` before the first `separator`, with which it is taken off.
std::string_view take_until(std::string_view& text, char separator) {
    const auto part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    return part;
}

std::string_view take_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    return take_until(line, ' ');
}

}  // namespace

bool names_write_lock(std::string_view locks, std::span<const pid_t> pids) {
    while (!locks.empty()) {
        // "1: POSIX  ADVISORY  WRITE 1234 08:02:1311 124 124"; who waits has "->" after the number.
        auto line = take_until(locks, '\n');
        take_word(line);
        if (take_word(line) == "->") continue;
        take_word(line);
        if (take_word(line) != "WRITE") continue;
        const auto holder = leading_number(take_word(line));
        if (holder && std::ranges::find(pids, static_cast<pid_t>(*holder)) != pids.end())
            return true;
    }
    return false;
}

FileLocks::FileLocks(const std::filesystem::path& root)
    : file_(::open((root / "proc/locks").c_str(), O_RDONLY | O_CLOEXEC)) {}

std::optional<bool> FileLocks::held_by(std::span<const pid_t> pids) {
    std::size_t size = 0;
    for (;;) {
        if (content_.size() < size + kBlock) content_.resize(size + kBlock);
        const ssize_t count =
            ::pread(file_.get(), content_.data() + size, kBlock, static_cast<off_t>(size));
        if (count < 0) return std::nullopt;
        if (count == 0) break;
        size += static_cast<std::size_t>(count);
    }
    return names_write_lock(std::string_view(content_).substr(0, size), pids);
}

}  // namespace crucible::lab
