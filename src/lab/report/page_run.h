#pragma once

#include <string>

#include "lab/report/document.h"

namespace crucible::lab::report {

/// The HTML page of a run.
std::string render_page(const RunDocument& document);

}  // namespace crucible::lab::report
