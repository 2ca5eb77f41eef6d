#pragma once

namespace crucible::bench {

/// Registers all benchmarks of the suite with Google Benchmark.
void register_benchmarks();

}  // namespace crucible::bench
