#include "base/cpu_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/file.h"
#include "base/text.h"

namespace crucible::base {

Result<CpuSet> CpuSet::parse(std::string_view text) {
    const auto wrong = [text](std::string_view what) {
        return std::unexpected(
            Error{Errc::invalid_argument, fmt::format("processors {}: {}", in_quotes(text), what)});
    };
    cpu_set_t allowed;
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return std::unexpected(errno_error("sched_getaffinity", errno));
    CpuSet set;
    set.text_ = text;
    std::string_view rest = text;
    do {
        const auto part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        const auto* end = part.data() + part.size();
        int first = -1;
        auto read = std::from_chars(part.data(), end, first);
        int last = first;
        if (read.ec == std::errc{} && read.ptr != end && *read.ptr == '-')
            read = std::from_chars(read.ptr + 1, end, last);
        if (read.ec != std::errc{} || read.ptr != end || first < 0 || last < first ||
            last >= CPU_SETSIZE)
            return wrong("must be numbers and ranges joined by commas, e.g. 0 or 0-1,3");
        for (int cpu = first; cpu <= last; ++cpu) {
            if (!CPU_ISSET(cpu, &allowed))
                return wrong(fmt::format("there is no processor {} for this process", cpu));
            CPU_SET(cpu, &set.mask_);
        }
    } while (!rest.empty());
    return set;
}

Result<> pin_thread(const CpuSet& cpus) {
    if (cpus.empty()) return {};
    if (::sched_setaffinity(0, sizeof(cpu_set_t), &cpus.mask()) == 0) return {};
    return std::unexpected(errno_error("processors " + cpus.text(), errno));
}

}  // namespace crucible::base
