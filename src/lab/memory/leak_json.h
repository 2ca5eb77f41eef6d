#pragma once

#include <nlohmann/json_fwd.hpp>

#include "lab/memory/leak.h"

namespace crucible::lab {

/// The member `leak` of crucible.memory/1: {verdict, reason, iterations, bytes_per_event: {value,
/// ci_low, ci_high} of all sites together, smallest_visible, site: the worst that is not clean,
/// sites: [{site, verdict, reason, bytes_per_event, late_bytes_per_event, p_value,
/// smallest_visible}]}. What is not known, and infinite ends, are null.
nlohmann::json leak_json(const LeakJudgement& judgement);

}  // namespace crucible::lab
