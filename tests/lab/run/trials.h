#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "lab/run/trial.h"

namespace crucible::lab {

inline Phase steady(double rate, std::uint64_t events, Duration warmup = {}) {
    return steady_phase(*base::Rate::per_second(rate), events, warmup);
}

/// A trial that can be started; whether it went well is in its result.
inline TrialResult run(std::string_view target, const Plan& plan,
                       const TrialOptions& options = {}) {
    const auto url = parse_target(target);
    EXPECT_TRUE(url) << url.error().message;
    auto result = run_trial(*url, {}, plan, options);
    EXPECT_TRUE(result) << result.error().message;
    return result ? *std::move(result) : TrialResult{};
}

}  // namespace crucible::lab
