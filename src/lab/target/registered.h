#pragma once

#include <string_view>
#include <vector>

#include "crucible/measure.h"

namespace crucible::lab {

/// What register_target() was given for `scheme`; null where nothing was.
const TargetFactory* registered_target(std::string_view scheme) noexcept;

std::vector<std::string_view> registered_schemes();

}  // namespace crucible::lab
