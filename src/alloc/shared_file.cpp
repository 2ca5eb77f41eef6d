#include "alloc/shared_file.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/file.h"

namespace crucible::alloc {

Result<std::shared_ptr<const void>> map_shared_file(const std::filesystem::path& file,
                                                    const SharedKind& kind) {
    // Not to wait for somebody who writes, where it is a pipe.
    const base::UniqueFd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!descriptor) return std::unexpected(base::errno_error(file.string(), errno));
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0)
        return std::unexpected(base::errno_error(file.string(), errno));
    const auto corrupt = [&](std::string_view why) {
        return std::unexpected(
            Error{Errc::corrupt, fmt::format("{}: not {}{}", file.string(), kind.name, why)});
    };
    if (!S_ISREG(status.st_mode)) return corrupt("");
    // Before its size: another version's may be another.
    SharedBegin begin;
    constexpr std::size_t kKnown = offsetof(SharedBegin, pid);
    const bool is_complete = ::pread(descriptor.get(), &begin, kKnown, 0) == kKnown;
    if (is_complete && begin.magic == kind.magic && begin.version != kind.version) {
        return std::unexpected(Error{
            Errc::unsupported, fmt::format("{}: {} of version {}; this crucible reads version {}",
                                           file.string(), kind.name, begin.version, kind.version)});
    }
    if (status.st_size != static_cast<off_t>(kind.bytes))
        return corrupt(fmt::format(": {} bytes instead of {}", status.st_size, kind.bytes));
    void* const memory = ::mmap(nullptr, kind.bytes, PROT_READ, MAP_SHARED, descriptor.get(), 0);
    if (memory == MAP_FAILED)
        return std::unexpected(base::errno_error(file.string() + ": mmap", errno));
    std::shared_ptr<const void> mapped(memory, [bytes = kind.bytes](const void* begins) {
        ::munmap(const_cast<void*>(begins), bytes);
    });
    const auto& said = *static_cast<const SharedBegin*>(memory);
    const std::uint64_t magic = current(said.magic);
    if (magic == 0)
        return std::unexpected(
            Error{Errc::not_found,
                  fmt::format("{}: its process has not begun to {}", file.string(), kind.act)});
    if (magic != kind.magic || current(said.version) != kind.version ||
        current(said.bytes) != kind.bytes)
        return corrupt("");
    return mapped;
}

}  // namespace crucible::alloc
