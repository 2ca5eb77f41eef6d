#include "alloc/preload/process_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace crucible::alloc {
namespace {

/// open() and its like would let a cancelled thread end in the middle of malloc.
class MapsFile {
public:
    MapsFile() noexcept
        : errno_(errno),
          file_(::syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}
    ~MapsFile() {
        if (file_ >= 0) ::syscall(SYS_close, file_);
        errno = errno_;
    }
    MapsFile(const MapsFile&) = delete;
    MapsFile& operator=(const MapsFile&) = delete;

    /// 0 at its end, negative where it cannot be read.
    long read(char* to, std::size_t room) noexcept {
        if (file_ < 0) return -1;
        long got = 0;
        do {
            got = ::syscall(SYS_read, file_, to, room);
        } while (got < 0 && errno == EINTR);
        return got;
    }

private:
    int errno_;  // the program's
    long file_;
};

}  // namespace

bool find_mapping(std::uintptr_t address, Mapping& found) noexcept {
    MapsFile file;
    MapsText text;
    char piece[1024];  // of a stack that may be small
    bool has_found = false;
    while (!has_found) {
        const long got = file.read(piece, sizeof piece);
        if (got <= 0) break;
        text.feed(piece, static_cast<std::size_t>(got), [&](const Mapping& mapping) {
            if (address < mapping.begin || address >= mapping.end || !mapping.readable) return;
            found = mapping;
            has_found = true;
        });
    }
    return has_found;
}

std::size_t read_maps(char* to, std::size_t room) noexcept {
    MapsFile file;
    std::size_t bytes = 0;
    while (bytes < room) {
        const long got = file.read(to + bytes, room - bytes);
        if (got < 0) return 0;
        if (got == 0) return bytes;
        bytes += static_cast<std::size_t>(got);
    }
    return 0;
}

void CodeMap::add(const Mapping& mapping) noexcept {
    if (!mapping.executable) return;
    // The kernel's own: no stack leads through it, and its neighbour is the main thread's stack,
    // whose addresses would look like code at first.
    const std::uintptr_t kernels = ::getauxval(AT_SYSINFO_EHDR);
    if (kernels >= mapping.begin && kernels < mapping.end) return;
    if (mapping.begin >> 63 != 0) return;  // its older one
    const std::uintptr_t first = mapping.begin >> kPageBits;
    std::uintptr_t end = mapping.end >> kPageBits;
    constexpr std::uintptr_t kPagesMax = std::uintptr_t{1} << 20;  // 4 GiB; more is nobody's code
    if (end - first > kPagesMax) end = first + kPagesMax;
    for (std::uintptr_t page = first; page < end; ++page)
        pages_[page / 64 % pages_.size()] |= std::uint64_t{1} << (page % 64);
    constexpr unsigned kBits = kWindowBits - kPageBits;
    for (std::uintptr_t window = first >> kBits; window <= (end - 1) >> kBits; ++window)
        add_window(window);
    add_span(first, end - 1);
}

void CodeMap::add_window(std::uintptr_t window) noexcept {
    for (std::uint32_t i = 0; i < windows_used_; ++i)
        if (windows_[i] == window) return;
    if (windows_used_ == windows_.size()) return;
    windows_[windows_used_++] = window;
}

void CodeMap::Span::set(std::uintptr_t from, std::uintptr_t to) noexcept {
    constexpr std::uint32_t kSign = 0x80000000;
    first = from;
    last = to;
    begin = static_cast<int>(static_cast<std::uint32_t>(from) + kSign);
    const std::uintptr_t more = to - from;
    most = static_cast<int>((more >> 32 == 0 ? static_cast<std::uint32_t>(more) : ~0U) + kSign);
}

/// Ascending. The widest gap is what parts the two.
void CodeMap::add_span(std::uintptr_t first, std::uintptr_t last) noexcept {
    if (spans_used_ == 0) {
        low_.set(first, last);
        high_ = low_;
    } else if (spans_used_ == 1) {
        high_.set(first, last);
    } else if (first - high_.last > high_.first - low_.last) {
        low_.set(low_.first, high_.last);
        high_.set(first, last);
    } else {
        high_.set(high_.first, last);
    }
    if (spans_used_ < 2) ++spans_used_;
}

}  // namespace crucible::alloc
