#pragma once

#include "support/options.h"
#include "support/rounds.h"

/// The parts of the bench, one --part each. What they find out is in the Rounds.
namespace crucible::bench {

/// One publisher, one event per call; payloads from 64 B to 64 KiB; all peers.
void throughput_part(const Options& options, Rounds& rounds);
/// One event at a time; all peers.
void latency_part(const Options& options, Rounds& rounds);
/// The same with 4, 16 and 64 publishers at once.
void clients_part(const Options& options, Rounds& rounds);
/// 1, 10 and 100 services, with and without work, through the lab.
void services_part(const Options& options, Rounds& rounds);
/// 10 to 100,000 rules: what they cost the daemon, and a decision alone.
void rules_part(const Options& options, Rounds& rounds);
/// Light, medium, heavy and stress, with and without work, beside NATS and Redis, through the lab.
void scenarios_part(const Options& options, Rounds& rounds);
/// 1 to 8 clients that write to one database file, at both durabilities, beside coordinators that
/// each write for themselves.
void durability_part(const Options& options, Rounds& rounds);
/// Random SIGKILLs of the daemon, its publishers and an external service, and what the services
/// have kept held against what was acknowledged.
void crashes_part(const Options& options, Rounds& rounds);
/// Three times what it can handle, with priorities; and one service of eight that stalls.
void overload_part(const Options& options, Rounds& rounds);
/// Bytes: idle, for an idle connection, for an event in a stalled service's queue, and at most
/// while a consumer stands still.
void memory_part(const Options& options, Rounds& rounds);

}  // namespace crucible::bench
