// /proc/<pid>/maps, in which the watched program chooses the paths: a text is refused with its
// line, or read into ranges that addresses can be looked up in.
#include "base/assert.h"
#include "fuzzer.h"
#include "lab/profile/mapped_module.h"

namespace crucible::fuzz {

void run(std::string_view input) {
    const auto modules = lab::parse_maps(input);
    if (!modules) {
        check_message(modules.error());
        CRUCIBLE_ASSERT(modules.error().message.starts_with("line "));
        return;
    }
    std::uint64_t start = 0;
    for (const auto& module : *modules) {
        CRUCIBLE_ASSERT(module.start >= start && module.start < module.end);
        CRUCIBLE_ASSERT(!module.name().empty() || module.path.ends_with('/'));
        start = module.start;
        // Ranges of a real process do not overlap; those of a wrong text may.
        const auto found = lab::find_module(*modules, module.start);
        CRUCIBLE_ASSERT(found && (*modules)[*found].start == module.start);
    }
}

std::vector<std::string> seeds() {
    return {};
}

}  // namespace crucible::fuzz
