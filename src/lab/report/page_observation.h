#pragma once

#include <string>

#include "lab/report/document.h"

namespace crucible::lab::report {

/// The HTML page of two stored results beside each other.
std::string render_page(const ObservationDocument& document);

}  // namespace crucible::lab::report
