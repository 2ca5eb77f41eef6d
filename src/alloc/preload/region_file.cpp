#include "alloc/preload/region_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>

namespace crucible::alloc {
namespace {

constinit bool has_file = false;
/// Kept: a program may change its environment, and its forks' regions belong beside its own.
constinit char directory[PATH_MAX];
/// Of the region's file, without ".alloc".
constinit char region_stem[kPathMax];

bool keep_directory() noexcept {
    if (directory[0] != '\0') return true;
    const char* const named = environ == nullptr ? nullptr : ::getenv(kDirectoryVariable);
    if (named == nullptr || named[0] != '/' || ::strlen(named) >= sizeof directory) return false;
    ::strcpy(directory, named);
    return true;
}

/// Decimal digits of `number`, with a zero at the end; snprintf() may allocate.
char* append(char* to, const char* text) noexcept {
    while (*text != '\0') *to++ = *text++;
    *to = '\0';
    return to;
}
char* append(char* to, unsigned long number) noexcept {
    char digits[24];
    int count = 0;
    do {
        digits[count++] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) *to++ = digits[--count];
    *to = '\0';
    return to;
}

/// The memory of that file, at `place` where there is one. Null: not to be had.
Region* map_file(int file, Region* place) noexcept {
    void* const memory = ::mmap(place, sizeof(Region), PROT_READ | PROT_WRITE,
                                MAP_SHARED | (place == nullptr ? 0 : MAP_FIXED), file, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<Region*>(memory);
}

Region* map_new_file(Region* place, std::size_t backed) noexcept {
    if (!keep_directory()) return nullptr;
    char path[kPathMax];
    // A process that executes another program keeps its number, and its earlier file is there.
    for (unsigned long image = 0; image < 10'000; ++image) {
        char* end = append(path, directory);
        end = append(end, "/");
        end = append(end, static_cast<unsigned long>(::getpid()));
        end = append(end, "-");
        end = append(end, image);
        append(end, ".alloc");
        const int file = new_sparse_file(path, sizeof(Region), backed);
        if (file < 0 && errno == EEXIST) continue;
        if (file < 0) return nullptr;
        Region* const region = map_file(file, place);
        ::syscall(SYS_close, file);
        if (region == nullptr) {
            ::unlink(path);
            return nullptr;
        }
        ::memcpy(region_stem, path, static_cast<std::size_t>(end - path));
        region_stem[end - path] = '\0';
        return region;
    }
    return nullptr;
}

Region* map_private(Region* place) noexcept {
    void* const memory = ::mmap(
        place, sizeof(Region), PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (place == nullptr ? 0 : MAP_FIXED), -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<Region*>(memory);
}

}  // namespace

int new_sparse_file(const char* path, std::size_t bytes, std::size_t backed) noexcept {
    rlimit limit{};
    // Growing a file beyond it is answered with a signal.
    if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur < bytes) {
        errno = EFBIG;
        return -1;
    }
    // Not by the functions of these names, in which a cancelled thread would end: in malloc.
    const auto file = static_cast<int>(
        ::syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file < 0) return -1;
    const long allocated = ::syscall(SYS_fallocate, file, 0, 0L, static_cast<long>(backed));
    if ((allocated == 0 || errno == EOPNOTSUPP) &&
        ::syscall(SYS_ftruncate, file, static_cast<long>(bytes)) == 0)
        return file;
    ::unlink(path);
    ::syscall(SYS_close, file);
    errno = ENOSPC;
    return -1;
}

const char* region_file_stem() noexcept {
    return has_file ? region_stem : nullptr;
}

void* private_memory(std::size_t bytes) noexcept {
    void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

Region* open_region() noexcept {
    Region* region = map_new_file(nullptr, offsetof(Region, threads));
    has_file = region != nullptr;
    if (!has_file) region = map_private(nullptr);
    if (region == nullptr) return nullptr;
    // All zero already, which is what a Region begins as.
    region->version = kFormatVersion;
    region->pid = static_cast<std::uint32_t>(::getpid());
    region->bytes = sizeof(Region);
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    region->started_ns = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
                         static_cast<std::uint64_t>(now.tv_nsec);
    return region;
}

bool is_shared_region() noexcept {
    return has_file;
}

bool renew_region(Region* region, const void* content, std::size_t bytes) noexcept {
    has_file = map_new_file(region, bytes) != nullptr;
    if (!has_file && map_private(region) == nullptr) return false;
    ::memcpy(static_cast<void*>(region), content, bytes);
    return true;
}

bool back_with_memory(const void* part, std::size_t bytes) noexcept {
    return !has_file || populate(part, bytes);
}

bool populate(const void* part, std::size_t bytes) noexcept {
    const auto begin = reinterpret_cast<std::uintptr_t>(part) & ~(kPageBytes - 1);
    const auto end = reinterpret_cast<std::uintptr_t>(part) + bytes;
    if (::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_WRITE) == 0)
        return true;
    // A kernel before 5.14 does not know it: there the page is hoped for.
    return errno == EINVAL;
}

}  // namespace crucible::alloc
