#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "crucible/error.h"

namespace crucible::alloc {

/// What the tracker's files begin with, in every version.
struct SharedBegin {
    std::uint64_t magic = 0;  ///< 0: not valid yet
    std::uint32_t version = 0;
    std::uint32_t pid = 0;
    std::uint64_t bytes = 0;  ///< of the whole file
};

/// One kind of them.
struct SharedKind {
    const char* name;  ///< "an allocation region"
    const char* act;   ///< that its process has not begun before it is valid: "count"
    std::uint64_t magic;
    std::uint32_t version;
    std::size_t bytes;
};

/// Maps one to read: what is in it may change at any time, and whoever wrote it may be wrong.
/// - Errc::not_found: no such file, or it is not valid yet. - Errc::corrupt: it is no such file.
/// - Errc::unsupported: of another version. - Errc::permission_denied, Errc::io.
Result<std::shared_ptr<const void>> map_shared_file(const std::filesystem::path& file,
                                                    const SharedKind& kind);

/// What another process may write meanwhile, read once: whatever is done with the value is done
/// with the same one. In the order in which it is written.
template <class Number>
Number current(const Number& shared) noexcept {
    Number value{};
    __atomic_load(&shared, &value, __ATOMIC_ACQUIRE);
    return value;
}

}  // namespace crucible::alloc
