#include "lab/memory/visible_leak.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "lab/memory/growth.h"
#include "lab/memory/rules.h"

namespace crucible::lab {
namespace {

/// What the smallest block of common allocators holds. A leak of one byte per event leaks blocks.
constexpr double kBlockBytes = 16;
constexpr double kPrecision = 1.1;
constexpr double kBytesPerEventMost = 1e9;

/// Half the distance between the largest and the smallest.
double spread_of(const SpanRates& rates) {
    const auto [least, most] = std::ranges::minmax(rates);
    return (most - least) / 2;
}

}  // namespace

VisibleLeak::VisibleLeak(std::span<const double> events, std::size_t hypotheses, double alpha)
    : events_(events), alpha_(alpha / static_cast<double>(hypotheses)) {
    CRUCIBLE_ASSERT(hypotheses > 0);
}

std::optional<double> VisibleLeak::beneath(std::span<const double> noise) const {
    // What is seen beneath noise is of the size of what it does to the rates: begin well below.
    double low = kBlockBytes / (events_.back() - events_.front());
    if (sees(low, noise)) return low;
    double high = std::max(2 * low, spread_of(span_rates(events_, noise)) / 4);
    for (; !sees(high, noise); high *= 2) {
        if (high > kBytesPerEventMost) return std::nullopt;
        low = high;
    }
    while (high > kPrecision * low) {
        const double middle = std::sqrt(low * high);
        (sees(middle, noise) ? high : low) = middle;
    }
    return high;
}

bool VisibleLeak::sees(double bytes_per_event, std::span<const double> noise) const {
    std::vector<double> course(noise.begin(), noise.end());
    for (std::size_t i = 0; i < course.size(); ++i) {
        const double leaked = bytes_per_event * (events_[i] - events_.front());
        course[i] += kBlockBytes * std::floor(leaked / kBlockBytes);
    }
    return grows_as_leaks_do({events_, course, kBlockBytes}, alpha_);
}

}  // namespace crucible::lab
