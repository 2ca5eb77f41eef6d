#include "runtime/daemon/shared_rings.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <new>

namespace crucible::runtime {
namespace {

/// Both headers stand in front of both rings' bytes.
constexpr std::size_t kHeadersBytes = 4096;
constexpr std::size_t kHeaderBytes = kHeadersBytes / 2;
static_assert(sizeof(RingHeader) <= kHeaderBytes);

/// Shrinking a file under a mapping makes every access behind its end a SIGBUS.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

constexpr std::size_t file_bytes(std::size_t ring_bytes) {
    return kHeadersBytes + 2 * ring_bytes;
}

}  // namespace

bool SharedRings::valid_size(std::size_t ring_bytes) noexcept {
    return std::has_single_bit(ring_bytes) && ring_bytes >= kRingBytesMin &&
           ring_bytes <= kRingBytesMax;
}

Result<std::pair<SharedRings, base::UniqueFd>> SharedRings::make(std::size_t ring_bytes) {
    base::UniqueFd file(::memfd_create("crucible-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(file_bytes(ring_bytes))) != 0 ||
        ::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0)
        return std::unexpected(base::errno_error("shared memory", errno));
    auto rings = map(file.get(), ring_bytes);
    if (!rings) return std::unexpected(rings.error());
    for (std::size_t index = 0; index < 2; ++index)
        new (rings->memory_.data() + index * kHeaderBytes) RingHeader;
    return std::pair(std::move(*rings), std::move(file));
}

Result<SharedRings> SharedRings::open(const base::UniqueFd& file) {
    const int seals = ::fcntl(file.get(), F_GET_SEALS);
    if (seals < 0 || (seals & kSeals) != kSeals)
        return std::unexpected(Error{Errc::corrupt, "shared memory: its size is not sealed"});
    struct stat info {};
    if (::fstat(file.get(), &info) != 0)
        return std::unexpected(base::errno_error("shared memory", errno));
    const auto bytes = static_cast<std::size_t>(info.st_size);
    const std::size_t ring_bytes = bytes < kHeadersBytes ? 0 : (bytes - kHeadersBytes) / 2;
    if (!valid_size(ring_bytes) || file_bytes(ring_bytes) != bytes) {
        return std::unexpected(
            Error{Errc::corrupt,
                  fmt::format("shared memory: {} bytes are not those of two rings", info.st_size)});
    }
    return map(file.get(), ring_bytes);
}

Result<SharedRings> SharedRings::map(int file, std::size_t ring_bytes) {
    // Both rings begin at multiples of this, and can be mapped there.
    if (::sysconf(_SC_PAGESIZE) != static_cast<long>(kHeadersBytes))
        return std::unexpected(
            Error{Errc::unsupported, "shared memory needs a machine with pages of 4 KiB"});
    const std::size_t bytes = kHeadersBytes + 4 * ring_bytes;
    void* const memory =
        ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return std::unexpected(base::errno_error("shared memory", errno));
    SharedRings rings({static_cast<std::byte*>(memory), bytes}, ring_bytes);
    const auto put = [&](std::size_t at, std::size_t size, std::size_t from) {
        return ::mmap(rings.memory_.data() + at, size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_FIXED, file, static_cast<off_t>(from)) != MAP_FAILED;
    };
    const std::size_t second = kHeadersBytes + ring_bytes;
    if (!put(0, second, 0) || !put(second, ring_bytes, kHeadersBytes) ||
        !put(second + ring_bytes, ring_bytes, second) ||
        !put(second + 2 * ring_bytes, ring_bytes, second))
        return std::unexpected(base::errno_error("shared memory", errno));
    return rings;
}

SharedRings::~SharedRings() {
    if (!memory_.empty()) ::munmap(memory_.data(), memory_.size());
}

SharedRings::Ring SharedRings::ring(std::size_t index) const noexcept {
    auto* const header =
        std::launder(reinterpret_cast<RingHeader*>(memory_.data() + index * kHeaderBytes));
    return {*header, memory_.subspan(kHeadersBytes + 2 * index * ring_bytes_, ring_bytes_)};
}

}  // namespace crucible::runtime
