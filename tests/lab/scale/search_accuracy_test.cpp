#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "search_simulation.h"

namespace crucible::lab::scale {
namespace {

struct Accuracy {
    double error_p95 = 0;
    double coverage = 0;
    double narrow = 0;  ///< share that ended with an interval as narrow as asked for
    double width = 0;   ///< median half width
    double trials_mean = 0;
    std::uint32_t trials_max = 0;
    double bounds = 0;  ///< share with both bounds around the truth
};

Accuracy accuracy_of(const SimulatedSystem& system, const SearchOptions& options, int searches) {
    Accuracy accuracy;
    std::vector<double> errors;
    std::vector<double> widths;
    for (int seed = 1; seed <= searches; ++seed) {
        const auto point = search_simulated(system, options, static_cast<std::uint64_t>(seed));
        accuracy.trials_max = std::max(accuracy.trials_max, point.trials);
        accuracy.trials_mean += point.trials;
        accuracy.narrow += point.ending == Ending::found ? 1 : 0;
        if (!point.estimate) {
            errors.push_back(1);
            continue;
        }
        const auto [low, high] = point.estimate->interval;
        errors.push_back(std::abs(point.estimate->estimate / system.knee - 1));
        widths.push_back(std::sqrt(high / low) - 1);
        accuracy.coverage += low <= system.knee && system.knee <= high ? 1 : 0;
        accuracy.bounds += point.lower_bound && point.upper_bound &&
                                   *point.lower_bound <= system.knee * (1 + system.noise) &&
                                   *point.upper_bound >= system.knee * (1 - system.noise)
                               ? 1
                               : 0;
    }
    std::ranges::sort(errors);
    std::ranges::sort(widths);
    const auto count = static_cast<double>(searches);
    accuracy.error_p95 = errors[static_cast<std::size_t>(std::ceil(0.95 * count)) - 1];
    accuracy.width = widths.empty() ? 0 : widths[widths.size() / 2];
    accuracy.coverage /= count;
    accuracy.narrow /= count;
    accuracy.trials_mean /= count;
    accuracy.bounds /= count;
    return accuracy;
}

void print(std::string_view name, const Accuracy& a) {
    fmt::print(
        "{:<34} error p95 {:5.2f} %  coverage {:5.1f} %  half width {:4.2f} %  narrow {:5.1f} %  "
        "trials {:4.1f}, at most {}  bounds {:5.1f} %\n",
        name, 100 * a.error_p95, 100 * a.coverage, 100 * a.width, 100 * a.narrow, a.trials_mean,
        a.trials_max, 100 * a.bounds);
}

TEST(SearchAccuracy, All) {
    SearchOptions options{.lowest = 10, .highest = 1e5, .descends = false, .soaks = false};
    const int n = simulations(40);
    for (const double noise : {0.005, 0.02, 0.05}) {
        for (const double spurious : {0.0, 0.03, 0.08}) {
            print(fmt::format("noise {} spurious {}", noise, spurious),
                  accuracy_of({.noise = noise, .spurious = spurious}, options, n));
        }
    }
    for (const double knee : {13.0, 123.0, 5555.0, 77777.0}) {
        print(fmt::format("knee {}", knee), accuracy_of({.knee = knee}, options, n));
    }
    options.lowest = 1;
    print("from 1", accuracy_of({}, options, n));
    options.lowest = 100;
    print("from 100", accuracy_of({}, options, n));
}

}  // namespace
}  // namespace crucible::lab::scale
