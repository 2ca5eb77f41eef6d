#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "lab/profile/mapped_module.h"

namespace crucible::lab {

/// One address space for the modules of several processes, each of which has them elsewhere: the
/// same place in the same file has one address in it. Not thread-safe.
class ModuleSpace {
public:
    /// Return addresses of a process that has mapped `modules`, which are sorted by start, as they
    /// are in this space. What is in none of them stays as it is.
    std::vector<std::uint64_t> joined(std::span<const MappedModule> modules,
                                      std::span<const std::uint64_t> stack);
    /// Of all that was joined, sorted by start.
    const std::vector<MappedModule>& modules() const noexcept { return modules_; }

private:
    /// Path, build id, offset in the file; where there is no file, the start.
    using Key = std::tuple<std::string, std::string, std::uint64_t, std::uint64_t>;
    std::map<Key, std::size_t> indices_;
    std::vector<MappedModule> modules_;
};

}  // namespace crucible::lab
