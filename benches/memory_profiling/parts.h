#pragma once

#include "support/options.h"
#include "support/rounds.h"

/// The parts of the bench, one --part each. What they find out is in the Rounds.
namespace crucible::bench {

/// Lists of the result file that are no questions of rounds (docs/formats/README.md).
inline constexpr const char* kCourses = "courses";
inline constexpr const char* kLimits = "limits";

/// Payloads of 1, 4, 16 and 64 KiB, or --payload.
void payload_part(const Options& options, Rounds& rounds);
/// A low rate, a high one, and as fast as events are acknowledged.
void frequency_part(const Options& options, Rounds& rounds);
/// What is held at quiet moments over a minute, or --seconds, and whether it leaks.
void long_part(const Options& options, Rounds& rounds);
/// The least memory with which everything is handled, and what happens with less.
void pressure_part(const Options& options, Rounds& rounds);
/// Queues of several depths, and a consumer that stands still.
void saturation_part(const Options& options, Rounds& rounds);
/// 1, 10 and 100 services.
void services_part(const Options& options, Rounds& rounds);
/// 1 to 64 clients, and idle connections.
void clients_part(const Options& options, Rounds& rounds);

}  // namespace crucible::bench
