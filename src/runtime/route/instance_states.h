#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/service/health_registry.h"

namespace crucible::runtime {

/// What is known of each service instance now, by its index: the dispatcher writes it, rules and
/// pools read it. At first all are healthy and idle: an instance that nobody checks is used.
/// Thread-safe; readers see each value on its own, a moment old at most.
class InstanceStates {
public:
    explicit InstanceStates(std::size_t instances) : states_(instances) {}

    std::size_t size() const noexcept { return states_.size(); }

    void set_health(std::size_t instance, Health health) noexcept {
        states_[instance].health.store(health, std::memory_order_relaxed);
    }
    Health health(std::size_t instance) const noexcept {
        return states_[instance].health.load(std::memory_order_relaxed);
    }

    /// Whether its circuit breaker lets events through.
    void set_admitted(std::size_t instance, bool admitted) noexcept {
        states_[instance].admitted.store(admitted, std::memory_order_relaxed);
    }

    /// An event was given to it.
    void begin(std::size_t instance) noexcept {
        states_[instance].in_flight.fetch_add(1, std::memory_order_relaxed);
    }
    /// An event given to it has ended.
    void end(std::size_t instance) noexcept {
        states_[instance].in_flight.fetch_sub(1, std::memory_order_relaxed);
    }
    std::uint32_t in_flight(std::size_t instance) const noexcept {
        return states_[instance].in_flight.load(std::memory_order_relaxed);
    }

    /// Healthy or degraded, and admitted.
    bool available(std::size_t instance) const noexcept {
        const Health now = health(instance);
        return (now == Health::healthy || now == Health::degraded) &&
               states_[instance].admitted.load(std::memory_order_relaxed);
    }

private:
    /// A cache line each: workers count different instances at the same time.
    struct alignas(64) State {
        std::atomic<Health> health = Health::healthy;
        std::atomic<bool> admitted = true;
        std::atomic<std::uint32_t> in_flight = 0;
    };
    std::vector<State> states_;
};

}  // namespace crucible::runtime
