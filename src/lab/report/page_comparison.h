#pragma once

#include <string>

#include "lab/report/document.h"

namespace crucible::lab::report {

/// The HTML page of a comparison.
std::string render_page(const ComparisonDocument& document);

}  // namespace crucible::lab::report
