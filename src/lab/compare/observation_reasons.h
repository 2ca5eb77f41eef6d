#pragma once

#include <string>
#include <vector>

#include "lab/compare/observation.h"

namespace crucible::lab {

/// What was found about the two results as such: where they were measured, with what, and whether
/// whole. The first failure of "same_machine" that is known, and not merely unknown, is returned in
/// `withheld`.
std::vector<Check> observation_checks(const StoredResult& baseline, const StoredResult& candidate,
                                      std::string& withheld);

/// The reasons of an observation whose metrics are judged: that it proves nothing, what would, and
/// what it looks like.
std::vector<std::string> observation_reasons(const StoredResult& baseline,
                                             const StoredResult& candidate,
                                             const Observation& observation);

}  // namespace crucible::lab
