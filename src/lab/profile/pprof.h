#pragma once

#include <cstddef>
#include <string>

#include "lab/profile/symbolized_profile.h"

namespace crucible::lab {

/// The profile as pprof's profile.proto, compressed with gzip: `go tool pprof`, and most viewers of
/// profiles, read it. Samples have the labels "owner" and "thread"; remarks are comments. The same
/// profile gives the same bytes. Viewers begin with the values of the kind `first_kind`.
std::string write_pprof(const SymbolizedProfile& profile, std::size_t first_kind = 0);

}  // namespace crucible::lab
