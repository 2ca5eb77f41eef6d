#include "lab/target/registered.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "lab/target/endpoint.h"

namespace crucible {
namespace {

struct Registered {
    std::string scheme;
    TargetFactory factory;
};

/// References to its elements stay valid.
std::deque<Registered>& registry() {
    static std::deque<Registered> all;
    return all;
}

}  // namespace

Result<> register_target(std::string scheme, TargetFactory factory) {
    if (scheme.empty() ||
        scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
        return std::unexpected(Error{
            Errc::invalid_argument,
            fmt::format("target '{}': must be lower-case letters, digits and dashes", scheme)});
    }
    if (lab::is_built_in(scheme) || lab::registered_target(scheme) != nullptr) {
        return std::unexpected(
            Error{Errc::already_exists, fmt::format("target '{}': is there already", scheme)});
    }
    registry().push_back({std::move(scheme), std::move(factory)});
    return {};
}

namespace lab {

const TargetFactory* registered_target(std::string_view scheme) noexcept {
    const auto found = std::ranges::find(registry(), scheme, &Registered::scheme);
    return found == registry().end() ? nullptr : &found->factory;
}

std::vector<std::string_view> registered_schemes() {
    std::vector<std::string_view> schemes;
    for (const auto& each : registry()) schemes.push_back(each.scheme);
    return schemes;
}

}  // namespace lab
}  // namespace crucible
