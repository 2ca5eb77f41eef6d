#pragma once

#include "support/options.h"
#include "support/rounds.h"

/// The parts of the bench, one --part each. What they find out is in the Rounds.
namespace crucible::bench {

/// A list of the result file that is no question of rounds (docs/formats/README.md): one
/// crucible.scaling/1 after the other.
inline constexpr const char* kScalings = "scalings";

/// Breaking points of synthetic systems whose capacity is known: fails where an interval leaves it
/// out.
void known_part(const Options& options, Rounds& rounds);
/// Breaking points of both architectures, and curves up to them and beyond.
void rate_part(const Options& options, Rounds& rounds);
/// 1 to 16 client processes.
void clients_part(const Options& options, Rounds& rounds);
/// 1 to 8 workers.
void workers_part(const Options& options, Rounds& rounds);
/// 1 to 100 services.
void services_part(const Options& options, Rounds& rounds);
/// 256 B to 64 KiB.
void payload_part(const Options& options, Rounds& rounds);

}  // namespace crucible::bench
