#include "lab/compare/expectations.h"

#include <fmt/format.h>

#include <cmath>

#include "base/assert.h"

namespace crucible::lab {
namespace {

ExpectationOutcome outcome_of(const Expectation& expectation, const Estimate& ratio) {
    const double low = ratio.ci_low - 1;
    const double high = ratio.ci_high - 1;
    if (low >= expectation.low && high <= expectation.high) return ExpectationOutcome::met;
    const bool above = low > expectation.high;
    const bool below = high < expectation.low;
    if (!above && !below) return ExpectationOutcome::not_proven;
    const bool better = above == (expectation.metric->better == Better::higher);
    return better ? ExpectationOutcome::exceeded : ExpectationOutcome::missed;
}

std::string percent_end(double ratio) {
    return std::isfinite(ratio) ? fmt::format("{:+.1f}", (ratio - 1) * 100) : "open";
}

}  // namespace

std::string_view to_string(ExpectationOutcome outcome) noexcept {
    switch (outcome) {
        case ExpectationOutcome::met:
            return "met";
        case ExpectationOutcome::exceeded:
            return "exceeded";
        case ExpectationOutcome::missed:
            return "missed";
        case ExpectationOutcome::not_proven:
            return "not_proven";
    }
    return "unknown";
}

ExpectationResult judge_expectation(const Expectation& expectation, const MetricComparison& found) {
    CRUCIBLE_ASSERT(expectation.metric == found.info);
    ExpectationResult result{.expectation = expectation};
    if (!found.ratio || !found.anytime) {
        result.evidence = found.reason;
        return result;
    }
    result.outcome = outcome_of(expectation, *found.anytime);
    result.evidence = fmt::format("{:+.1f} % [{}, {}]", (found.ratio->value - 1) * 100,
                                  percent_end(found.anytime->ci_low),
                                  percent_end(found.anytime->ci_high), found.rounds);
    return result;
}

}  // namespace crucible::lab
