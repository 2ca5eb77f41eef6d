#pragma once

#include <sched.h>

#include <string>
#include <string_view>

#include "crucible/error.h"

namespace crucible::base {

/// Processors of this machine, as in taskset(1): "0", "0-1,3". An empty set stands for all.
class CpuSet {
public:
    CpuSet() noexcept { CPU_ZERO(&mask_); }
    /// - Errc::invalid_argument: no such list, or a processor that this process may not use.
    static Result<CpuSet> parse(std::string_view text);

    bool empty() const noexcept { return text_.empty(); }
    const std::string& text() const noexcept { return text_; }
    const cpu_set_t& mask() const noexcept { return mask_; }

private:
    cpu_set_t mask_;
    std::string text_;
};

/// Keeps this thread, and those it makes from now on, on `cpus`; nothing where it is empty.
Result<> pin_thread(const CpuSet& cpus);

}  // namespace crucible::base
