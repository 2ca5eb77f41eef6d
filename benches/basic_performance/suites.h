#pragma once

namespace crucible::bench {

/// Registers all benchmarks of the suite with Google Benchmark.
void register_benchmarks();

/// Of those, the ones about rules, pools and events seen before.
void register_routing_benchmarks();

}  // namespace crucible::bench
