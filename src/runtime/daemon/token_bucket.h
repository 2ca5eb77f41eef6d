#pragma once

#include <algorithm>
#include <chrono>

#include "crucible/time.h"

namespace crucible::runtime {

/// So many events per second on average, and at most `burst` at once: an event takes a token, and
/// tokens come back at the rate, up to `burst` of them. Full at first.
class TokenBucket {
public:
    /// `per_second` is above zero, `burst` at least 1.
    TokenBucket(double per_second, double burst, TimePoint now) noexcept
        : per_second_(per_second), burst_(burst), tokens_(burst), counted_(now) {}

    /// Whether there is a token.
    bool holds_one(TimePoint now) noexcept {
        const std::chrono::duration<double> passed = now - counted_;
        if (passed.count() > 0) {
            tokens_ = std::min(burst_, tokens_ + passed.count() * per_second_);
            counted_ = now;
        }
        return tokens_ >= 1;
    }
    /// Takes the token that there is.
    void take() noexcept { tokens_ -= 1; }

    /// When there will be `count` tokens, if none is taken; no more than `burst` are waited for.
    TimePoint when(double count) const noexcept {
        const double missing = std::min(count, burst_) - tokens_;
        if (missing <= 0) return counted_;
        // Rounded up: whoever comes then must find them.
        const std::chrono::duration<double, std::nano> wait(missing / per_second_ * 1e9);
        return counted_ + std::chrono::ceil<Duration>(wait);
    }

private:
    double per_second_;
    double burst_;
    double tokens_;
    TimePoint counted_;  ///< when tokens_ was right
};

}  // namespace crucible::runtime
