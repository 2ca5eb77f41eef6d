#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "runtime/dispatch/exchange.h"
#include "runtime/service/service_set.h"

namespace crucible::runtime {

/// Everything an embedded coordinator and the daemon have in common; equal defaults in both.
struct CoordinatorOptions {
    ServiceOptions services;
    std::uint32_t workers = 2;  ///< threads that run services, at least 1
    std::size_t queue_events_max =
        65'536;  ///< accepted and not ended; what happens beyond it, `overflow` says
    std::size_t queue_bytes_max = 256u << 20;
    /// Waiting events of one service handed over at once, at most; 0: as the service wants it.
    std::uint32_t batch_max = 0;
    /// Of them, for one service instance: one that stalls leaves room for the others' events.
    std::size_t service_events_max = 32'768;
    /// Instances of a category that run at the same time, at most; 0: no limit.
    std::array<std::uint32_t, kCategoryCount> concurrency{};
    Overflow overflow = Overflow::reject;

    std::filesystem::path rules;  ///< file of docs/formats/rules.md; empty: no rules
    RetryPolicy retry;
    CircuitBreaker::Options breaker;
    HealthCheckOptions health;  ///< `interval` 0: services are not checked
    /// Within it an event that is published again is not handled again. 0: not looked for.
    Duration repeat_window = std::chrono::minutes(5);
    std::size_t repeat_events_max = 100'000;  ///< remembered for that
    DeadLetters::Options dead_letters;
};

}  // namespace crucible::runtime
