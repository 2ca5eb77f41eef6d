#include "app/crucible/version.h"

#include "app/crucible/output.h"
#include "crucible_version.h"

namespace crucible::app {

std::string_view version() noexcept {
    return kCrucibleVersion;
}
std::string_view commit() noexcept {
    return kCrucibleCommit;
}

lab::RunFacts run_facts(std::string_view command, std::span<const std::string_view> args,
                        std::uint64_t seed) {
    lab::RunFacts facts{.version = std::string(version()),
                        .commit = std::string(commit()),
                        .command = {"crucible"},
                        .started = utc_now(),
                        .duration_seconds = 0,
                        .seed = seed};
    facts.command.emplace_back(command);
    for (const auto word : args) facts.command.emplace_back(word);
    return facts;
}

}  // namespace crucible::app
