#include "calibration/figure.h"

#include <fmt/format.h>

#include <boost/math/distributions/binomial.hpp>
#include <cstdio>

namespace crucible::bench {

std::pair<double, double> Figure::interval() const {
    using boost::math::binomial;
    const auto trials = static_cast<double>(of);
    const auto successes = static_cast<double>(count);
    return {count == 0 ? 0 : binomial::find_lower_bound_on_p(trials, successes, 0.025),
            count == of ? 1 : binomial::find_upper_bound_on_p(trials, successes, 0.025)};
}

bool Figure::broken() const {
    const auto [least, most] = interval();
    return most < low || least > high;
}

std::string_view Figure::state() const {
    if (!promised()) return "";
    if (kept()) return "kept";
    return broken() ? "BROKEN" : "open";
}

void print(const Figure& figure) {
    const auto [low, high] = figure.interval();
    std::string promise = "                ";
    if (figure.low > 0 && figure.high < 1) {
        promise = fmt::format("{:5.1f} to {:5.1f} %", figure.low * 100, figure.high * 100);
    } else if (figure.low > 0) {
        promise = fmt::format("at least {:5.1f} %", figure.low * 100);
    } else if (figure.high < 1) {
        promise = fmt::format("at most  {:5.1f} %", figure.high * 100);
    }
    fmt::print("{:62} {:6.2f} % [{:.2f}, {:.2f}]  {}  {}\n", figure.name, figure.share() * 100,
               low * 100, high * 100, promise, figure.state());
    std::fflush(stdout);
}

}  // namespace crucible::bench
