#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "lab/memory/iterations.h"
#include "lab/memory/leak.h"

namespace crucible::lab {

/// One site that does what both do.
inline SiteCourse both(SiteCourse a, const SiteCourse& b) {
    for (std::size_t i = 0; i < a.live_bytes.size(); ++i) {
        a.live_bytes[i] += b.live_bytes[i];
        a.live_objects[i] += b.live_objects[i];
    }
    return a;
}

/// Sites as they are found in real programs, after each of a run's iterations. Times count in
/// iterations, 0 when the judged part begins.
class SimulatedSites {
public:
    /// Iterations differ in length as those of `crucible profile --leaks` do, unless `equal`.
    SimulatedSites(std::uint64_t seed, std::size_t iterations, double events_per_iteration,
                   bool equal = false)
        : rng_(seed) {
        double handled = 0;
        for (const double length : iteration_lengths(iterations, seed)) {
            events_.push_back(std::round(events_per_iteration * (equal ? 1 : length)));
            handled += events_.back();
            times_.push_back(handled / events_per_iteration);
        }
    }

    const std::vector<double>& events() const { return events_; }
    std::size_t iterations() const { return times_.size(); }
    /// When the run ends.
    double end() const { return times_.back(); }
    /// When the last iteration begins.
    double last_begins() const { return times_[times_.size() - 2]; }
    base::Rng& rng() { return rng_; }
    double uniform(double low, double high) { return low + (high - low) * rng_.uniform(); }
    double log_uniform(double low, double high) {
        return low * std::pow(high / low, rng_.uniform());
    }
    double normal() {
        double sum = -6;
        for (int i = 0; i < 12; ++i) sum += rng_.uniform();
        return sum;
    }
    /// 16, 32, ... 4,096 bytes.
    double block() { return static_cast<double>(16U << rng_.below(9)); }

    /// `objects` at time t, each of `block` bytes.
    SiteCourse site(std::string name, double block, const std::function<double(double)>& objects) {
        SiteCourse result{std::move(name), {}, {}};
        for (const double time : times_) {
            result.live_objects.push_back(std::floor(objects(time) + 1e-9));
            result.live_bytes.push_back(block * result.live_objects.back());
        }
        return result;
    }

    SiteCourse constant() {
        const double objects = std::floor(log_uniform(1, 1e4));
        return site("constant", block(), [=](double) { return objects; });
    }

    /// A block of `block` bytes every `events` events.
    SiteCourse leak(double block, double events) {
        double handled = uniform(0, events);
        SiteCourse result{"leak", {}, {}};
        for (const double length : events_) {
            handled += length;
            result.live_objects.push_back(std::floor(handled / events));
            result.live_bytes.push_back(block * result.live_objects.back());
        }
        return result;
    }

    /// A block of `block` bytes at any time, `each` of them per iteration on average.
    SiteCourse random_leak(double block, double each) {
        double at = 0;
        double next = rng_.exponential();
        return site("random_leak", block, [=, this](double time) mutable {
            for (; next <= each * time; ++at) next += rng_.exponential();
            return at;
        });
    }

    /// Entries are added at one pace until `full_at`; from then on each replaces another. Their
    /// sizes vary by `size_spread` of the mean, so that bytes do when it is full.
    SiteCourse lru_cache(double full_at, double size_spread) {
        const double entries = std::floor(log_uniform(30, 3e4));
        const double mean = log_uniform(32, 1e4);
        SiteCourse result{"lru_cache", {}, {}};
        double objects = 0;
        double bytes = 0;
        double before = 0;
        for (const double time : times_) {
            const double target = std::min(entries, std::floor(entries * time / full_at));
            const double added = target - objects;
            const double replaced = std::min(target, entries * (time - before) / full_at - added);
            bytes += mean * added;
            // What leaves takes its share of the deviation with it.
            const double left = target > 0 ? 1 - replaced / target : 1;
            deviation_ =
                deviation_ * left + normal() * size_spread * mean * std::sqrt(added + 2 * replaced);
            objects = target;
            before = time;
            result.live_objects.push_back(objects);
            result.live_bytes.push_back(std::max(0.0, std::round(bytes + deviation_)));
        }
        deviation_ = 0;
        return result;
    }

    /// One array that doubles while `grows_until` has not come, elements added at one pace.
    SiteCourse doubling_pool(double grows_until) {
        const double element = block();
        const double most = log_uniform(64, 1e5);
        const double first = uniform(0.01, 0.8) * most;
        SiteCourse result{"doubling_pool", {}, {}};
        for (const double time : times_) {
            const double elements =
                first + (most - first) * std::min(1.0, time / std::max(grows_until, 1e-9));
            const double capacity = std::exp2(std::ceil(std::log2(elements)));
            result.live_objects.push_back(1);
            result.live_bytes.push_back(element * capacity);
        }
        return result;
    }

    /// Collects blocks, and frees all of them every `period`.
    SiteCourse saw_tooth(double period, double amplitude) {
        const double size = block();
        const double phase = rng_.uniform();
        const double most = std::max(1.0, amplitude / size);
        return site("saw_tooth", size, [=](double time) {
            const double position = time / period + phase;
            return most * (position - std::floor(position));
        });
    }

    /// Objects of `size` bytes, in steps of up to `step` either way, reflected at 0 and `width`.
    SiteCourse bounded_walk(double size, double step, double width) {
        double at = uniform(0, width);
        return site("bounded_walk", size, [=, this](double) mutable {
            at = std::abs(at + uniform(-step, step));
            at = at > width ? 2 * width - at : at;
            return at;
        });
    }

    /// A cache of `entries` that are each found for the first time with one rate: 1 - exp(-t/tau).
    SiteCourse converging_cache(double entries, double tau) {
        const double size = block();
        double filled = 0;
        double before = 0;
        return site("converging_cache", size, [=, this](double time) mutable {
            const double share = 1 - std::exp(-(time - before) / tau);
            const double free = entries - filled;
            const double mean = free * share;
            filled +=
                std::clamp(std::round(mean + normal() * std::sqrt(mean * (1 - share))), 0.0, free);
            before = time;
            return filled;
        });
    }

    /// Grows at `count` times drawn at random, by blocks of any size.
    SiteCourse steps(std::size_t count) {
        std::vector<std::pair<double, double>> jumps;
        for (std::size_t i = 0; i < count; ++i) {
            jumps.emplace_back(uniform(0, end()), std::floor(log_uniform(1, 1e3)));
        }
        return site("steps", block(), [=](double time) {
            double objects = 10;
            for (const auto& [at, size] : jumps) objects += at <= time ? size : 0;
            return objects;
        });
    }

    /// A pool that grows by the logarithm of what it has served, `before` iterations already.
    SiteCourse log_pool(double objects, double before) {
        return site("log_pool", block(),
                    [=](double time) { return objects * std::log(1 + time / before); });
    }

    /// A period of flushes in iterations, also one that nearly keeps step with their mean.
    double flush_period() { return log_uniform(0.1, end() / 2); }

    /// Twenty sites of a program that leaks nothing, each of the kinds above.
    std::vector<SiteCourse> clean_program() {
        std::vector<SiteCourse> sites;
        for (int i = 0; i < 3; ++i) {
            sites.push_back(constant());
            sites.push_back(lru_cache(uniform(0.5, last_begins()), i == 0 ? 0 : uniform(0, 0.5)));
            sites.push_back(doubling_pool(uniform(0, end())));
            const double step = log_uniform(1, 100);
            sites.push_back(bounded_walk(block(), step, step * uniform(2, 20)));
        }
        for (int i = 0; i < 4; ++i) {
            sites.push_back(saw_tooth(flush_period(), log_uniform(1e3, 3e5)));
        }
        for (int i = 0; i < 2; ++i) {
            sites.push_back(converging_cache(log_uniform(100, 1e4), uniform(0.1, 0.5) * end()));
            sites.push_back(steps(1 + rng_.below(3)));
        }
        return sites;
    }

private:
    base::Rng rng_;
    std::vector<double> events_;
    std::vector<double> times_;
    double deviation_ = 0;
};

}  // namespace crucible::lab
