#pragma once

#include <string>

#include "lab/report/document.h"

namespace crucible::lab::report {

/// The HTML page of a memory profile.
std::string render_page(const MemoryDocument& document);

}  // namespace crucible::lab::report
