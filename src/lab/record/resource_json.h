#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>

#include "lab/record/resource_report.h"

namespace crucible::lab {

/// The `resources` member of a result. Figures are by name, absent ones with their reason; a series
/// has at most `points_max` points. docs/guides/resources.md shows it.
nlohmann::json resources_json(const ResourceReport& report, std::size_t points_max = 500);

}  // namespace crucible::lab
