#pragma once

#include "lab/scale/usl.h"
#include "lab/stats/interval.h"

namespace crucible::lab::scale {

/// Two estimates, with t^2 times their variances and covariance.
struct EstimatePair {
    double numerator = 0;
    double denominator = 0;
    double variance_numerator = 0;
    double variance_denominator = 0;
    double covariance = 0;
};

/// All ratios theta > 0 that the pair does not exclude: |numerator - theta denominator| within t of
/// its standard error (Fieller 1954). Without an upper end where the denominator may be 0:
/// infinity.
stats::Interval ratio_interval(const EstimatePair& pair);

/// Of the most throughput there is, where there is a `fit.limit`. Near beta = 0 that falls with the
/// root of beta, too steeply for the delta method, and half of the estimates are on the bound where
/// it is. So it is the union over all beta >= 0 of what that beta leaves: the other two are moved
/// to where least squares have them with such a beta, their spread is what remains without beta's,
/// and the squares of the distances of beta and of the limit together may be t^2 (profile
/// likelihood, as if the estimates were normal).
stats::Interval limit_interval(const UslFit& fit);

/// Of the ratio of both limits, candidate / baseline, measured in the same rounds: likewise over
/// all pairs of a beta of the one and a beta of the other, whose distances count as independent.
/// What rounds share is in the spread of the ratio once. Both have a `limit` and what `left_out`
/// tells.
stats::Interval limit_ratio_interval(const UslFit& baseline, const UslFit& candidate);

}  // namespace crucible::lab::scale
