#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "crucible/error.h"
#include "crucible/event.h"

namespace crucible::lab {

/// An encoded event is at most kEventBytesMax; this much of it is kept for what is around the
/// payload.
inline constexpr std::uint64_t kPayloadBytesMax = kEventBytesMax - 4096;

/// How large payloads are: each event's size is drawn from it.
class PayloadSizes {
public:
    static PayloadSizes fixed(std::uint64_t bytes);

    /// - "1KiB": all the same;
    /// - "uniform:256B,4KiB": each size in between as likely;
    /// - "lognormal:1KiB,0.8": a median, and the standard deviation of the logarithm;
    /// - "histogram:256B*70,1KiB*25,64KiB*5": these sizes, with weights.
    /// - Errc::invalid_argument: none of them, or beyond 1 B to kPayloadBytesMax.
    static Result<PayloadSizes> parse(std::string_view text);

    /// From 1 to kPayloadBytesMax: of a log-normal one the tail beyond counts as the limit.
    std::uint64_t draw(base::Rng& random) const;

    bool is_fixed() const noexcept { return kind_ == Kind::fixed; }
    double mean() const noexcept;  ///< bytes
    const std::string& text() const noexcept { return text_; }

private:
    enum class Kind : std::uint8_t { fixed, uniform, lognormal, histogram };
    struct Bin {
        std::uint64_t bytes = 0;
        std::uint64_t weight_up_to = 0;  ///< of the bins before it and its own
    };
    Kind kind_ = Kind::fixed;
    std::uint64_t low_ = 1;   ///< the size itself; the median
    std::uint64_t high_ = 1;  ///< of the uniform one
    double sigma_ = 0;
    std::vector<Bin> bins_;
    std::string text_;
};

}  // namespace crucible::lab
