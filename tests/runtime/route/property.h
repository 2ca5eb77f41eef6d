#pragma once

#include <rapidcheck.h>

#include <cstdlib>

namespace crucible::runtime::testing {

/// RapidCheck's default is another seed in every run. Ours are the same ones each time; RC_PARAMS
/// in the environment looks at others.
inline const int kFixedSeed =
    ::setenv("RC_PARAMS", "seed=20260131 max_success=2000 max_size=30", 0);

}  // namespace crucible::runtime::testing
