#pragma once

#include <string>

#include "lab/report/document.h"

namespace crucible::lab::report {

/// The HTML page of a scaling.
std::string render_page(const ScalingDocument& document);

}  // namespace crucible::lab::report
