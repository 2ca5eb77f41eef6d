#include "lab/scale/operational_laws.h"

#include <cmath>

#include "base/assert.h"

namespace crucible::lab::scale {
namespace {

LawCheck equality(OperationalLaw law, double expected, double observed, double tolerance) {
    LawCheck check{.law = law, .expected = expected, .observed = observed, .tolerance = tolerance};
    check.gap = observed / expected - 1;
    check.holds = std::abs(check.gap) <= tolerance;
    return check;
}

enum class Side : std::uint8_t { at_most, at_least };

LawCheck inequality(OperationalLaw law, Side side, double bound, double observed,
                    double tolerance) {
    LawCheck check{
        .law = law, .expected = bound, .observed = observed, .tolerance = tolerance, .bound = true};
    check.gap = observed / bound - 1;
    check.holds = side == Side::at_most ? check.gap <= tolerance : check.gap >= -tolerance;
    return check;
}

}  // namespace

std::string_view to_string(OperationalLaw law) noexcept {
    switch (law) {
        case OperationalLaw::utilization:
            return "utilization";
        case OperationalLaw::littles:
            return "littles";
        case OperationalLaw::bottleneck:
            return "bottleneck";
        case OperationalLaw::population_bound:
            return "population_bound";
        case OperationalLaw::response_bound:
            return "response_bound";
    }
    return "utilization";
}

std::vector<LawCheck> check_laws(const Operation& operation, double tolerance) {
    CRUCIBLE_ASSERT(operation.seconds > 0 && operation.completions > 0);
    CRUCIBLE_ASSERT(operation.servers >= 1 && operation.think_seconds >= 0);
    CRUCIBLE_ASSERT(tolerance > 0 && tolerance < 1);
    CRUCIBLE_ASSERT(operation.population.value_or(1) > 0 && operation.population_error >= 0);
    const double throughput = operation.completions / operation.seconds;
    std::vector<LawCheck> checks;
    if (operation.busy_seconds && operation.service_seconds) {
        checks.push_back(equality(OperationalLaw::utilization,
                                  throughput * *operation.service_seconds / operation.servers,
                                  *operation.busy_seconds / operation.seconds / operation.servers,
                                  tolerance));
    }
    if (operation.population && operation.response_seconds) {
        const double cycle = *operation.response_seconds + operation.think_seconds;
        checks.push_back(equality(OperationalLaw::littles, throughput * cycle,
                                  *operation.population,
                                  tolerance + operation.population_error / (throughput * cycle)));
    }
    if (operation.service_seconds) {
        checks.push_back(inequality(OperationalLaw::bottleneck, Side::at_most,
                                    operation.servers / *operation.service_seconds, throughput,
                                    tolerance));
    }
    if (operation.population && operation.all_service_seconds) {
        const double cycle = *operation.all_service_seconds + operation.think_seconds;
        checks.push_back(inequality(
            OperationalLaw::population_bound, Side::at_most, *operation.population / cycle,
            throughput, tolerance + operation.population_error / *operation.population));
    }
    if (operation.response_seconds && operation.all_service_seconds) {
        checks.push_back(inequality(OperationalLaw::response_bound, Side::at_least,
                                    *operation.all_service_seconds, *operation.response_seconds,
                                    tolerance));
    }
    return checks;
}

}  // namespace crucible::lab::scale
