#pragma once

#include <string>
#include <string_view>

#include "crucible/error.h"
#include "lab/experiment/experiment.h"

namespace crucible::lab {

/// A whole round as one line of JSON, with everything that a comparison needs of it: decode() gives
/// a round that compares and reports as the one encoded.
std::string encode(const Round& round);

/// - Errc::corrupt: not such a line.
Result<Round> decode_round(std::string_view line);

}  // namespace crucible::lab
