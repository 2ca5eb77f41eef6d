#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace crucible::lab::report {

// A result file as the renderers see it: the members of docs/formats/README.md under the same
// names, times in seconds, sizes in bytes. All texts are free of control characters.

/// A value with its interval; each part absent where the file has null.
struct Estimate {
    std::optional<double> value;
    std::optional<double> low;
    std::optional<double> high;
    bool has_interval() const noexcept { return low && high; }
};

struct Environment {
    std::string cpu;
    std::uint64_t cores = 0;
    double memory_bytes = 0;
    std::string kernel;
    std::string os;
    std::string governor;  ///< empty: unknown
    std::vector<double> load_average;
    std::optional<double> idle_latency_limit;  ///< absent: none, or not known
    double wakeup_p50 = 0;
    double wakeup_p99 = 0;
};

/// What every result file starts with.
struct Header {
    std::string version;
    std::string commit;
    std::optional<Environment> environment;  ///< of a measurement
    std::vector<std::string> command;
    std::uint64_t seed = 0;
    std::string started;
    std::optional<double> duration_seconds;
    bool interrupted = false;
    std::string failure;  ///< empty: none
};

struct Phase {
    std::string name;
    std::optional<double> rate;  ///< of an open loop, unless it is the axis of a scaling
    std::string pattern;         ///< open loop: as --pattern takes it; empty without a rate
    std::string arrivals;        ///< empty: closed loop
    std::uint64_t events = 0;
    double duration = 0;
    double warmup = 0;
    std::uint64_t window = 0;
    double think = 0;
};

struct Load {
    // What is the axis of a scaling has no value.
    std::optional<std::uint64_t> clients;
    std::optional<std::uint64_t> services;
    std::optional<double> payload_bytes;
    std::string payload;
    std::string mix;
    std::string accounts;
    std::string faults;
    std::string client_cpus;
    std::string system_cpus;
    std::uint64_t events_per_pass = 0;
    bool realtime = false;  ///< asked for
    std::string pacing;
    std::vector<Phase> phases;
};

/// A figure over rounds; absent why there is none.
struct MemoryMetric {
    std::string name;
    std::string unit;
    Estimate estimate;
    std::uint64_t n = 0;
    std::string absent;
};

}  // namespace crucible::lab::report
